"""The record of a conversion: what became of every file, in rows that grow as the work goes on.

While a conversion runs, its rows stand in small Parquet files in the folder `JOURNAL` of its
target; they are written after the files that they tell of have reached the disk. At the end they
become one file, `RECORD`. A row says where a file came from, where it went, and what that place
looked like right after; what looks otherwise by now is not taken for done.
"""

import os
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing, sha256_of, write_back
from jpegprep.datasets.listing import File
from jpegprep.shards.sources import OURS

# In the target: it goes where the target goes, and a folder's parent may not be writable. Hidden:
# no loader takes it for a class, an image or a table of the data set.
RECORD = f"{OURS}conversion.parquet"
JOURNAL = f"{OURS}done"

CONVERTED, KEPT, COPIED, SKIPPED = "converted", "kept", "copied", "skipped"
WRITTEN, LEFT = "written", "left"
# Why a file was copied as it was.
UNREADABLE, NO_IMAGE, HIDDEN, LARGE = "unreadable", "no image", "hidden", "over 512 MiB"


class Row(NamedTuple):
    r"""What became of a file.

    Attributes:
        source: its path in the source. Bytes that are no UTF-8 stand as ``\xff``, and then, or
            where it holds one, a backslash as two: see `restored`.
        target: its path in the target, spelt likewise; None where it was skipped.
        done: converted, kept (an image that stays as it is), copied (any other file), skipped;
            written, for a CSV that has other paths now; left, where its source has gone since.
        why: the reason, where there is one.
        bytes_before: its size in the source.
        bytes_after: that in the target.
        sha256_before: 64 hexadecimal digits; None where it was skipped.
        sha256_after: likewise, in the target.
        width: of the image in the source, upright, in pixels; None where it is none.
        height: likewise.
        variant: what was asked for, as studies name it.
        encoder: what decoded and encoded.
        source_mtime_ns: when the source was last written, in nanoseconds since the epoch.
        target_mtime_ns: likewise the target, as its file system keeps it.
        target_ctime_ns: when the target's file was last touched in any way.
        left_out: bytes of metadata that the image's new file does not hold.
    """

    source: str
    target: str | None
    done: str
    why: str | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    sha256_before: str | None = None
    sha256_after: str | None = None
    width: int | None = None
    height: int | None = None
    variant: str | None = None
    encoder: str | None = None
    source_mtime_ns: int | None = None
    target_mtime_ns: int | None = None
    target_ctime_ns: int | None = None
    left_out: int | None = None


_FEW = ("done", "why", "variant", "encoder")  # columns of few values
_NUMBERS = {"width": pa.int32(), "height": pa.int32()}
SCHEMA = pa.schema(
    (
        name,
        pa.dictionary(pa.int32(), pa.string())
        if name in _FEW
        else pa.string()
        if name in ("source", "target") or name.startswith("sha256")
        else _NUMBERS.get(name, pa.int64()),
    )
    for name in Row._fields
)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


def rows_of(table: pa.Table) -> Iterator[Row]:
    """Yield the rows of a table."""
    for batch in table.to_batches(max_chunksize=10_000):
        columns = (column.to_pylist() for column in batch.columns)
        yield from map(Row._make, zip(*columns, strict=True))


def stored(path: str) -> str:
    """Return a path as a record spells it; of one without backslashes and other bytes, itself."""
    if "\\" not in path and (path.isascii() or not _SURROGATES.intersection(path)):
        return path
    escaped = path.replace("\\", "\\\\")
    return escaped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def restored(path: str) -> str:
    """Return the path that a record spells so, the inverse of `stored`."""
    if "\\" not in path:
        return path
    raw = bytearray()
    place = 0
    encoded = path.encode()
    while place < len(encoded):
        if encoded[place : place + 1] != b"\\":
            raw.append(encoded[place])
            place += 1
        elif encoded[place + 1 : place + 2] == b"x":
            raw.append(int(encoded[place + 2 : place + 4], 16))
            place += 4
        else:
            raw.append(ord("\\"))
            place += 2
    return raw.decode("utf-8", "surrogateescape")


_SURROGATES = frozenset(map(chr, range(0xDC80, 0xDD00)))


class Journal:
    """The rows of a conversion that goes on, written now and then.

    As a context it writes what is left at the end, also after an error. A process that is killed
    loses the rows of about the last hundredth of its time, whose files are made again; no more than
    a fiftieth of it is spent on waiting for the disk.
    """

    def __init__(self, target: Path) -> None:
        """Take the target, which exists."""
        self._target = target
        self._rows: list[Row] = []
        self._numbers = count()
        self._began = self._last = time.monotonic()
        self._seconds = 0.0  # that the last commit took

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows of files that stand at their places."""
        self._rows += rows
        now = time.monotonic()
        pause = max(_PAUSE, 50 * self._seconds, (now - self._began) / 100)
        if len(self._rows) >= _ROWS or now - self._last > pause:
            self.commit()

    def commit(self) -> None:
        """Write the rows, once the files have reached the disk."""
        if not self._rows:
            return
        began = time.monotonic()
        folder = self._target / JOURNAL
        folder.mkdir(exist_ok=True)
        write_back(self._target)
        who = f"{time.time_ns():020}-{process_name()}-{next(self._numbers)}"
        with replacing(folder / f"{who}-{len(self._rows)}.parquet") as part:
            write(part, [table_of(self._rows)])
        self._rows = []
        self._last = time.monotonic()
        self._seconds = self._last - began

    def __enter__(self) -> "Journal":
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left."""
        self.commit()


_ROWS, _PAUSE = 50_000, 0.2


@cache
def process_name() -> str:
    """Return a name that no other running process has, of letters, digits, ``.`` and ``-``."""
    return f"{socket.gethostname()}-{os.getpid()}"


def write(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables as one Parquet file; the caller renames it."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for table in tables:
            writer.write_table(table)


def read(path: Path) -> pa.Table:
    """Read a record.

    Raises:
        OSError: where it is missing or damaged; also pa.ArrowException.
    """
    table = pq.read_table(path, page_checksum_verification=True, read_dictionary=list(_FEW))
    return table.cast(SCHEMA)


def recorded(target: Path) -> int:
    """Return how many files the journal tells of; none of it is read."""
    try:
        names = os.listdir(target / JOURNAL)  # noqa: PTH208
    except OSError:
        return 0
    counts = (name.rpartition("-")[2].partition(".") for name in names if not name.startswith("."))
    return sum(int(number) for number, _, ending in counts if ending == "parquet")


class Known:
    """What the record and the journal of a target tell of files, the latest row of each."""

    def __init__(self, target: Path, paths: Sequence[str], alone: bool = False) -> None:
        """Read them; what is damaged tells nothing.

        Args:
            target: the folder.
            paths: of files in the source, each once.
            alone: whether the rows of other files are left out.
        """
        names = [stored(path) for path in paths]
        wanted = pa.array(names, pa.string()) if alone else None
        tables = []
        for path in [target / RECORD, *sorted((target / JOURNAL).glob("[0-9]*.parquet"))]:
            try:
                table = read(path)
            except (OSError, pa.ArrowException):
                continue
            if wanted is not None:
                table = table.filter(pc.is_in(table["source"], wanted))  # type: ignore[attr-defined]
            tables.append(table)
        self._table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        hashes = np.fromiter(
            (hash(name) for chunk in self._table["source"].chunks for name in chunk.to_pylist()),
            np.int64,
            len(self._table),
        )
        # Of equal ones the last counts, as the order of equal ones is that of the table.
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        asked = np.fromiter(map(hash, names), np.int64, len(names))
        found = np.searchsorted(hashes, asked, "right") - 1
        self._rows = np.full(len(names), -1)
        if len(hashes):
            right = (found >= 0) & (hashes[found] == asked)
            self._rows[right] = order[found[right]]
        latest = order[np.append(hashes[1:] != hashes[:-1], True)] if len(hashes) else order
        self._others = np.setdiff1d(latest, self._rows)
        self._earlier = np.setdiff1d(np.arange(len(order)), latest)

    def rows(self) -> Iterator[Row | None]:
        """Yield the row of each file, in the order of the paths; None, where it has none."""
        for start in range(0, len(self._rows), _BLOCK):
            block = self._rows[start : start + _BLOCK]
            rows = rows_of(self._take(block[block >= 0]))
            for number in block:
                yield next(rows) if number >= 0 else None

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows of all files as tables; each has one."""
        for start in range(0, len(self._rows), _BLOCK):
            yield self._take(self._rows[start : start + _BLOCK])

    def others(self) -> pa.Table:
        """Return the rows of all other files."""
        return self._take(self._others)

    def earlier(self) -> pa.Table:
        """Return the rows in whose place later ones of the same files have come."""
        return self._take(self._earlier)

    def _take(self, numbers: npt.NDArray[np.int64]) -> pa.Table:
        return self._table.take(pa.array(numbers, pa.int64()))


_BLOCK = 50_000


def unchanged(target: Path, row: Row, file: File) -> Row | None:
    """Tell whether a file is done: neither its source nor what was made of it is another now.

    The place's own times decide; where these differ, though its size does not, its checksum does.

    Args:
        target: the folder.
        row: what was recorded of the file.
        file: as it is listed now.

    Returns:
        The row, with the times as they are now; None where it is to be made again.
    """
    same = (row.source, row.bytes_before, row.source_mtime_ns) == (
        stored(file.path),
        file.bytes,
        file.mtime_ns,
    )
    return intact(target, row) if same else None


def intact(target: Path, row: Row) -> Row | None:
    """Tell as `unchanged` whether what was made of a file is there as it was."""
    if row.target is None:
        return None
    path = f"{target}/{restored(row.target)}"
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != row.bytes_after:
            return None
        if (status.st_mtime_ns, status.st_ctime_ns) == (row.target_mtime_ns, row.target_ctime_ns):
            return row
        if sha256_of(path) != row.sha256_after:
            return None
    except OSError:
        return None
    return row._replace(target_mtime_ns=status.st_mtime_ns, target_ctime_ns=status.st_ctime_ns)


def write_record(target: Path, tables: Iterable[pa.Table]) -> None:
    """Write the record, and remove the journal; a record that says the same stays as it is.

    Raises:
        OSError: where it cannot be written.
    """
    record, part = target / RECORD, target / f"{RECORD}.part"
    write(part, tables)
    if record.exists() and sha256_of(record) == sha256_of(part):
        part.unlink()
    else:
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(record)
    shutil.rmtree(target / JOURNAL, ignore_errors=True)


def read_record(target: Path) -> pa.Table:
    """Return the record of a finished conversion.

    Raises:
        UserError: where there is none.
    """
    try:
        if (target / JOURNAL).is_dir():
            raise FileNotFoundError
        return read(target / RECORD)
    except FileNotFoundError:
        raise UserError(
            f"{target}: holds no finished conversion; name the folder of one, or go on with it"
        ) from None
    except (OSError, pa.ArrowException):
        raise UserError(
            f"{target / RECORD} is damaged; remove it, and convert again: nothing that is right is "
            "written anew"
        ) from None


def counts(target: Path) -> dict[tuple[str, str | None], tuple[int, int, int, int]]:
    """Return how many files a record has, their bytes before, after and left out.

    They are by what was done and why.

    Raises:
        UserError: where there is no record.
    """
    groups = read_record(target).unify_dictionaries().group_by(["done", "why"])
    sums = groups.aggregate(
        [("source", "count"), *((f"bytes_{when}", "sum") for when in ("before", "after"))]
        + [("left_out", "sum")]
    )
    return {
        (row["done"], row["why"]): (
            row["source_count"],
            row["bytes_before_sum"] or 0,
            row["bytes_after_sum"] or 0,
            row["left_out_sum"] or 0,
        )
        for row in sums.to_pylist()
    }
