"""The HIL bench: the same station tests on the virtual rig and on a Jetson with real cameras."""
