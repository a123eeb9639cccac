"""What every component is written in: its loop, health, threads and commands."""
