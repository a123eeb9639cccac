"""Supervises child processes: start, stop, usage, failure counting."""
