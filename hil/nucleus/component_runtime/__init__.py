"""The components that run: lifecycle, environment, artifacts, status."""
