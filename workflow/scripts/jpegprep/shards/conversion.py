"""Conversion: a user's own images as smaller files in another folder, laid out as they were.

    python -m jpegprep.shards.conversion SOURCE TARGET --quality 50
    python -m jpegprep.shards.conversion SOURCE TARGET --store s256-webp-q60
    python -m jpegprep.shards.conversion --verify TARGET

Each image becomes the file that the variant ``jpeg-qN-smaller``, or that of the store that is asked
for, of a study holds, with the metadata of its source: where that would be no smaller, or would
hold less (`preserving`), the image is copied byte for byte under its own name. Shards and Parquet
files of images become shards and Parquet files; FORMAT=folder, webdataset or parquet asks for
another form (`formats_out`). Whatever else SOURCE
holds is copied too, and counted. A conversion that was stopped goes on when it is called again. In
the end TARGET holds a record of every file (`conversion_record`), which ``--verify`` compares.
"""

import argparse
import hashlib
import json
import os
import shutil
import stat
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of, write_json
from jpegprep.common.folder_locks import locked
from jpegprep.common.parallel import in_order
from jpegprep.datasets.columns import Columns
from jpegprep.datasets.listing import File, digest_of, ignored, looks_like_image
from jpegprep.images.images import image_format
from jpegprep.images.preserving import (
    NO_PICTURE,
    NOT_READ,
    NOTHING,
    Giving,
    asked,
    ending_of,
    giving,
    made,
    store_variant,
)
from jpegprep.images.recompress import encoder
from jpegprep.images.variants import Optimized, Transcoded, parse_variant
from jpegprep.shards.conversion_record import (
    CONVERTED,
    COPIED,
    HIDDEN,
    KEPT,
    LARGE,
    LEFT,
    NO_IMAGE,
    RECORD,
    SKIPPED,
    UNREADABLE,
    WRITTEN,
    Journal,
    Known,
    Row,
    counts,
    intact,
    process_name,
    restored,
    rows_of,
    stored,
    table_of,
    unchanged,
    write_record,
)
from jpegprep.shards.formats_out import (
    FOLDER,
    FORMATS,
    NOT_WRITTEN,
    Files,
    Piece,
    format_of,
    images_of,
    new_format,
    of_pieces,
    same_format,
    write_pieces,
)
from jpegprep.shards.measuring import measured
from jpegprep.shards.places import Places
from jpegprep.shards.shard_sources import ShardSource
from jpegprep.shards.sources import OURS, Reading, Source, open_source
from jpegprep.shards.verification import verify

# In the target: what is converted into what; files that are being written; who works there.
WHAT, _UNFINISHED, _LOCK = f"{OURS}json", f"{OURS}part", f"{OURS}lock"

Numbered = Sequence[tuple[int, File]]  # files of a source, with their numbers


@dataclass(frozen=True)
class Summary:
    """What a conversion did, counted over all files, those of earlier calls included.

    Attributes:
        images: images, converted or kept.
        before: their bytes in SOURCE.
        after: their bytes in TARGET.
        kept: those that it made no smaller, copied as they were.
        unreadable: files that are named or begin as images and cannot be decoded or hold too many
            pixels, copied as they were.
        other: files that are no image, or hidden, copied as they were.
        skipped: what was not copied: links and devices; of an archive also names that lead out of
            it or come again later, and files over 512 MiB.
        left: files of TARGET whose source has gone since an earlier call, left as they were.
        held: images that stay as they are since their JPEG files would hold less, by the reason.
        unread: files that are called images of formats that are not read, by their ending, copied.
        bands: files whose channels are no picture, copied.
        left_out: bytes of metadata that the new files do not hold.
        not_written: files that are no image of a class, where shards, Parquet or class folders are
            made of something else: nothing there could hold them.
        unwritten: likewise what is called an image of a format that is not read, by its ending.
    """

    images: int
    before: int
    after: int
    kept: int
    unreadable: int
    other: int
    skipped: int
    left: int = 0
    held: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)
    bands: int = 0
    left_out: int = 0
    not_written: int = 0
    unwritten: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as people read it, a line each."""
        share = f" ({self.after / self.before:.1%})" if self.before else ""
        unread, unwritten = (
            ", ".join(f"{ending} {count:,}" for ending, count in counts.items())
            for counts in (self.unread, self.unwritten)
        )
        counts = {
            "images": self.images,
            "kept as they were, since they became no smaller": self.kept,
            **{f"kept as they were, {why}": count for why, count in self.held.items()},
            f"images of formats that are not read ({unread}), copied": sum(self.unread.values()),
            "images of channels that are no picture, copied": self.bands,
            "unreadable images, copied": self.unreadable,
            "other files, copied": self.other,
            "links and unusable names, skipped": self.skipped,
            "files without a label or no images, not written": self.not_written,
            f"images of formats that are not read ({unwritten}), not written": sum(
                self.unwritten.values()
            ),
            "files whose source has gone, left": self.left,
        }
        lines = [f"{what}: {n:,}" for what, n in counts.items() if n or what == "images"]
        lines.append(f"bytes of the images: {self.before:,} -> {self.after:,}{share}")
        if self.left_out:
            lines.append(f"of the bytes saved, metadata that were left out: {self.left_out:,}")
        return "\n".join(lines)


def summary_of(target: Path) -> Summary:
    """Return the summary of a finished conversion, from its record.

    Raises:
        UserError: where the record is missing or damaged.
    """
    found = counts(target)

    def total(*done: str) -> list[int]:
        of_done = [numbers for (name, _), numbers in found.items() if name in done]
        return list(map(sum, zip(*of_done, strict=True))) if of_done else [0] * 4

    def of(done: str, why: str | None) -> int:
        return found.get((done, why), (0,))[0]

    images, before, after, left_out = total(CONVERTED, KEPT)
    reasons = sorted((str(why), of(name, why)) for name, why in found if name == KEPT and why)
    unread, unwritten = (
        {
            why.removeprefix(NOT_READ).strip(): of(done, why)
            for why in sorted(why for name, why in found if name == done and why)
            if why.startswith(NOT_READ)
        }
        for done in (COPIED, SKIPPED)
    )
    unreadable, bands = of(COPIED, UNREADABLE), of(COPIED, NO_PICTURE)
    not_written = sum(of(SKIPPED, why) for why in NOT_WRITTEN)
    return Summary(
        images=images,
        before=before,
        after=after,
        kept=of(KEPT, None),
        unreadable=unreadable,
        other=total(COPIED)[0] - unreadable - bands - sum(unread.values()),
        skipped=total(SKIPPED)[0] - not_written - sum(unwritten.values()),
        left=total(LEFT)[0],
        held=dict(reasons),
        unread=unread,
        bands=bands,
        left_out=left_out,
        not_written=not_written,
        unwritten=unwritten,
    )


def convert(
    source: str | Path,
    target: str | Path,
    quality: int | None = None,
    threads: int = 1,
    keep_smaller: bool = True,
    given: Giving = NOTHING,
    measure: bool = False,
    columns: Columns | None = None,
    form: str | None = None,
    store: str | None = None,
) -> Summary:
    """Write a user's own images as smaller files to a folder, in the layout of their source.

    Names stay, but for the ending, .jpg; where that name is another file's already (a.png beside
    a.jpg), the new file is called by the full name: a.png.jpg. Of a CSV the files that it names are
    written, and the CSV with their new paths; one from elsewhere stands below TARGET under its
    whole path. SOURCE is only read. Nothing is removed from TARGET
    but what a newer version of the same file takes the place of.

    Args:
        source: a folder, an archive, a CSV, shards or Parquet files.
        target: a folder: none yet, empty, or one that this same conversion has begun.
        quality: of JPEG, 1 to 99; or a store is named.
        threads: how many convert side by side; the result is the same for any number.
        keep_smaller: whether an image that becomes no smaller is copied as it is.
        given: what may be given up (`preserving.giving`).
        measure: whether the values that become 0 and 255 are measured (`measuring`).
        columns: as of `columns.choose`: what the user says of the columns of a table.
        form: folder, webdataset or parquet: what is written; None: what the source is.
        store: the recipe of storage, in place of a quality: ``s256-jpeg-q60-opt``.

    Raises:
        UserError: where source or target cannot be used, another conversion writes to the target,
            or the disk is full.
    """
    path, target = absolute(source), absolute(target)
    if form not in (None, *FORMATS):
        raise UserError(f"format is {form!r}; it is {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")

    def variant_for(readings: Iterator[Reading]) -> str:
        """Return what is made of images, which are read only where that is measured."""
        ranged = given
        if measure:
            ranged = with_range(readings, target, quality, keep_smaller, given, threads, store)
        return variant_of(quality, keep_smaller, ranged, store)

    variant_of(quality, keep_smaller, given, store)  # a mistake is told before anything is read

    own = format_of(path)
    if (form or own) != FOLDER:
        return _convert_into(path, target, variant_for, form or own, columns, threads)
    opened = open_source(path, columns) if own == FOLDER else ShardSource(path, columns)
    if told := opened.told():
        print(told, file=sys.stderr)
    listed = opened.listed()
    files = usable(listed)
    variant = variant_for(opened.readings(files))
    check_target(opened, target, variant)
    with begun(opened, target, variant):
        known = Known(target, [file.path for _, file in files])
        gone = gone_of(target, known)
        places = places_of(files, gone, ending_of(asked(variant)[0]))
        plan = plan_of(target, files, known, places.converted)
        with tqdm(total=len(files), unit=" files", disable=None) as bar:
            bar.update(len(files) - len(plan.todo))
            work(opened, target, variant, plan, places.converted, threads, bar.update)
        _finish(opened, target, listed, gone, places)
    return summary_of(target)


def _convert_into(
    path: Path,
    target: Path,
    variant_for: Callable[[Iterator[Reading]], str],
    form: str,
    columns: Columns | None,
    threads: int,
) -> Summary:
    """Write a user's own images into shards or Parquet files, see `convert`.

    What a stopped call has written whole is not written again.
    """
    own = format_of(path)
    left: list[Row] = []
    if form == own:
        opened: Source = (held := Files(path))
        pieces, what = same_format(path, columns), form
        variant = variant_for(held.images(columns))
    else:
        opened = open_source(path, columns) if own == FOLDER else ShardSource(path, columns)
        files, left = images_of(opened)
        pieces = new_format(opened, files, form)
        # Which image is in which file follows from all of them.
        what = f"{form}, {digest_of(file for _, file in files)[:16]}"
        variant = variant_for(opened.readings(files))
    if told := opened.told():
        print(told, file=sys.stderr)
    with begun(opened, target, f"{variant}{_FORM}{what}"):
        writer = _Writer(target, variant)
        earlier = Known(target, []).others()
        written = {row.target: row for row in rows_of(earlier) if row.done == WRITTEN}
        todo = [piece for piece in pieces if not _stands(target, piece, written)]
        names = {piece.name for piece in pieces} - {piece.name for piece in todo}
        tables = [of_pieces(earlier, names)]
        with (
            Journal(target) as journal,
            tqdm(total=len(pieces), initial=len(names), unit=" files", disable=None) as bar,
        ):
            results = write_pieces(opened, todo, writer.treated, threads, writer.place_piece)
            for piece, rows in results:
                rows = [row._replace(variant=variant, encoder=writer.encoder) for row in rows]
                rows.append(writer.row_of_piece(piece))
                journal.add(rows)
                journal.commit()
                tables.append(table_of(rows))
                bar.update()
        write_record(target, [*tables, table_of(left)])
        shutil.rmtree(target / _UNFINISHED, ignore_errors=True)
    return summary_of(target)


_FORM = ", "  # between a variant and the form that is written


def _stands(target: Path, piece: Piece, written: Mapping[str | None, Row]) -> bool:
    """Tell whether a file was written by an earlier call, from what it would be made of now."""
    row = written.get(stored(piece.name))
    if row is None or (row.bytes_before, row.source_mtime_ns) != (piece.bytes, piece.mtime_ns):
        return False
    return intact(target, row) is not None


def absolute(path: str | Path) -> Path:
    """Return a path as the user meant it, from the root."""
    return Path(path).expanduser().absolute()


def variant_of(
    quality: int | None,
    keep_smaller: bool = True,
    given: Giving = NOTHING,
    store: str | None = None,
) -> str:
    """Return the name of the variant that a conversion makes, and what it gives up.

    Args:
        quality: of JPEG; None, where a store is named.
        keep_smaller: as of `convert`.
        given: likewise.
        store: likewise.

    Raises:
        UserError: where quality or store is none, or not one of them is said.
    """
    if (quality is None) == (store is None):
        raise UserError(
            "say the quality of JPEG, as in quality=50, or a store, as in store=s256-jpeg-q60-opt: "
            "one of them"
        )
    if quality is not None and not 1 <= quality <= 99:
        raise UserError(f"quality is {quality}; a JPEG quality is a whole number from 1 to 99")
    variant = store_variant(store or f"jpeg-q{quality}", keep_smaller)
    steps = parse_variant(variant)
    if steps == (Optimized(),) and replace(given, metadata=False, decoding=NOTHING.decoding) != (
        NOTHING
    ):
        raise UserError(
            "store is original-opt, which changes no pixel; leave depth, alpha and frames out"
        )
    if steps == (Transcoded(),) and given != NOTHING:
        raise UserError(
            "store is original-jxl, which loses nothing; leave depth, alpha, frames and metadata "
            "out"
        )
    return f"{variant}{given}"


def with_range(
    readings: Iterable[Reading],
    target: Path,
    quality: int | None,
    keep_smaller: bool,
    given: Giving,
    threads: int,
    store: str | None = None,
) -> Giving:
    """Return what a conversion gives up, with the values that become 0 and 255.

    All images of a target have one range: that with which the conversion began. Before, it is
    measured over all files.

    Args:
        readings: the files that are converted.
        target: the folder.
        quality: as of `convert`.
        keep_smaller: likewise.
        given: with any range.
        threads: how many files are read side by side.
        store: as of `convert`.
    """
    with suppress(OSError, ValueError, KeyError, UserError):
        what = json.loads((target / WHAT).read_text(encoding="utf-8"))["variant"]
        begun_as = what.partition(_FORM)[0]
        found = replace(given, decoding=asked(begun_as)[1].decoding)
        if variant_of(quality, keep_smaller, found, store) == begun_as:
            return found
    return measured(readings, given, threads)


@contextmanager
def begun(source: Source, target: Path, variant: str, shared: bool = False) -> Iterator[None]:
    """Begin a conversion, or go on with it, alone; what goes wrong inside is one line.

    Args:
        source: what is converted.
        target: the folder; made, where there is none.
        variant: into what.
        shared: whether jobs beside this one work on other parts.

    Raises:
        UserError: where the target is another's, or cannot be written to.
    """
    check_target(source, target, variant)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with locked(target, _LOCK, shared):
            if not check_target(source, target, variant):
                own = target / f"{WHAT}.{process_name()}"  # no other job's
                write_json(own, _what(source, variant))
                own.replace(target / WHAT)
            if not shared:
                shutil.rmtree(target / _UNFINISHED, ignore_errors=True)
            yield
    except PermissionError as error:
        raise UserError(f"{error.filename or target}: {error.strerror}; name another") from None
    except OSError as error:
        raise UserError(
            f"{error.filename or target}: {error.strerror or error}; when that is mended, call "
            "again: it goes on"
        ) from None


def _what(source: Source, variant: str) -> dict[str, Any]:
    """Return what tells a conversion from another one."""
    return source.identity() | {"variant": variant}


def check_target(source: Source, target: Path, variant: str) -> bool:
    """Tell whether a target holds this conversion; False: none. Nothing is written.

    Raises:
        UserError: where it holds something else.
    """
    if source.folder and target.resolve().is_relative_to(source.folder.resolve()):
        raise UserError(
            f"{target}: lies in {source.folder}, which is only read; name a folder elsewhere"
        )
    try:
        names = {path.name for path in target.iterdir()}
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise UserError(f"{target}: {error.strerror}; name another folder") from None
    except OSError as error:
        raise UserError(f"{target}: no folder ({error.strerror}); name another") from None
    if WHAT not in names and all(name.lstrip(".").startswith(OURS[1:]) for name in names):
        return False
    try:
        if json.loads((target / WHAT).read_text(encoding="utf-8")) == _what(source, variant):
            return True
    except (OSError, ValueError):
        pass
    raise UserError(
        f"{target}: holds files, and no conversion of {source.path} to {variant}; name an empty "
        "folder or a new one"
    )


def usable(listed: Sequence[File]) -> Numbered:
    """Return the files that are not skipped, each with its number in the source."""
    return [(number, file) for number, file in enumerate(listed) if not file.problem]


def gone_of(target: Path, known: Known) -> list[Row]:
    """Return the rows of files that are in the target, and no longer in the source."""
    rows = (row for row in rows_of(known.others()) if row.done not in (SKIPPED, WRITTEN))
    return [now._replace(done=LEFT) for now in (intact(target, row) for row in rows) if now]


def places_of(files: Numbered, gone: Iterable[Row] = (), ending: str | None = "jpg") -> Places:
    """Return where files stand in the target, beside those whose source has gone."""
    taken = [restored(row.target) for row in gone if row.target]
    return Places([file.path for _, file in files], taken, ending)


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
        todo: the files that are to be made, with their numbers.
        touched: rows of files that are done, with the new times of what somebody touched.
    """

    todo: list[tuple[int, File]]
    touched: list[Row]


def plan_of(target: Path, files: Numbered, known: Known, converted: Callable[[str], str]) -> Plan:
    """Find out what is to be done; of what is done nothing is read, unless somebody touched it.

    Args:
        target: the folder.
        files: of the source, or of a part of it.
        known: what was recorded of them.
        converted: returns where a file stands when it is converted.
    """
    plan = Plan([], [])
    for (number, file), row in zip(files, known.rows(), strict=True):
        if row and row.target is not None:
            place = converted(file.path) if row.done == CONVERTED else file.path
            now = unchanged(target, row, file) if place == restored(row.target) else None
            if now:
                if now != row:
                    plan.touched.append(now)
                continue
        plan.todo.append((number, file))
    return plan


def work(
    source: Source,
    target: Path,
    variant: str,
    plan: Plan,
    converted: Callable[[str], str],
    threads: int,
    progress: Callable[[int], object],
) -> None:
    """Make what is to be done, and write it down in the journal.

    Args:
        source: what is read.
        target: the folder.
        variant: what is made.
        plan: of what.
        converted: returns where a file stands when it is converted.
        threads: how many work side by side.
        progress: is told how many more files are done.
    """
    writer = _Writer(target, variant)
    chunks = _chunks(source.readings(plan.todo), converted)
    with Journal(target) as journal:
        journal.add(plan.touched)
        for rows in in_order(writer.convert_all, chunks, threads):
            journal.add(rows)
            progress(len(rows))


class _Job(NamedTuple):
    """A file of the source and its places below the target.

    Attributes:
        reading: the file, and how it is read.
        converted: where it stands when it is converted; as it is, it stands at its own path.
    """

    reading: Reading
    converted: str


def _chunks(readings: Iterable[Reading], converted: Callable[[str], str]) -> Iterator[list[_Job]]:
    """Gather files until they are many or large; a single one may be larger."""
    chunk: list[_Job] = []
    held = 0
    for reading in readings:
        chunk.append(_Job(reading, converted(reading.file.path)))
        held += reading.file.bytes
        if held >= _CHUNK_BYTES or len(chunk) == _CHUNK_FILES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


_CHUNK_BYTES, _CHUNK_FILES = 1 << 20, 64


class _Treated(NamedTuple):
    """What becomes of a file: what is done, its new bytes, why, and an image's upright size.

    `ending` is that of its new name, without a dot; None: it keeps its name.
    """

    done: str
    data: bytes
    why: str | None = None
    size: tuple[int, int] | None = None
    left_out: int | None = None
    ending: str | None = None


class _Writer:
    """Writes files of a source to a folder, in several threads at once."""

    def __init__(self, target: Path, variant: str) -> None:
        self._target = target
        self._variant, (self._treatments, self._given) = variant, asked(variant)
        self._ending, self.encoder = ending_of(self._treatments), encoder(self._treatments)
        self._folders: set[str] = set()
        self._own = threading.local()

    def convert_all(self, jobs: Sequence[_Job]) -> list[Row]:
        """Write some files."""
        return [self.convert(job) for job in jobs]

    def convert(self, job: _Job) -> Row:
        """Write a file, converted or as it is; return what is to be recorded of it."""
        file = job.reading.file
        if job.reading.large:
            return self._copied(job, job.reading.large)
        data = job.reading.read()
        found = self.treated(file.path, data)
        place = job.converted if found.done == CONVERTED else file.path
        if not self._stands(place, file, found.data):
            self._place(job, place, lambda part: part.write_bytes(found.data))
        before = hashlib.sha256(data).hexdigest()
        after = before if found.data == data else hashlib.sha256(found.data).hexdigest()
        row = Row(stored(file.path), stored(place), found.done, found.why, len(data))
        width, height = found.size or (None, None)
        row = row._replace(sha256_before=before, sha256_after=after, width=width, height=height)
        row = row._replace(left_out=found.left_out)
        return self._row(row, file, place)

    def _copied(self, job: _Job, full: Path) -> Row:
        """Copy a file that is too large to be an image, or for memory."""
        file = job.reading.file
        before = sha256_of(full)
        self._place(job, file.path, partial(shutil.copyfile, full))
        after = sha256_of(self._target / file.path)
        if after != before:
            raise UserError(f"{full}: changed while it was copied; call again")
        row = Row(stored(file.path), stored(file.path), COPIED, LARGE, file.bytes)
        row = row._replace(sha256_before=before, sha256_after=after)
        return self._row(row, file, file.path)

    def _row(self, row: Row, file: File, place: str) -> Row:
        """Return a row with what its file looks like now."""
        status = os.lstat(f"{self._target}/{place}")
        return row._replace(
            bytes_after=status.st_size,
            variant=self._variant,
            encoder=self.encoder,
            source_mtime_ns=file.mtime_ns,
            target_mtime_ns=status.st_mtime_ns,
            target_ctime_ns=status.st_ctime_ns,
        )

    def place_piece(self, piece: Piece, write: Callable[[Path], None]) -> None:
        """Write a file of many images beside, and then to its place."""
        path, part = self._target / piece.name, self._part()
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        os.utime(part, ns=(piece.mtime_ns, piece.mtime_ns))
        part.replace(path)

    def row_of_piece(self, piece: Piece) -> Row:
        """Return the row of a file of many images, which stands at its place."""
        row = Row(stored(piece.source), stored(piece.name), WRITTEN, None, piece.bytes)
        row = row._replace(sha256_after=sha256_of(self._target / piece.name))
        return self._row(row, File(piece.source, piece.bytes, piece.mtime_ns), piece.name)

    def treated(self, path: str, data: bytes) -> _Treated:
        """Return what becomes of a file."""
        if any(map(ignored, path.split("/"))):
            return _Treated(COPIED, data, HIDDEN)
        try:
            found = made(path, data, self._treatments, self._given)
        except MemoryError:
            raise
        except Exception:  # Pillow raises whatever comes to a damaged file or a rare mode
            named = looks_like_image(path) or image_format(data)
            return _Treated(COPIED, data, UNREADABLE if named else NO_IMAGE)
        if found.data is None:
            return _Treated(KEPT if found.size else COPIED, data, found.why, found.size)
        return _Treated(CONVERTED, found.data, None, found.size, found.left_out, self._ending)

    def _stands(self, place: str, file: File, data: bytes) -> bool:
        """Tell whether a file stands there already, written by a call that was stopped."""
        path = f"{self._target}/{place}"
        try:
            status = os.lstat(path)
        except OSError:
            return False
        # Some file systems keep no more than the second.
        same = status.st_mtime_ns // 10**9 == file.mtime_ns // 10**9
        same = same and stat.S_ISREG(status.st_mode) and status.st_size == len(data)
        return same and Path(path).read_bytes() == data

    def _place(self, job: _Job, place: str, write: Callable[[Path], object]) -> None:
        """Write a file beside, whole and with its source's time, and then to its place."""
        file, path = job.reading.file, self._target / place
        folder = place.rpartition("/")[0]
        if folder not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        part = self._part()
        write(part)
        os.utime(part, ns=(file.mtime_ns, file.mtime_ns))
        if job.converted != file.path:  # the other one is from the source as it was
            other = file.path if place == job.converted else job.converted
            (self._target / other).unlink(missing_ok=True)
        part.replace(path)

    def _part(self) -> Path:
        """Return where this thread writes a file before it gets its name."""
        if not hasattr(self._own, "part"):
            # Not beside that name, which may be as long as names can be.
            folder = self._target / _UNFINISHED
            folder.mkdir(exist_ok=True)
            self._own.part = folder / f"{process_name()}-{threading.get_ident()}"
        part: Path = self._own.part
        return part


def _finish(
    source: Source, target: Path, listed: Sequence[File], gone: Sequence[Row], places: Places
) -> None:
    """Write what else belongs to the target, and the record of all; remove what they replace."""
    known = Known(target, [file.path for _, file in usable(listed)])
    for row in rows_of(known.earlier()):
        if row.target and places.free(restored(row.target)) and intact(target, row):
            (target / restored(row.target)).unlink()
    rows = known.rows()
    stand = (None if file.problem else restored(_target(next(rows))) for file in listed)
    written = [_written(source, target, name) for name in source.finish(target, stand)]
    skipped = [
        Row(stored(file.path), None, SKIPPED, file.problem) for file in listed if file.problem
    ]
    write_record(target, chain(known.tables(), [table_of([*skipped, *gone, *written])]))
    shutil.rmtree(target / _UNFINISHED, ignore_errors=True)


def _target(row: Row | None) -> str:
    assert row and row.target is not None  # all work is done
    return row.target


def _written(source: Source, target: Path, name: str) -> Row:
    """Return the row of what has no file of the listing as its source."""
    before, after = source.path.parent / name, target / name
    return Row(
        *(stored(name), stored(name), WRITTEN, None, before.stat().st_size, after.stat().st_size),
        *(sha256_of(before), sha256_of(after)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert or verify as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m jpegprep.shards.conversion",
        description="Write a data set's images as smaller files to another folder.",
    )
    parser.add_argument(
        "source",
        nargs="?",
        help="a folder of class folders, a tar or zip of one, a CSV, shards or Parquet files",
    )
    parser.add_argument(
        "target", nargs="?", help="the folder to write to: new, empty, or begun before"
    )
    parser.add_argument("--quality", type=int, help="of JPEG, 1 to 99")
    parser.add_argument(
        "--store", help="instead: size, codec, setting, as in s256-jpeg-q60-opt or original-opt"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--allow-larger",
        action="store_true",
        help="write also what becomes larger; otherwise such images are copied",
    )
    for name, what in {
        "depth": "8: images of more than 8 bits become JPEG files, too; otherwise they are copied",
        "range": "with --depth 8: the values that become 0 and 255, LOW,HIGH or full; otherwise "
        "they are measured",
        "alpha": "white, black or drop: transparent images become JPEG files, too; otherwise they "
        "are copied",
        "frames": "first: so do those of several frames or pages",
        "metadata": "strip: leave out profile, EXIF, XMP and resolution",
    }.items():
        parser.add_argument(f"--{name}", default="", help=what)
    parser.add_argument(
        "--format", choices=FORMATS, help="what is written; otherwise what the source is"
    )
    for what in ("path", "label", "split", "group"):
        parser.add_argument(
            f"--{what}-column", metavar="NAME", help=f"of a table, which says {what}"
        )
    parser.add_argument(
        "--verify", metavar="TARGET", help="compare a finished target with its record, instead"
    )
    chosen = parser.parse_args(arguments)
    what = chosen.quality if chosen.store is None else chosen.store
    if not chosen.verify and None in (chosen.source, chosen.target, what):
        parser.error("say SOURCE TARGET --quality QUALITY (or --store STORE), or --verify TARGET")
    warnings.filterwarnings("ignore", module="PIL")  # on metadata of single images
    try:
        if chosen.verify:
            return _verify(absolute(chosen.verify), chosen.threads)
        given, measure = giving(
            chosen.depth, chosen.range, chosen.alpha, chosen.frames, chosen.metadata
        )
        summary = convert(
            chosen.source,
            chosen.target,
            chosen.quality,
            threads=chosen.threads,
            keep_smaller=not chosen.allow_larger,
            given=given,
            measure=measure,
            columns=_columns(chosen),
            form=chosen.format,
            store=chosen.store,
        )
        print(f"{summary}\nrecord: {absolute(chosen.target) / RECORD}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; call again: it goes on", file=sys.stderr)
        return 130
    return 0


def _columns(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what is said of columns; false is none."""
    said = {what: getattr(chosen, f"{what}_column") for what in ("path", "label", "split", "group")}
    return {what: name != "false" and name for what, name in said.items() if name is not None}


def _verify(target: Path, threads: int) -> int:
    found = verify(target, threads)
    for line in found.lines():
        print(line)
    if found.count:
        print(f"error: {found}", file=sys.stderr)
    else:
        print(found)
    return 1 if found.count else 0


if __name__ == "__main__":
    sys.exit(main())
