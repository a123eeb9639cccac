"""The virtual camera rig: real V4L2 nodes of the kernel's test driver, in a virtual machine."""
