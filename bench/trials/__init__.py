"""Trials of failover in the virtual village: faults, contenders, and clients that know nothing of either."""
