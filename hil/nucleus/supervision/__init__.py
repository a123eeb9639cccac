"""Child processes: start, stop, usage, and when failures are too many."""
