"""MQTT messages: topics, batches, receipts, dead letters, commands."""
