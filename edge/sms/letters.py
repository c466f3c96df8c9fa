"""Pure: the table of letter types."""
