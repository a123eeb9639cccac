"""The local IPC: frames, messages, connections, the socket."""
