"""Adds an exported model and its product: components, recipes and a deployment to run them."""
