"""Ends a command quietly when whoever read its output has left: `python -m tools.recipes | head -1`."""

import os
import sys
from collections.abc import Callable

CLOSED_PIPE_EXIT_CODE = 141  # as a shell reports a program that SIGPIPE ended


def run_command(main: Callable[[], int]) -> int:
    """Run a command's main function; returns its exit code."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter flushes again as it exits, and would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE_EXIT_CODE
    return code
