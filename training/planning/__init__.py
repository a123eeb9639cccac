"""Proposing a detector's plan from the labelled boxes."""
