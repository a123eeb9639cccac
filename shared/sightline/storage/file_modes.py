"""Who may read what this process writes: its own user, and the user's group."""

import os

NOT_FOR_OTHERS = 0o027


def protect_new_files() -> None:
    """From now on, new files and folders are not for other users: records, pictures, deployments, logs.

    The processes that this one starts inherit it. What the user's own mask withholds stays withheld.
    """
    os.umask(os.umask(NOT_FOR_OTHERS) | NOT_FOR_OTHERS)
