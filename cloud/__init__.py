"""The cloud side: receives records from IoT Core, stores each once, counts them and shows them."""
