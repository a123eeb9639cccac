"""Loading, proving and switching models."""
