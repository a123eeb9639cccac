"""Messages, the catalogue of streams, and the buses that carry them."""
