"""Pure: the AT channel, bytes in, events out."""
