"""How long judging takes, and whether it still works."""
