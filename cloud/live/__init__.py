"""What the site knows of each station now: figures and camera views, in memory."""
