"""The local IPC: frames, messages, connections, socket."""
