"""Pure: when to try again."""
