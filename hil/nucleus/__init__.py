"""The development nucleus: runs components from their recipes on one machine, without AWS."""
