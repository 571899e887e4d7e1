"""Locks on folders that one process writes to, or several that do not get in each other's way."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jpegprep.common.errors import UserError


@contextmanager
def locked(folder: Path, name: str, shared: bool = False) -> Iterator[None]:
    """Hold a folder's lock; that of a process that has ended, however it ended, is no lock.

    The system itself releases a dead process's lock, on this machine and through network file
    systems that know locks. Where one knows none, the process's number in the file decides.

    Args:
        folder: exists, and may be written to.
        name: of the file in the folder; it is removed at the end, but not of a shared lock.
        shared: whether others may hold it, too, as long as all of them share it.

    Raises:
        UserError: where another process holds it.
    """
    path = folder / name
    descriptor = _open(path, shared)
    try:
        os.truncate(descriptor, 0)
        if not shared:
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
        yield
    finally:
        if not shared:
            with suppress(FileNotFoundError):
                path.unlink()
        os.close(descriptor)


def _open(path: Path, shared: bool) -> int:
    """Return the descriptor of a lock file that is locked."""
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, how)
            except OSError as error:
                without_locks = error.errno in _WITHOUT_LOCKS
                if not without_locks or _holder_lives(descriptor):
                    raise UserError(_refusal(path, descriptor, without_locks)) from None
            # Whoever held it may have removed the file since it was opened.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def _holder(descriptor: int) -> tuple[int, str] | None:
    """Return the number of the process that wrote into a lock file, and its machine."""
    number, _, host = os.pread(descriptor, 1000, 0).decode(errors="replace").partition(" ")
    return (int(number), host) if number.isdecimal() else None


def _holder_lives(descriptor: int) -> bool:
    """Tell whether the process of a lock file is there; of another machine's nobody knows."""
    number, host = _holder(descriptor) or (0, "")
    if not number or host != socket.gethostname():
        return bool(number)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return number != os.getpid()


def _refusal(path: Path, descriptor: int, without_locks: bool) -> str:
    found = _holder(descriptor)
    holder = f"process {found[0]} on {found[1]}" if found else "a job of a workflow"
    last = f", or remove {path} if it has ended" if without_locks else ""
    return f"{path.parent}: {holder} is writing to it; wait until it has ended, or stop it{last}"
