"""Pure: verdicts to an assignment of traffic classes to uplinks, each with its reason."""
