"""The whole station on one machine: broker, nucleus with its components, plant and cloud side."""
