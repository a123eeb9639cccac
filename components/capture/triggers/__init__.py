"""What says that a part is there; one file per kind, chosen by configuration."""
