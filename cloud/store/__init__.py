"""Where records are stored: the protocols, the stored types and the SQLite store."""
