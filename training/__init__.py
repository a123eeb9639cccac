"""Training: from labelled pictures to an evaluated model component."""
