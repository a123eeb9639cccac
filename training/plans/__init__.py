"""Plans: what a method trains, as a user writes it; readable without PyTorch."""
