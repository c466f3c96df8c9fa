"""Everything that must survive a power cut: one SQLite file, one writer thread."""
