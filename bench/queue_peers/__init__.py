"""What `bench/queue.py` measures: our store, queues from PyPI, raw SQLite and the disk itself, each in a process."""
