"""Pure: value types of the host's network state, and their difference."""
