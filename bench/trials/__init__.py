"""Trials of failover in the virtual village: faults, contenders, and clients that know nothing of either."""

UNSHARED = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
