"""The operations of the local IPC."""
