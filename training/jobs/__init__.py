"""What the commands share: options, SageMaker's environment, prediction runs."""
