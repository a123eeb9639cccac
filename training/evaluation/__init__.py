"""What a model's answers on pictures of known truth are worth, in figures and in a report."""
