"""Small in-memory file systems, to test full disks; they end with this process."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

CLONE_NEWNS = 0x00020000
SIZE_MIB = 24
FILLER = "filler"
CHUNK_BYTES = 64 * 1024
_libc = ctypes.CDLL(None, use_errno=True)
_has_own_mounts = False


def find_mount_obstacle() -> str:
    """Why small disks are not possible here; empty if they are."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    if not _has_own_mounts and not _unshare_mounts():
        return "this machine does not allow mounts"
    return ""


def _unshare_mounts() -> bool:
    """Enter a private mount namespace, shared with child processes only."""
    global _has_own_mounts
    if _libc.unshare(CLONE_NEWNS) != 0:
        return False
    with contextlib.suppress(OSError):
        made = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)
        _has_own_mounts = made.returncode == 0
    return _has_own_mounts


class SmallDisk:
    """A folder on its own small disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={SIZE_MIB}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "sightline", folder], check=True)

    def fill(self) -> None:
        """Fill the disk completely."""
        with (self._folder / FILLER).open("ab", buffering=0) as file:
            for size in (CHUNK_BYTES, 512, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass

    def free_space(self) -> None:
        """Free the space again."""
        (self._folder / FILLER).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; the files are moved to the disk below."""
        self.free_space()
        copy = self._folder.with_name(self._folder.name + ".kept")
        shutil.copytree(self._folder, copy, symlinks=True)
        subprocess.run(["umount", "--lazy", self._folder], check=True)
        shutil.copytree(copy, self._folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(copy)
