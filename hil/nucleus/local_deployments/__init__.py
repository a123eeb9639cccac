"""Local deployments: validation, application, records, rollback."""
