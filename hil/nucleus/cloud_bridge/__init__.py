"""The nucleus's connections to AWS: IoT Core, spool, credentials."""
