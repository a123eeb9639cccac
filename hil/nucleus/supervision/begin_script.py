"""Becomes a shell that runs a script and ends with its parent: `begin_script.py PARENT SCRIPT`.

A program of its own because Python refuses to run code between fork and exec beside other threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for SIGTERM at the parent's end, then become the shell."""
    parent, script = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the nucleus ended before the script began")
    os.execvp("sh", ["sh", "-c", script])


if __name__ == "__main__":
    main()
