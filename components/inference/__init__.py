"""Inference: judges each part with its detectors; the one birthplace of verdicts."""
