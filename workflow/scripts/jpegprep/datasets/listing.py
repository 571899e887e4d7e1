"""Listings: the files of a user's data set, written down as one file for the workflow.

A listing is JSON lines: the folder and the digest of what follows, then a line a file: path below
the folder (of a CSV perhaps an absolute one), bytes, mtime in nanoseconds, problem, class, split
and group (of a CSV; else null). JSON escapes whatever stands in a name: newlines, and bytes that
are no UTF-8.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jpegprep.common.errors import UserError
from jpegprep.common.layout import SPLITS
from jpegprep.images.formats import not_read, suffixes

LISTING = "images.jsonl"
# What people call the splits; compared in lower case.
SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"},
}
# What file managers leave behind; like hidden files, they are no part of a data set.
_LEFT_BEHIND = {"__MACOSX", "Thumbs.db", "desktop.ini"}


class File(NamedTuple):
    """A file below a folder.

    Attributes:
        path: below the folder, with ``/``, or an absolute one that a CSV names; bytes that are no
            UTF-8 are surrogate escapes.
        bytes: its size.
        mtime_ns: when it was last written, in nanoseconds since the epoch.
        problem: link, where it is a link or no regular file; else None.
        class_name: the label that a CSV gives it.
        split: the split that a CSV gives it.
        group: what a CSV says it belongs together with, as a patient.
    """

    path: str
    bytes: int
    mtime_ns: int
    problem: str | None = None
    class_name: str | None = None
    split: str | None = None
    group: str | None = None


def split_in(path: str) -> str | None:
    """Return the split that a file's name says, or the nearest of its folders that says one.

    It is a word of the name: ``train-00000-of-00002.parquet``, ``imagenet-val-0003.tar``,
    ``data/test/0000.parquet``; of a name with words of several splits nothing.
    """
    for part in reversed(path.lower().split("/")):
        found = {SPLIT_NAMES[word] for word in re.split(r"[^a-z]+", part) if word in SPLIT_NAMES}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def splits_of(path: str | Path, names: Iterable[str]) -> dict[str, str]:
    """Return the split of each file, or nothing, where their names give no train and another.

    Args:
        path: their folder, for messages.
        names: of the files.

    Raises:
        UserError: where some files are called as a split, and others are not.
    """
    found = {name: split_in(name) for name in names}
    splits = set(found.values()) - {None}
    if "train" not in splits or len(splits) < 2:
        return {}
    given = {name: split for name, split in found.items() if split}
    if without := sorted(set(found) - set(given)):
        raise UserError(
            f"images={path}: the name of {without[0]!r} says no split, and others say "
            f"{', '.join(sorted(set(given.values())))}; rename it, or take it out"
        )
    return given


@cache
def image_suffixes() -> frozenset[str]:
    """Return the endings, in lower case and with a dot, of the formats that are opened."""
    return suffixes()


def looks_like_image(name: str) -> bool:
    """Tell whether a file is called as an image in a format that is opened."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in image_suffixes()


def called_image(name: str) -> bool:
    """Tell whether a file is called as an image, also of a format that nothing here reads."""
    return looks_like_image(name) or not_read(name, b"", None) is not None


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


def ending_in(path: str | Path, ending: str) -> list[File]:
    """Return the files of a folder with an ending, or a single file, as files from their folder.

    Raises:
        UserError: where something cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return [file for file in walk(path)[0] if file.path.lower().endswith(ending)]
    status = path.stat()
    return [File(path.name, status.st_size, status.st_mtime_ns)]


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
                    files.append(file_at(entry.path, prefix + entry.name, status))
        except PermissionError as error:
            raise UserError(f"{error.filename}: no permission to read it; {PERMIT}") from None
        except FileNotFoundError as error:
            raise UserError(
                f"{error.filename}: vanished while its folder was read; run again"
            ) from None
    return sorted(files), sorted(empty)


PERMIT = "give yourself read permission (chmod -R u+rX), or leave it out"


def file_at(full: str, path: str, status: os.stat_result) -> File:
    """Return a file as it is listed; what is no regular file is marked as a link.

    Args:
        full: where it is.
        path: as what it is listed.
        status: its own, no link followed.

    Raises:
        UserError: where it cannot be read.
    """
    if not stat.S_ISREG(status.st_mode):
        return File(path, 0, status.st_mtime_ns, "link")
    if not os.access(full, os.R_OK):
        raise UserError(f"{full}: no permission to read it; {PERMIT}")
    return File(path, status.st_size, status.st_mtime_ns)


def digest_of(files: Iterable[File]) -> str:
    """Return 64 hexadecimal digits that change with any file's name, size, time, class or split."""
    lines = "".join(f"{_line(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _line(file: File) -> str:
    return json.dumps(file)


def write_listing(
    folder: str | Path, files: Sequence[File], digest: str, target: str | Path
) -> None:
    """Write the listing of a user's data set.

    Args:
        folder: the files' paths are relative to it.
        files: in their order.
        digest: theirs.
        target: the file to write.
    """
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
