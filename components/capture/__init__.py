"""Capture: numbers each triggered part and puts its frames where inference finds them."""
