"""What a station engineer asks of the cameras: to look, to measure, to be set right."""
