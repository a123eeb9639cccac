"""Where records are kept: the protocol, and one file for each store."""
