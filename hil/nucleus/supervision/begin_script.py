"""Runs a script in a shell that ends with its parent: `begin_script.py PARENT SCRIPT`.

A separate program, because Python cannot safely run code between fork and exec with other threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Request SIGTERM from the kernel when the parent ends, then exec the shell."""
    parent, script = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the nucleus ended before the script started")
    os.execvp("sh", ["sh", "-c", script])


if __name__ == "__main__":
    main()
