"""Shared by the commands: data options, SageMaker environment, prediction runs."""
