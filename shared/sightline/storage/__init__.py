"""What is kept on disk: journals, transactions, the stores of models and products."""
