"""Recipes and deployment files as typed structs."""
