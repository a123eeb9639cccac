"""Lambda components: description, host, instances, router."""
