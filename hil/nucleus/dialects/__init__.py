"""How Nucleus classic and Nucleus Lite differ."""
