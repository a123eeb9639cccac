"""Detectors and their pure parts, for inference and training: preprocessing, decoding, judging."""
