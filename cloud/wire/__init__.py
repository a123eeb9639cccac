"""What goes over the wire: topics, batches, receipts, dead letters, commands."""
