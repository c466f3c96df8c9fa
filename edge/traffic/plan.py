"""Pure: an assignment to the desired state of the host."""
