"""Pure: the states of a request and the legal ways between them."""
