"""Stages components for the Greengrass Development Kit (gdk): `python -m tools.stage`."""
