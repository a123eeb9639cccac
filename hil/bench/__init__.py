"""The bench: the same tests of a whole station on the virtual rig and on a Jetson with real cameras."""
