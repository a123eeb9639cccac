"""Lays each component out as the Greengrass Development Kit wants it: `python -m tools.stage`."""
