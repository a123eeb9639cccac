"""Command-line tools for developers and fleet operators."""
