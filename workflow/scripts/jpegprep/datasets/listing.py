"""Listings: the files of a folder or a CSV of images, written down as one file for the workflow.

A listing is JSON lines: the folder and the digest of what follows, then a line a file: path below
the folder, bytes, mtime in nanoseconds, problem, class and split (of a CSV; else null). JSON
escapes whatever stands in a name: newlines, and bytes that are no UTF-8.
"""

import csv
import hashlib
import json
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jpegprep.common.errors import UserError
from jpegprep.common.layout import SPLITS

LISTING = "images.jsonl"
# What people call the splits; compared in lower case.
SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "testing": "test"},
}
# What file managers leave behind; like hidden files, they are no part of a data set.
_LEFT_BEHIND = {"__MACOSX", "Thumbs.db", "desktop.ini"}


class File(NamedTuple):
    """A file below a folder.

    Attributes:
        path: below the folder, with ``/``; bytes that are no UTF-8 are surrogate escapes.
        bytes: its size.
        mtime_ns: when it was last written, in nanoseconds since the epoch.
        problem: link, where it is a link or no regular file; else None.
        class_name: the label that a CSV gives it.
        split: the split that a CSV gives it.
    """

    path: str
    bytes: int
    mtime_ns: int
    problem: str | None = None
    class_name: str | None = None
    split: str | None = None


class CsvRow(NamedTuple):
    """A row of a CSV of images: its number of line, all its values, and its file."""

    line: int
    values: list[str]
    file: File


def ignored(name: str) -> bool:
    """Tell whether a file or folder of that name is no part of a data set: hidden, or litter."""
    return name.startswith(".") or name in _LEFT_BEHIND


def text_of(name: str) -> str:
    """Return a file's name as text that can be written; what is no UTF-8 is read as Latin-1."""
    if name.isascii():
        return name
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def class_of(name: str) -> str:
    """Return a class's name in Unicode's composed form (NFC).

    Archives made on a Mac spell é in two characters (NFD); both spellings are one class.
    """
    return unicodedata.normalize("NFC", name)


def walk(folder: str | Path, everything: bool = False) -> tuple[list[File], list[str]]:
    """Return the files below a folder and the folders without any, sorted; no link is followed.

    Args:
        folder: where to begin.
        everything: whether what is `ignored` is listed too.

    Raises:
        UserError: where a folder or a file cannot be read.
    """
    files: list[File] = []
    empty: list[str] = []
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            with os.scandir(Path(folder, below)) as entries:
                found = [entry for entry in entries if everything or not ignored(entry.name)]
            if not found:
                empty.append(below)
            prefix = f"{below}/" if below else ""
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(prefix + entry.name)
                else:
                    status = entry.stat(follow_symlinks=False)
                    files.append(_file(entry.path, prefix + entry.name, status))
        except PermissionError as error:
            raise UserError(f"{error.filename}: no permission to read it; {_PERMIT}") from None
        except FileNotFoundError as error:
            raise UserError(
                f"{error.filename}: vanished while its folder was read; run again"
            ) from None
    return sorted(files), sorted(empty)


_PERMIT = "give yourself read permission (chmod -R u+rX), or leave it out"


def _file(full: str, path: str, status: os.stat_result) -> File:
    if not stat.S_ISREG(status.st_mode):
        return File(path, 0, status.st_mtime_ns, "link")
    if not os.access(full, os.R_OK):
        raise UserError(f"{full}: no permission to read it; {_PERMIT}")
    return File(path, status.st_size, status.st_mtime_ns)


def read_csv(path: str | Path) -> tuple[list[str], list[CsvRow]]:
    """Return the columns of a CSV of images and its rows, in their order.

    Args:
        path: a CSV with the columns path and label, and perhaps split; paths are relative to its
            folder.

    Raises:
        UserError: at the first mistake, with its line.
    """
    path = Path(path)
    columns, lines = _table(path)
    known = [name.strip().lower() for name in columns]
    place = {name: known.index(name) for name in ("path", "label", "split") if name in known}
    if missing := {"path", "label"} - set(known):
        raise UserError(
            f"{path}: the column {max(missing)} is missing; it has "
            f"{', '.join(map(repr, columns)) or 'no columns'}, and needs path and label (perhaps "
            "split), separated by commas"
        )
    folders: dict[str, bool] = {}
    first: dict[str, int] = {}
    rows = []
    for line, values in lines:
        cells = {name: values[i] if i < len(values) else "" for name, i in place.items()}
        where = f"{path}: line {line}"
        if not (label := text_of(cells["label"]).strip()):
            raise UserError(f"{where}: the label is empty; give each image one")
        split = SPLIT_NAMES.get(cells["split"].strip().lower()) if "split" in place else None
        if "split" in place and split is None:
            raise UserError(f"{where}: split is {cells['split']!r}; it is train, val or test")
        file = _named_file(path.parent, cells["path"], where, folders)
        if file.path in first:
            raise UserError(
                f"{where}: {file.path!r} stands in line {first[file.path]} already; name each "
                "image once"
            )
        first[file.path] = line
        rows.append(CsvRow(line, values, file._replace(class_name=label, split=split)))
    return columns, rows


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV and its rows, each with the number of its last line."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = next(reader, [])
            lines = [(reader.line_num, row) for row in reader if row]
    except PermissionError:
        raise UserError(f"{path}: no permission to read it; {_PERMIT}") from None
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: no CSV ({error}); mend it") from None
    return columns, lines


def _named_file(folder: Path, value: str, where: str, folders: dict[str, bool]) -> File:
    """Return the file that a CSV names.

    Args:
        folder: the CSV's folder.
        value: what stands in the column path.
        where: the CSV and the line, for messages.
        folders: whether a folder below is reached without links, as far as known; added to.
    """
    named = PurePosixPath(value)
    if not value or named.is_absolute() or ".." in named.parts:
        raise UserError(
            f"{where}: path is {value!r}; a path is relative to the CSV's folder and stays inside"
        )
    full = folder / named
    try:
        status = full.lstat()
    except PermissionError:
        raise UserError(f"{full}: no permission to read it; {_PERMIT}") from None
    except (OSError, ValueError):  # ValueError: a zero byte
        raise UserError(
            f"{where}: path is {value!r}, and {str(folder)!r} holds no such file; correct it, or "
            "leave the line out"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{where}: path is {value!r}, which is a folder; name an image file")
    parent = str(named.parent)
    if parent not in folders:
        folders[parent] = (folder / parent).resolve() == folder.resolve() / parent
    if not folders[parent]:
        return File(str(named), 0, status.st_mtime_ns, "link")
    return _file(str(full), str(named), status)


def scan(path: str | Path) -> list[File]:
    """Return the files of a folder, or those that a CSV names.

    Raises:
        UserError: where something cannot be read, or is wrong in the CSV.
    """
    path = Path(path)
    return walk(path)[0] if path.is_dir() else [row.file for row in read_csv(path)[1]]


def digest_of(files: Iterable[File]) -> str:
    """Return 64 hexadecimal digits that change with any file's name, size, time, class or split."""
    lines = "".join(f"{_line(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _line(file: File) -> str:
    return json.dumps(file)


def write_listing(path: str | Path, digest: str, target: str | Path) -> None:
    """Write the listing of a folder or a CSV.

    Args:
        path: the folder or the CSV.
        digest: the digest of its files, as they were when the workflow began.
        target: the file to write.

    Raises:
        UserError: where the files have changed meanwhile, or cannot be read.
    """
    path = Path(path)
    files = scan(path)
    if digest_of(files) != digest:
        raise UserError(f"{path}: its files changed since this run began; run again")
    folder = path if path.is_dir() else path.parent
    header = json.dumps({"folder": str(folder), "digest": digest})
    lines = [header, *map(_line, files)]
    Path(target).write_text("\n".join(lines) + "\n", encoding="ascii")


def read_listing(listing: str | Path) -> tuple[Path, Iterator[File]]:
    """Return the folder of a listing and its files.

    Raises:
        UserError: where it is no listing.
    """
    lines = Path(listing).read_text(encoding="ascii", errors="replace").splitlines()
    try:
        folder = Path(json.loads(lines[0])["folder"])
        files = [File(*json.loads(line)) for line in lines[1:]]
    except (LookupError, TypeError, ValueError):
        raise UserError(f"{listing}: no listing of images; remove it: it is made again") from None
    return folder, iter(files)
