"""Pure: what a villager wrote to what was meant."""
