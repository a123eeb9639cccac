"""Pictures changed at random, and synthetic defects."""
