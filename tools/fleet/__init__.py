"""A fleet of stations: what is to run where, what would change, and bringing it there."""
