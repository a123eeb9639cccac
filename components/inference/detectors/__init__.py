"""Detectors: an image at model size in, raw boxes and scores out; one file per runtime."""
