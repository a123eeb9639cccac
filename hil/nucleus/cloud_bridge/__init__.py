"""What stands between the nucleus and AWS: IoT Core, the spool, credentials."""
