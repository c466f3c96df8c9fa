"""The only wiring: builds the parts from the configuration and keeps them running."""
