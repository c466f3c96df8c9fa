"""Pure: up, degraded or down, and why."""
