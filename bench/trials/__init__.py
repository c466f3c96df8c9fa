"""Trials of failover in the virtual village: faults, contenders, and clients that know nothing of either."""

UNSHARED = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
EVERY_S = 0.05  # between two new requests of the office
