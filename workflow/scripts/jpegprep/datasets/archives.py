"""Files of archives and folders, straight from where they lie: nothing is extracted."""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from jpegprep.common.errors import UserError
from jpegprep.datasets.listing import File, text_of


@dataclass(frozen=True)
class Sample:
    """One file of a data set.

    Attributes:
        class_name: the class as the publisher spells it; None for a file that belongs to none.
        member: where the image stands: a member of the archive, or a region of a photograph.
        data: the bytes of the image file, as its publisher ships it; empty where it was not read.
        problem: what the adapter found wrong, one of `manifest.PROBLEMS`; outside, where there is
            no class and nothing else is said.
        group: what it belongs together with, as a patient, where that is known.
        own_path: what shards and Parquet say of where the image stood before, if they do.
        size: the bytes of the image file.
    """

    class_name: str | None
    member: str
    data: bytes
    problem: str | None = None
    group: str | None = None
    own_path: str | None = None
    size: int = -1


@dataclass(frozen=True)
class Member:
    """A member of an archive; without data where it is a link or a device, or too large.

    Attributes:
        name: its path in the archive.
        data: its bytes, where they were wanted.
        problem: link or too large; else None.
        size: its bytes' number, of what has no problem.
    """

    name: str
    data: bytes
    problem: str | None = None
    size: int = 0

    def sample(self, class_name: str | None) -> Sample:
        """Return it as a sample of a class."""
        return Sample(class_name, self.name, self.data, self.problem)


# Bytes: a larger file is none of an image, and would not fit into memory a few times.
LARGEST = 1 << 29


def members(archive: Path, read: bool | Callable[[int, str], bool] = True) -> Iterator[Member]:
    """Yield each member but folders, straight from the archive: nothing is extracted.

    Names lose a leading ``./``; whatever else they say has no effect, as no file gets them. Memory
    does not grow with a tar's members.

    Args:
        archive: a tar or zip.
        read: whether the members' bytes are wanted; or a function that tells it of each, by its
            number among those that are yielded and its name.

    Raises:
        UserError: where it is truncated or damaged, or no archive.
    """
    wanted = read if callable(read) else lambda number, name: read
    numbers = count()
    try:
        with archive.open("rb") as file_of_any_kind:
            is_zip = file_of_any_kind.read(2) == b"PK"
        if is_zip:
            with zipfile.ZipFile(archive) as opened:
                for info in opened.infolist():
                    link = stat.S_ISLNK(info.external_attr >> 16)
                    if info.is_dir() and not link:
                        continue
                    name = shown_name(info.filename)
                    needed = wanted(next(numbers), name)
                    if link:
                        yield Member(name, b"", "link")
                    elif info.file_size > LARGEST:
                        yield Member(name, b"", "too large")
                    else:
                        data = opened.read(info) if needed else b""
                        yield Member(name, data, size=info.file_size)
            return
        with tarfile.open(archive, "r:*", tarinfo=StrictTarInfo) as opened_tar:
            for member in opened_tar:
                opened_tar.members = []  # type: ignore[attr-defined]  # it would hold them all
                if member.isdir():
                    continue
                name = shown_name(member.name)
                needed = wanted(next(numbers), name)
                file = opened_tar.extractfile(member) if member.isreg() else None
                if file is None:
                    yield Member(name, b"", "link")
                elif member.size > LARGEST:
                    yield Member(name, b"", "too large")
                else:
                    data = file.read() if needed else b""
                    if needed and len(data) < member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield Member(name, data, size=member.size)
    except _DAMAGED as error:
        # tarfile tells what each of its methods said, a line each.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise UserError(
            f"{archive}: cannot be read as a tar or zip archive ({reason}); it is truncated or "
            "damaged: remove it, so that it is fetched again"
        ) from None


class StrictTarInfo(tarfile.TarInfo):
    """A tar's header; one that is damaged or missing is an error, not the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "StrictTarInfo":
        """Read the next header."""
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise  # an empty block: the regular end
            raise tarfile.ReadError(f"no header or end-of-archive mark: {error}") from None


_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # zip: a compression method that the standard library lacks
    RuntimeError,  # zip: encrypted
    UnicodeError,  # zip: a name that is no UTF-8, though it says so
)


def shown_name(name: str) -> str:
    """Return a file's name as it is shown and recorded, see `listing.text_of`."""
    return str(PurePosixPath(text_of(name)))


def read_listed(folder: Path, file: File) -> bytes:
    """Return the bytes of a file that was listed.

    Raises:
        UserError: where it has vanished, is another now, or cannot be read.
    """
    path = folder / file.path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            data = opened.read()
    except PermissionError:
        raise UserError(
            f"{path}: no permission to read it; give yourself read permission (chmod u+r), or "
            "take it out of the folder"
        ) from None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise UserError(f"{path}: {reason}, though it was listed; run again") from None
    if (status.st_size, status.st_mtime_ns) != (file.bytes, file.mtime_ns):
        raise UserError(f"{path}: changed since it was listed; run again")
    return data
