"""The page, and the paths it reads from."""
