"""The virtual camera rig: V4L2 nodes of the kernel's test driver in a virtual machine."""
