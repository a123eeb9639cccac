"""Running components: lifecycle, environment, artifacts, status."""
