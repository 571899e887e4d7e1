"""Conversion: a user's own images as JPEG files in another folder, laid out as they were.

    python -m jpegprep.shards.conversion SOURCE TARGET --quality 50

Each image becomes the JPEG file that the variant ``jpeg-qN-smaller`` of a study holds: where that
would be no smaller, the image is copied byte for byte under its own name. Whatever else SOURCE
holds is copied too, and counted. A conversion that was stopped goes on when it is called again.
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import stat
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing, write_json
from jpegprep.common.parallel import in_order
from jpegprep.datasets.adapters import members, read_listed
from jpegprep.datasets.listing import CsvRow, File, ignored, read_csv, text_of, walk
from jpegprep.datasets.own_images import kind_of, looks_like_image
from jpegprep.images.images import JPEG_SIDE, decode, image_format
from jpegprep.images.recompress import treat
from jpegprep.images.variants import Smaller, Treatment, parse_variant

_RECORD, _UNFINISHED = ".jpegprep.json", ".jpegprep.part"
_LARGEST = 1 << 29  # bytes: a larger file is set aside in a study, and copied here
_CONVERTED, _KEPT, _UNREADABLE, _OTHER = range(4)


@dataclass(frozen=True)
class Summary:
    """What a conversion did, counted over all files, those of earlier calls included.

    Attributes:
        images: images, converted or kept.
        before: their bytes in SOURCE.
        after: their bytes in TARGET.
        kept: those that JPEG made no smaller, copied as they were.
        unreadable: files that are named or begin as images and cannot be decoded or hold too many
            pixels, copied as they were.
        other: files that are no image, or hidden, copied as they were.
        skipped: what was not copied: links and devices; of an archive also names that lead out of
            it or come again later, and files over 512 MiB.
    """

    images: int
    before: int
    after: int
    kept: int
    unreadable: int
    other: int
    skipped: int

    def __str__(self) -> str:
        """Return it as people read it, a line each."""
        share = f" ({self.after / self.before:.1%})" if self.before else ""
        counts = {
            "images": self.images,
            "kept as they were, since JPEG made them no smaller": self.kept,
            "unreadable images, copied": self.unreadable,
            "other files, copied": self.other,
            "links and unusable names, skipped": self.skipped,
        }
        lines = [f"{what}: {n:,}" for what, n in counts.items() if n or what == "images"]
        return "\n".join([*lines, f"bytes of the images: {self.before:,} -> {self.after:,}{share}"])


class _Job(NamedTuple):
    """One file of SOURCE and its places below TARGET.

    Attributes:
        file: as it was listed; of an archive with the archive's time.
        jpeg: where it stands as JPEG; as it is, it stands at its own path.
        read: returns its bytes.
        full: where it is, unless that is in an archive.
    """

    file: File
    jpeg: str
    read: Callable[[], bytes]
    full: Path | None = None


class _Done(NamedTuple):
    """What became of a file, its bytes after that, and its place below TARGET."""

    outcome: int
    after: int
    place: str


def convert(
    source: str | Path,
    target: str | Path,
    quality: int,
    threads: int = 1,
    keep_smaller: bool = True,
) -> Summary:
    """Write a user's own images as JPEG to a folder, in the layout of their source.

    Names stay, but for the ending .jpg; where that name is another file's already (a.png beside
    a.jpg), the JPEG is called by the full name: a.png.jpg. Of a CSV the files that it names are
    written, and the CSV with their new paths. SOURCE is only read.

    Args:
        source: a folder, an archive or a CSV.
        target: a folder: none yet, empty, or one that this same conversion has begun.
        quality: of JPEG, 1 to 99.
        threads: how many convert side by side; the result is the same for any number.
        keep_smaller: whether an image that JPEG makes no smaller is copied as it is.

    Raises:
        UserError: where source or target cannot be used, or the disk is full.
    """
    source, target = (Path(path).expanduser().absolute() for path in (source, target))
    if not 1 <= quality <= 99:
        raise UserError(f"quality is {quality}; a JPEG quality is a whole number from 1 to 99")
    variant = f"jpeg-q{quality}{'-smaller' if keep_smaller else ''}"
    kind = kind_of(source)
    table = read_csv(source) if kind == "csv" else None
    listed = _listed(source, kind, table)
    files = [file for file in listed if not file.problem]
    _begin(source, target, kind, variant)
    writer = _Writer(target, parse_variant(variant))
    try:
        results = in_order(writer.convert, _jobs(source, kind, listed), threads)
        done = list(tqdm(results, total=len(files), unit=" files", disable=None))
        if table:
            places = {file.path: result.place for file, result in zip(files, done, strict=True)}
            _write_csv(target / source.name, *table, places)
        shutil.rmtree(target / _UNFINISHED, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{error.filename or target}: {error.strerror or error}; when that is mended, call "
            "again: it goes on"
        ) from None
    return _summary(files, done, skipped=len(listed) - len(files))


def _begin(source: Path, target: Path, kind: str, variant: str) -> None:
    """Make the folder and its record, or find the record of the same conversion."""
    inside = source if kind == "folder" else source.parent
    if kind != "archive" and target.resolve().is_relative_to(inside.resolve()):
        raise UserError(f"{target}: lies in {inside}, which is only read; name a folder elsewhere")
    record: dict[str, Any] = {"source": text_of(str(source.resolve())), "variant": variant}
    if kind == "archive":
        status = source.stat()
        record |= {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    try:
        if not target.is_dir() or not any(target.iterdir()):
            target.mkdir(parents=True, exist_ok=True)
            write_json(target / _RECORD, record)
        found = json.loads((target / _RECORD).read_text(encoding="utf-8"))
    except PermissionError as error:
        raise UserError(f"{target}: {error.strerror}; name another folder") from None
    except (OSError, ValueError) as error:
        if not target.is_dir():
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UserError(f"{target}: no folder ({reason}); name another") from None
        found = None
    if found != record:
        raise UserError(
            f"{target}: holds files, and no conversion of {source} to {variant}; name an empty "
            "folder or a new one"
        )
    shutil.rmtree(target / _UNFINISHED, ignore_errors=True)


_Table = tuple[list[str], list[CsvRow]]


def _listed(source: Path, kind: str, table: _Table | None) -> list[File]:
    """Return all files of the source, those that are skipped with a problem."""
    if table:
        return [row.file for row in table[1]]
    files = _archived(source) if kind == "archive" else walk(source, everything=True)[0]
    ours = (_RECORD, _UNFINISHED)  # the source may be the target of another conversion
    return [
        file._replace(problem="link") if file.path.split("/")[0] in ours else file for file in files
    ]


def _archived(source: Path) -> list[File]:
    """Return the members of an archive; those that cannot be files below a folder with a problem.

    Of members of one name the last counts, as when an archive is unpacked.
    """
    mtime_ns = source.stat().st_mtime_ns
    named = list(members(source, read=False))
    last = {member.name: i for i, member in enumerate(named)}
    folders = {str(parent) for name in last for parent in PurePosixPath(name).parents}
    files = []
    for i, member in enumerate(named):
        path = PurePosixPath(member.name)
        usable = not path.is_absolute() and ".." not in path.parts and "\0" not in member.name
        usable = usable and last[member.name] == i and member.name not in folders
        problem = member.problem or (None if usable else "link")
        files.append(File(member.name, member.size, mtime_ns, problem))
    return files


def _jobs(source: Path, kind: str, listed: Sequence[File]) -> Iterator[_Job]:
    jpegs = _jpeg_places([file.path for file in listed if not file.problem])
    if kind == "archive":
        for file, member in zip(listed, members(source), strict=True):
            if not file.problem:
                yield _Job(file, jpegs[file.path], partial(bytes, member.data))
        return
    folder = source if kind == "folder" else source.parent
    for file in listed:
        if not file.problem:
            full = folder / file.path
            yield _Job(file, jpegs[file.path], partial(read_listed, folder, file), full)


def _jpeg_places(paths: Sequence[str]) -> dict[str, str]:
    """Return where each file stands as JPEG, so that no two files can meet, whatever is kept."""
    wanted = {path: _with_jpg(path) for path in paths}
    # Some file systems take A.jpg and a.jpg for one name.
    claims = Counter({folder.casefold() for path in paths for folder in _folders(path)})
    for path, jpeg in wanted.items():
        claims.update({path.casefold(), jpeg.casefold()})
    places = {}
    for path, jpeg in wanted.items():
        if jpeg != path and claims[jpeg.casefold()] > 1:
            jpeg = f"{path}.jpg"
            while jpeg.casefold() in claims:
                jpeg += ".jpg"
            claims[jpeg.casefold()] += 1
        places[path] = jpeg
    return places


def _with_jpg(path: str) -> str:
    stem = path.rpartition(".")[0] if looks_like_image(path) else path
    return f"{stem}.jpg"


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


class _Writer:
    """Writes files of a source to a folder, in several threads at once."""

    def __init__(self, target: Path, treatments: tuple[Treatment, ...]) -> None:
        self._target, self._treatments = target, treatments

    def convert(self, job: _Job) -> _Done:
        """Write a file, as JPEG or as it is, unless an earlier call has."""
        file = job.file
        size = self._finished(job.jpeg, file)
        # At the file's own place and of its own size it may be kept, or no image.
        if size is not None and (job.jpeg != file.path or size != file.bytes):
            return _Done(_CONVERTED, size, job.jpeg)
        if job.full and file.bytes > _LARGEST:
            if self._finished(file.path, file) != file.bytes:
                self._place(job, file.path, partial(shutil.copyfile, job.full))
            return _Done(_OTHER, file.bytes, file.path)
        data = job.read()
        outcome, treated = self._treated(file.path, data)
        place = job.jpeg if outcome == _CONVERTED else file.path
        if self._finished(place, file) != len(treated):
            self._place(job, place, lambda part: part.write_bytes(treated))
        return _Done(outcome, len(treated), place)

    def _treated(self, path: str, data: bytes) -> tuple[int, bytes]:
        """Return what becomes of a file, and its new bytes."""
        if any(map(ignored, path.split("/"))):
            return _OTHER, data
        try:
            # OpenCV would make an image of a damaged file, too.
            if max(decode(data).size) > JPEG_SIDE:
                raise ValueError("no JPEG file is so long")
            treated = treat(data, self._treatments)
        except MemoryError:
            raise
        except Exception:  # Pillow raises whatever comes to a damaged file or a rare mode
            named = looks_like_image(path) or image_format(data)
            return (_UNREADABLE if named else _OTHER), data
        kept = Smaller() in self._treatments and treated == data
        return (_KEPT if kept else _CONVERTED), treated

    def _finished(self, place: str, file: File) -> int | None:
        """Return the size of a file that was written before, from the source as it is now."""
        try:
            status = (self._target / place).lstat()
        except OSError:
            return None
        # Some file systems keep no more than the second.
        same = status.st_mtime_ns // 10**9 == file.mtime_ns // 10**9
        return status.st_size if same and stat.S_ISREG(status.st_mode) else None

    def _place(self, job: _Job, place: str, write: Callable[[Path], object]) -> None:
        """Write a file beside, whole and with its source's time, and then to its place."""
        path = self._target / place
        # Not beside its name, which may be as long as names can be.
        part = self._target / _UNFINISHED / hashlib.sha256(os.fsencode(place)).hexdigest()
        for parent in (path.parent, part.parent):
            parent.mkdir(parents=True, exist_ok=True)
        write(part)
        os.utime(part, ns=(job.file.mtime_ns, job.file.mtime_ns))
        with part.open("rb") as written:
            os.fsync(written.fileno())
        other = job.file.path if place == job.jpeg else job.jpeg
        if other != place:  # from the source as it was
            (self._target / other).unlink(missing_ok=True)
        part.replace(path)


def _write_csv(
    target: Path, columns: Sequence[str], rows: Iterable[CsvRow], places: Mapping[str, str]
) -> None:
    """Write the CSV again, with the places of the files that were written."""
    column = [name.strip().lower() for name in columns].index("path")
    with (
        replacing(target) as part,
        part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            if row.file.path in places:
                values = [*row.values]
                values[column] = places[row.file.path]
                writer.writerow(values)


def _summary(files: Sequence[File], done: Sequence[_Done], skipped: int) -> Summary:
    counts = Counter(result.outcome for result in done)
    images = [
        (file.bytes, result.after)
        for file, result in zip(files, done, strict=True)
        if result.outcome in (_CONVERTED, _KEPT)
    ]
    return Summary(
        images=len(images),
        before=sum(before for before, _ in images),
        after=sum(after for _, after in images),
        kept=counts[_KEPT],
        unreadable=counts[_UNREADABLE],
        other=counts[_OTHER],
        skipped=skipped,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m jpegprep.shards.conversion",
        description="Write a data set's images as JPEG files to another folder.",
    )
    parser.add_argument("source", help="a folder of class folders, a tar or zip of one, or a CSV")
    parser.add_argument("target", help="the folder to write to: new, empty, or begun before")
    parser.add_argument("--quality", type=int, required=True, help="of JPEG, 1 to 99")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--allow-larger",
        action="store_true",
        help="write as JPEG also what that makes larger; otherwise such images are copied",
    )
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="PIL")  # on metadata of single images
    try:
        print(
            convert(
                chosen.source,
                chosen.target,
                chosen.quality,
                threads=chosen.threads,
                keep_smaller=not chosen.allow_larger,
            )
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; call again: it goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
