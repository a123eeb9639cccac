"""IAM and IoT policies, one per role, generated from the catalogue of streams and the recipes."""
