"""What the components of a Sightline station share; vendored into each component's artifact."""

__version__ = "0.1.0"
