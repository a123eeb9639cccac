"""What developers and owners of a fleet run."""
