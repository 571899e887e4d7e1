"""Verification: is everything in the target of a conversion as it was recorded?"""

import hashlib
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of
from jpegprep.common.parallel import in_order
from jpegprep.datasets.archives import LARGEST
from jpegprep.datasets.listing import text_of, walk
from jpegprep.images.images import decode
from jpegprep.images.preserving import size_as
from jpegprep.shards.conversion_record import (
    CONVERTED,
    COPIED,
    NO_IMAGE,
    SKIPPED,
    UNREADABLE,
    WRITTEN,
    Row,
    read_record,
    restored,
    rows_of,
    stored,
)
from jpegprep.shards.formats_out import contents
from jpegprep.shards.sources import AGAIN, OURS, OWN

_SHOWN = 20  # findings that are shown


@dataclass
class Verification:
    """What was found in a target.

    Attributes:
        target: the folder.
        files: how many files the record tells of.
        images: how many of them are images that decode to the size of their source, or to that
            which their store makes of it.
        unreadable: how many were copied as they were, since nothing could decode them.
        count: how many findings there are.
        shown: the first of them, a line each.
    """

    target: Path
    files: int = 0
    images: int = 0
    unreadable: int = 0
    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, finding: str) -> None:
        """Take a finding."""
        self.count += 1
        if self.count <= _SHOWN:
            self.shown.append(" ".join(finding.splitlines()))

    def lines(self) -> list[str]:
        """Return the findings as people read them."""
        more = self.count - len(self.shown)
        return [*self.shown, *([f"… and {more:,} more"] if more else [])]

    def __str__(self) -> str:
        """Return one line."""
        if self.count:
            return f"{self.target}: {self.count:,} findings, {self.files:,} files on record"
        note = f"; {self.unreadable:,} could not be read in the source either" * bool(
            self.unreadable
        )
        return (
            f"{self.target}: all {self.files:,} files are as recorded, {self.images:,} images "
            f"decode to the size that they are to have{note}"
        )


def verify(target: Path, threads: int = 1) -> Verification:
    """Compare the target of a finished conversion with its record: each file is read and decoded.

    Findings are: a file that is missing, or added; another checksum; an image that does not decode,
    or to another size than its source, upright (or than the store makes of that); and what was
    skipped, unless nothing is lost by it.

    Args:
        target: the folder.
        threads: how many read side by side.

    Raises:
        UserError: where there is no finished conversion.
    """
    record = read_record(target)
    found = Verification(target)
    expected: set[str] = set()
    files = {row.target for row in rows_of(record) if row.done == WRITTEN}
    inside: dict[str, dict[str, Row]] = {}
    with tqdm(total=len(record), unit=" files", disable=None) as bar:
        alone = _apart(rows_of(record), files, inside)
        for checked in in_order(_checker(target), _chunks(alone), threads):
            for row, finding in checked:
                found.files += row.done != SKIPPED
                found.unreadable += (row.done, row.why) == (COPIED, UNREADABLE)
                found.images += row.width is not None and finding is None
                if finding:
                    found.add(finding)
                if row.target is not None:
                    expected.add(restored(row.target))
            bar.update(len(checked))
    _look_inside(target, inside, found)
    for file in walk(target, everything=True)[0]:
        if file.path not in expected and not file.path.lstrip(".").startswith(OURS[1:]):
            found.add(f"added: {text_of(file.path)}")
    return found


def _apart(
    rows: Iterator[Row], files: Container[str | None], inside: dict[str, dict[str, Row]]
) -> Iterator[Row]:
    """Yield the rows of files; those of images in a file of many are gathered, by that file."""
    for row in rows:
        of = _FILE_OF_MANY.match(row.target or "")
        if of and of[1] in files:
            inside.setdefault(of[1], {})[of[2]] = row
        else:
            yield row


_FILE_OF_MANY = re.compile(r"(.*?\.(?:tar|parquet))/(.*)", re.S)


def _look_inside(target: Path, inside: Mapping[str, dict[str, Row]], found: Verification) -> None:
    """Compare the images in files of many with their rows."""
    for name, rows in inside.items():
        found.files += len(rows)
        try:
            for inner, data in contents(target / restored(name)):
                row = rows.pop(stored(inner), None)
                finding = _wrong(row, data, f"{name}/{inner}") if row else f"added: {name}/{inner}"
                found.images += finding is None and row is not None and row.width is not None
                if finding:
                    found.add(finding)
        except (UserError, OSError) as error:
            found.add(str(error))
        for row in rows.values():
            found.add(f"missing: {row.target}")


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, 64)):
        yield chunk


_Checked = list[tuple[Row, str | None]]


def _checker(target: Path) -> Callable[[list[Row]], _Checked]:
    return lambda rows: [(row, _finding(target, row)) for row in rows]


def _finding(target: Path, row: Row) -> str | None:
    """Return what is wrong with a file, in one line."""
    if row.target is None:
        return None if row.why in (AGAIN, OWN, NO_IMAGE) else f"skipped ({row.why}): {row.source}"
    path = target / restored(row.target)
    of = "" if row.target == row.source else f" (of {row.source})"
    name = f"{row.target}{of}"
    try:
        if path.is_symlink() or not path.is_file():
            return f"missing: {name}"
        if row.width is None and path.stat().st_size > LARGEST:
            return None if sha256_of(path) == row.sha256_after else f"changed: {name}"
        data = path.read_bytes()
    except OSError as error:
        return f"unreadable ({error.strerror}): {name}"
    return _wrong(row, data, name)


def _wrong(row: Row, data: bytes, name: str) -> str | None:
    """Return what is wrong with the bytes of a file."""
    if hashlib.sha256(data).hexdigest() != row.sha256_after:
        return f"changed: {name}"
    if row.width is None:
        return None
    try:
        size = decode(data).size
    except ValueError:
        return f"cannot be decoded: {name}"
    expected = row.width, row.height
    if row.done == CONVERTED and row.variant and row.height is not None:
        expected = size_as(row.variant, row.width, row.height)
    if size != expected:
        of = "its source" if expected == (row.width, row.height) else f"{row.variant} of its source"
        return (
            f"other size: {name} has {size[0]} x {size[1]} pixels, {of} {expected[0]} x "
            f"{expected[1]}"
        )
    return None
