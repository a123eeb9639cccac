"""Where frames come from; one file per kind, chosen by configuration."""
