"""What a conversion reads: the files of a folder, of an archive, or those that a CSV names.

A source lists its files once and reads those that are asked for. Another kind is another class.
"""

import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jpegprep.common.errors import UserError
from jpegprep.datasets.archives import LARGEST, members, read_listed
from jpegprep.datasets.columns import Columns
from jpegprep.datasets.csv_files import Table, read_csv, write_csv
from jpegprep.datasets.listing import File, text_of, walk
from jpegprep.datasets.sources import kind_of

# The names of what a conversion keeps at the top of its target begin so. All are hidden files:
# whoever loads a folder of class folders takes them neither for a class nor for an image.
OURS = ".jpegprep."
# Why a file is skipped; the first two lose nothing.
OWN, AGAIN = "of a conversion", "comes again later"
LINK, OUTSIDE, BELOW, LARGE = "link or device", "leads out", "lies below a file", "over 512 MiB"


class Reading(NamedTuple):
    """A file of a source that is about to be read.

    Attributes:
        number: its place in the listing.
        file: as it was listed; of an archive with the archive's time.
        read: returns its bytes.
        large: where it is, if it is too large to be read at once.
    """

    number: int
    file: File
    read: Callable[[], bytes]
    large: Path | None = None


class Source(ABC):
    """A user's own images.

    Attributes:
        path: its absolute path.
        folder: where its files lie, and where nothing may be written; None where that is no folder.
        divisible: whether a part of it can be read without reading what stands before.
    """

    folder: Path | None = None
    divisible = True

    def __init__(self, path: Path) -> None:
        """Take its path; nothing is read."""
        self.path = path

    @abstractmethod
    def listed(self) -> list[File]:
        """Return all files in their order, each path once; a problem says why one is skipped.

        Raises:
            UserError: where something cannot be read, or is wrong in a CSV.
        """

    @abstractmethod
    def readings(self, files: Iterable[tuple[int, File]]) -> Iterator[Reading]:
        """Yield some of the files that were listed, given with their numbers, in their order."""

    def told(self) -> str:
        """Return what was found by itself and the user should know, in words."""
        return ""

    def identity(self) -> dict[str, Any]:
        """Return what tells it from another source; files of a folder have times of their own."""
        return {"source": text_of(str(self.path.resolve()))}

    def finish(self, target: Path, places: Iterator[str | None]) -> list[str]:
        """Write what else a target needs, and return the names of that, of files of the source.

        Args:
            target: the folder, which holds the files by now.
            places: of every file of the listing its place there; None of one that was skipped.
        """
        return []


class FolderSource(Source):
    """A folder; whatever lies in it at any depth is a file of the source."""

    def __init__(self, path: Path) -> None:
        """Take its path."""
        super().__init__(path)
        self.folder = path

    def listed(self) -> list[File]:
        """Return the files, sorted by path."""
        return [_with_reason(file) for file in walk(self.path, everything=True)[0]]

    def readings(self, files: Iterable[tuple[int, File]]) -> Iterator[Reading]:
        """Yield files of the folder."""
        for number, file in files:
            large = self.path / file.path if file.bytes > LARGEST else None
            yield Reading(number, file, partial(read_listed, self.path, file), large)


class CsvSource(Source):
    """A CSV of paths and labels; the paths are relative to its folder, or absolute.

    A file from elsewhere stands in the target under its whole path.
    """

    _table: Table | None = None

    def __init__(self, path: Path, columns: Columns | None = None) -> None:
        """Take its path, and what the user says of its columns."""
        super().__init__(path)
        self.folder = path.parent
        self._columns = columns

    def _read(self) -> Table:
        if self._table is None:
            self._table = read_csv(self.path, self._columns)
        return self._table

    def told(self) -> str:
        """Return which column says what."""
        return self._read().told

    def listed(self) -> list[File]:
        """Return the files in the order of the rows, at their places below a target."""
        places: dict[str, str] = {}
        files = []
        for file in self._read().files:
            place = file.path.lstrip("/")
            if (other := places.setdefault(place, file.path)) != file.path:
                raise UserError(
                    f"{self.path}: {other!r} and {file.path!r} would both be written as "
                    f"{place!r}; convert them apart"
                )
            files.append(_with_reason(file._replace(path=place)))
        return files

    def readings(self, files: Iterable[tuple[int, File]]) -> Iterator[Reading]:
        """Yield files that the CSV names."""
        own = self._read().files
        for number, file in files:
            full = self.path.parent / own[number].path
            large = full if file.bytes > LARGEST else None
            read = partial(read_listed, self.path.parent, own[number])
            yield Reading(number, file, read, large)

    def finish(self, target: Path, places: Iterator[str | None]) -> list[str]:
        """Write the CSV again, with the places of the files that were written."""
        table = self._read()
        paths = (file.path for file in table.files)
        written = {path: place for path, place in zip(paths, places, strict=True) if place}
        write_csv(target / self.path.name, table, written)
        return [self.path.name]


class ArchiveSource(Source):
    """A tar or a zip, which is never extracted."""

    def __init__(self, path: Path) -> None:
        """Take its path."""
        super().__init__(path)
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        self.divisible = is_zip or _is_plain_tar(path)

    def identity(self) -> dict[str, Any]:
        """Return its path, size and time: its files have no times of their own."""
        status = self.path.stat()
        return super().identity() | {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}

    def listed(self) -> list[File]:
        """Return the members; of those of one name the last counts, as when it is unpacked."""
        mtime_ns = self.path.stat().st_mtime_ns
        named = list(members(self.path, read=False))
        last = {member.name: i for i, member in enumerate(named)}
        folders = {str(parent) for name in last for parent in PurePosixPath(name).parents}
        files = []
        for i, member in enumerate(named):
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or "\0" in member.name:
                problem: str | None = OUTSIDE
            elif last[member.name] != i:
                problem = AGAIN
            elif member.name in folders:
                problem = BELOW
            else:
                problem = {None: None, "too large": LARGE}.get(member.problem, LINK)
            files.append(_with_reason(File(member.name, member.size, mtime_ns, problem)))
        return files

    def readings(self, files: Iterable[tuple[int, File]]) -> Iterator[Reading]:
        """Yield members in one pass over the archive, which reads no others."""
        wanted = dict(files)
        last = max(wanted, default=-1)
        for number, member in enumerate(members(self.path, lambda i, _: i in wanted)):
            if number in wanted:
                yield Reading(number, wanted[number], partial(bytes, member.data))
            if number >= last:
                return


def open_source(path: Path, columns: Columns | None = None) -> Source:
    """Return the source at an absolute path.

    Args:
        path: of the source.
        columns: as of `columns.choose`: what the user says of the columns of a table.

    Raises:
        UserError: where there is none.
    """
    kind = kind_of(path)
    if kind == "csv":
        return CsvSource(path, columns)
    if kind in ("webdataset", "parquet"):
        raise UserError(
            f"{path}: shards and Parquet are converted in one process: jpegprep convert"
        )
    kinds: dict[str, Callable[[Path], Source]]
    kinds = {"folder": FolderSource, "archive": ArchiveSource}
    return kinds[kind](path)


def _with_reason(file: File) -> File:
    if file.path.startswith(OURS):
        return file._replace(problem=OWN)  # the source may be the target of another conversion
    return file._replace(problem=LINK) if file.problem == "link" else file


def _is_plain_tar(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:"):
            return True
    except tarfile.TarError:
        return False
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; mend that") from None
