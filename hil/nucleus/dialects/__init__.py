"""The differences between Nucleus classic and Nucleus Lite."""
