"""One process a folder, also on a disk that is full, read-only, or knows no locks."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sightline.kernel.folder_lock import LOCK_FILE, FolderLock


def fail_with(code: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def no_file_opens(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    opened = os.open

    def opens(path: Any, flags: int, *mode: int) -> int:
        if str(path).endswith(LOCK_FILE):
            raise OSError(code, os.strerror(code), str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr("sightline.kernel.folder_lock.os.open", opens)


@pytest.mark.parametrize("call", ["ftruncate", "pwrite"])
def test_a_full_disk_does_not_keep_the_lock_from_being_taken(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"sightline.kernel.folder_lock.os.{call}", fail_with(errno.ENOSPC))
    lock, other = FolderLock(tmp_path), FolderLock(tmp_path)
    assert lock.acquire()
    assert not other.acquire()
    assert other.holder() == ""
    lock.close()
    assert other.acquire()
    other.close()


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_where_no_file_can_be_made_the_folder_is_locked(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        no_file_opens(patch, code)
        lock, other = FolderLock(tmp_path), FolderLock(tmp_path)
    later = FolderLock(tmp_path)  # when the disk takes files again
    assert lock.acquire()
    assert not other.acquire()
    assert not later.acquire()
    lock.close()
    assert later.acquire()
    for open_one in (other, later):
        open_one.close()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP])
def test_a_disk_without_locks_keeps_nobody_waiting(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.kernel.folder_lock.fcntl.flock", fail_with(code))
    lock = FolderLock(tmp_path)
    assert lock.acquire()
    lock.close()
