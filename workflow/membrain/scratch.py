"""Files that are being written: their temporary names, their room, and what a disk may refuse."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError

IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSALS = (
    *IS_FULL,
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
)
LEFT_SECONDS = 86400.0  # after which a part of another machine's process counts as left behind


def _is_left(part: Path, host: str) -> bool:
    """Return whether the process that wrote a part is gone."""
    owner, _, pid = part.name.removesuffix(part.suffix).removesuffix(".part").rpartition("-")
    if not pid.isdigit():
        return False
    if not owner.endswith(f".{host}"):
        return time.time() - part.stat().st_mtime > LEFT_SECONDS
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


@contextlib.contextmanager
def scratch_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; a file of that name is removed when the block ends.

    Missing folders are made. What a killed process left for the same `path` is removed first.

    Raises
    ------
    InputError
        When `path` names no file, or the disk is full or refuses to write.
    """
    path = Path(path)
    if not path.name or path.is_dir():
        raise InputError(f"'{path}': cannot be written", found="a folder", expected="a file's name")
    host = socket.gethostname()
    temporary = path.with_name(f".{path.stem}.{host}-{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pattern = f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"
        for part in path.parent.glob(pattern):
            with contextlib.suppress(OSError):
                if _is_left(part, host):
                    part.unlink()
        yield temporary
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise _refusal(path, temporary, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _refusal(path: Path, temporary: Path, error: OSError) -> InputError:
    """Return the error for a file that cannot be written."""
    is_own = error.filename is None or Path(str(error.filename)) in (path, temporary)
    remedy = "choose a folder that can be written (config: results)"
    if error.errno in IS_FULL:
        remedy = "make room, or choose a folder on another disk (config: results)"
    return InputError(
        f"{path}: cannot be written",
        found=error.strerror if is_own else f"{error.strerror}: {error.filename}",
        remedy=remedy,
    )


def reserve(path: str | Path, size: int) -> None:
    """Make a file `size` bytes long and claim the room for them.

    Writing to a mapped file that has no room kills the process without a word; claimed before, the
    lack is an error of the system that can be told.
    """
    with open(path, "r+b") as handle:
        handle.truncate(size)
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(handle.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not all disks can claim
                    raise


def check_room(path: str | Path, size: int) -> None:
    """Raise the system's error for a full disk where fewer than `size` bytes are free."""
    if shutil.disk_usage(Path(path).parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
