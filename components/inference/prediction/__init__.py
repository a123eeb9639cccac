"""What the models see in the frames of one part."""
