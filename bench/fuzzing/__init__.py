"""What the fuzzer runs: targets that need no fuzzer, the process in which it runs, and the inputs that are kept."""
