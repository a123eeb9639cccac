"""What the Greengrass Core SDK expects of its runtime; the worker's process alone imports it."""
