"""Who may do what in AWS: one policy for each role, from the catalogue of streams and the recipes."""
