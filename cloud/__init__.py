"""What happens to records after IoT Core: received, stored once, summed up and shown."""
