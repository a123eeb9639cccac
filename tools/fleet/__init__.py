"""Fleet deployments: plan, roll out, check status and roll back."""
