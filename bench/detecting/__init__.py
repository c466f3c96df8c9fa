"""Traces, runs and the peers' models behind ``script/bench detect``."""
