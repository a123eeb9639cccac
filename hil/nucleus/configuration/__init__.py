"""The components' configurations: trees, the store, its saves."""
