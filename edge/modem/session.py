"""Pure: a modem's session: initialise, list, read, send, recover."""
