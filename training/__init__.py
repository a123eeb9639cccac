"""Training: from pictures with labels to a proven model in the shape that inference serves."""
