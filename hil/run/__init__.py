"""Runs a whole station on one machine: broker, nucleus with its components, plant simulator, cloud side."""
