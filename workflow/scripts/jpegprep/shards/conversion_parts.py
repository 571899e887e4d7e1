"""Conversion as jobs over parts of a listing, on one machine or many: `snakemake convert`.

Each job makes its part and writes its rows into the journal of the target. The last one calls
`conversion.convert`, which finds everything done, makes what is missing after all, and writes the
record: so the target is the one of a conversion in one process.
"""

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of, write_json
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.datasets.columns import Columns
from jpegprep.datasets.listing import File
from jpegprep.datasets.own_images import name_of
from jpegprep.images.preserving import asked, ending_of, giving
from jpegprep.shards.conversion import (
    Numbered,
    absolute,
    begun,
    check_target,
    convert,
    gone_of,
    places_of,
    plan_of,
    usable,
    variant_of,
    with_range,
    work,
)
from jpegprep.shards.conversion_record import RECORD, Known, recorded, restored, stored
from jpegprep.shards.sources import open_source

_HEADER = "parts.json"
# What a core takes about, on images of any size: seconds for a file, and for each of its bytes.
_SECONDS_A_FILE, _SECONDS_A_BYTE = 0.0005, 1 / 20e6


class Parts(NamedTuple):
    """The parts of a listing.

    Attributes:
        parts: how many there are.
        files: how many files in all.
        given: what their images may lose, as a `preserving.Giving` is written.
    """

    parts: int
    files: int
    given: str


def part_name(number: int | str) -> str:
    """Return the name of the file that lists a part."""
    return f"part-{number}.parquet"


def record_file(to: str) -> str:
    """Return the path of a target's record.

    Raises:
        UserError: where Snakemake would take a part of it for a wildcard.
    """
    path = str(absolute(to) / RECORD)
    if {"{", "}"} & set(path):
        raise UserError(
            f"{absolute(to)}: Snakemake takes what stands in braces for a wildcard; name another "
            "folder, or convert in one process: jpegprep convert"
        )
    return path


def conversion_name(images: str, to: str, **others: object) -> str:
    """Return a name for a conversion: that of its target, and what tells it from others."""
    what = json.dumps([str(absolute(images)), str(absolute(to)), sorted(others.items())])
    return f"{name_of(to)}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"


def divide(
    images: str,
    to: str,
    quality: int | None,
    allow_larger: bool,
    job_minutes: float,
    folder: str | Path,
    columns: Columns | None = None,
    store: str | None = None,
    **words: str,
) -> Parts:
    """List the files of a source, and write the listing in parts; what is the same stays.

    Args:
        images: a folder, an archive or a CSV.
        to: the folder that will be written.
        quality: of JPEG, 1 to 99; None, where a store is named.
        allow_larger: whether images that become no smaller are converted, too.
        job_minutes: about how long a part takes on one core.
        folder: where the parts are written.
        columns: as of `columns.choose`: what the user says of the columns of a CSV.
        store: the recipe of storage, in place of a quality.
        words: what may be given up, as of `preserving.giving`; where images are to become 8 bits
            without a range, it is measured here, once for all jobs.

    Raises:
        UserError: where source or target cannot be used.
    """
    record_file(to)
    given, measure = giving(**words)
    source, target = open_source(absolute(images), columns), absolute(to)
    if told := source.told():
        print(told, file=sys.stderr)
    files = usable(source.listed())
    if measure:
        threads = os.cpu_count() or 1
        readings = source.readings(files)
        given = with_range(readings, target, quality, not allow_larger, given, threads, store)
    variant = variant_of(quality, not allow_larger, given, store)
    check_target(source, target, variant)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    gone = gone_of(target, Known(target, [file.path for _, file in files]))
    places = places_of(files, gone, ending_of(asked(variant)[0]))
    parts = list(_divided(files, 60 * job_minutes if source.divisible else float("inf")))
    for number, part in enumerate(parts):
        rows = [
            (i, stored(file.path), file.bytes, file.mtime_ns, stored(places.converted(file.path)))
            for i, file in part
        ]
        values = [pa.array(column) for column in zip(*rows, strict=True)]
        table = pa.table(values, ["number", "path", "bytes", "mtime_ns", "converted"])
        path, new = folder / part_name(number), folder / f".{part_name(number)}.part"
        write_parquet(table, new)
        if path.exists() and sha256_of(path) == sha256_of(new):
            new.unlink()  # with its old time nothing is stale
        else:
            new.replace(path)
    found = Parts(len(parts), len(files), str(given))
    write_json(folder / _HEADER, found._asdict())
    return found


def divided(folder: str | Path) -> Parts:
    """Return the parts that `divide` wrote.

    Raises:
        UserError: where there are none.
    """
    path = Path(folder, _HEADER)
    try:
        return Parts(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path}: missing or damaged; call snakemake convert again") from None


def _divided(files: Numbered, seconds: float) -> Iterator[Numbered]:
    part: list[tuple[int, File]] = []
    held = 0.0
    for number, file in files:
        part.append((number, file))
        held += _SECONDS_A_FILE + _SECONDS_A_BYTE * file.bytes
        if held >= seconds:
            yield part
            part, held = [], 0.0
    if part:
        yield part


def convert_part(
    listing: str | Path,
    images: str,
    to: str,
    quality: int | None,
    allow_larger: bool,
    done: str | Path,
    given: str = "",
    threads: int = 1,
    columns: Columns | None = None,
    store: str | None = None,
) -> None:
    """Convert the files of a part, beside other jobs that convert others.

    Args:
        listing: the part, as `divide` wrote it.
        images: as of `divide`.
        to: likewise.
        quality: likewise.
        allow_larger: likewise.
        done: a file that is written when the part is done.
        given: as of `Parts`.
        threads: how many convert side by side.
        columns: as of `divide`.
        store: likewise.

    Raises:
        UserError: as of `convert`.
    """
    variant = f"{variant_of(quality, not allow_larger, store=store)}{given}"
    source, target = open_source(absolute(images), columns), absolute(to)
    part = read_parquet(listing, again="it, and call snakemake convert again").to_pydict()
    paths = [restored(path) for path in part["path"]]
    names = dict(zip(paths, map(restored, part["converted"]), strict=True))
    facts = (part["number"], paths, part["bytes"], part["mtime_ns"])
    files = [(number, File(*about)) for number, *about in zip(*facts, strict=True)]
    with begun(source, target, variant, shared=True):
        plan = plan_of(target, files, Known(target, paths, alone=True), names.__getitem__)
        with tqdm(total=len(files), unit=" files", mininterval=10) as bar:
            bar.update(len(files) - len(plan.todo))
            work(source, target, variant, plan, names.__getitem__, threads, bar.update)
    Path(done).touch()


def record_conversion(
    images: str,
    to: str,
    quality: int | None,
    allow_larger: bool,
    given: str = "",
    threads: int = 1,
    columns: Columns | None = None,
    store: str | None = None,
) -> str:
    """Write the record of a conversion whose parts are done, and return its summary.

    Args:
        images: as of `divide`.
        to: likewise.
        quality: likewise.
        allow_larger: likewise.
        given: as of `Parts`.
        threads: how many convert side by side what is missing after all.
        columns: as of `divide`.
        store: likewise.

    Raises:
        UserError: as of `convert`.
    """
    given_up = asked(f"{variant_of(quality, not allow_larger, store=store)}{given}")[1]
    summary = convert(
        *(images, to, quality, threads, not allow_larger, given_up), columns=columns, store=store
    )
    return f"{summary}\nrecord: {absolute(to) / RECORD}"


def watch(to: str, files: int, terminal: TextIO = sys.stderr) -> threading.Thread:
    """Tell how far the whole conversion is, in one line, until the process ends.

    Args:
        to: the folder that is written, by jobs that may run elsewhere.
        files: how many it will hold.
        terminal: where it is told: as a bar on a terminal, elsewhere as a line a minute.
    """
    target = absolute(to)
    thread = threading.Thread(target=_watch, args=(target, files, terminal), daemon=True)
    thread.start()
    return thread


def _watch(target: Path, files: int, terminal: TextIO) -> None:
    before = now = told = _in_record(target)
    line = tqdm(
        total=files, initial=before, unit=" files", file=terminal, disable=not terminal.isatty()
    )
    with line:
        for second in count(1):
            time.sleep(1)
            last, now = now, min(files, before + recorded(target))
            line.update(max(0, now - last))
            if line.disable and second % 60 == 0 and now > told:
                print(f"{now:,} of {files:,} files ({now / files:.0%})", file=terminal, flush=True)
                told = now
            if now >= files:
                return


def _in_record(target: Path) -> int:
    try:
        return pq.read_metadata(target / RECORD).num_rows
    except (OSError, pa.ArrowException):
        return 0
