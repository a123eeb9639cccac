"""Segments of runs: recorded with frames, messages and clock, and played through the real components."""
