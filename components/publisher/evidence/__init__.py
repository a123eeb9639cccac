"""Where pictures of parts are kept, chosen by configuration."""
