"""Files of the nucleus's own folder: damaged ones, logs."""
