"""Component configurations: trees, the store, saving."""
