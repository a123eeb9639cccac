"""Live state of each station, in memory: figures and camera views."""
