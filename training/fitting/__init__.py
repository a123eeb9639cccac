"""The training loop, its losses and targets."""
