"""The modem as a thing on the box: found, held alone, reset, given and denied power."""
