"""Local deployments: made, checked, recorded, rolled back."""
