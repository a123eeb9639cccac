"""Records segments of runs (frames, messages, clock) and replays them through the real components."""
