"""Pure: a message's text to the words it is read as."""
