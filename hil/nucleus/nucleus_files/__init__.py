"""The files in the nucleus's folder: damaged files, logs."""
