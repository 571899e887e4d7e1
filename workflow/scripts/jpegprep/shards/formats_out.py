"""Images as WebDataset shards or as Parquet files: what `convert` writes instead of class folders.

Shards become shards, and Parquet becomes Parquet: the same samples or rows in the same order, with
all that stands beside the images; only these are others. Whatever else has classes becomes shards
of about 256 MiB, or Parquet as the library `datasets` writes it.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jpegprep.common.errors import UserError
from jpegprep.common.parallel import in_order
from jpegprep.datasets.adapters import place
from jpegprep.datasets.archives import LARGEST, StrictTarInfo, members, read_listed, shown_name
from jpegprep.datasets.columns import Columns
from jpegprep.datasets.listing import File, called_image, class_of, looks_like_image, walk
from jpegprep.datasets.own_images import layout_of
from jpegprep.datasets.parquet_images import layout_of as columns_of
from jpegprep.datasets.parquet_images import opened
from jpegprep.datasets.sources import folder_of, kind_of, scan
from jpegprep.datasets.webdataset import key_and_ending
from jpegprep.images.formats import not_read
from jpegprep.images.preserving import NOT_READ
from jpegprep.images.recompress import encoder
from jpegprep.shards.conversion_record import COPIED, NO_IMAGE, SKIPPED, Row, stored
from jpegprep.shards.shard_sources import NO_LABEL
from jpegprep.shards.sources import OURS, ArchiveSource, CsvSource, FolderSource, Reading, Source

FOLDER, WEBDATASET, PARQUET = "folder", "webdataset", "parquet"
FORMATS = (FOLDER, WEBDATASET, PARQUET)
CLASSES = "classes.json"  # beside shards: the names of the classes, in the order of their numbers
TAKEN, OUTSIDE = "its new name is another file's", "in no class folder"
# Why a file is not written where all that is written are images with labels.
NOT_WRITTEN = (NO_IMAGE, OUTSIDE, NO_LABEL)
_BYTES = 1 << 28  # of the images of a file that is written
_CHUNK_BYTES, _CHUNK_IMAGES = 1 << 20, 64
_ROWS = 100  # of a row group of Parquet, as `datasets` has it for images


class Treated(Protocol):
    """What became of an image file."""

    @property
    def done(self) -> str:
        """What was done."""

    @property
    def data(self) -> bytes:
        """Its new bytes."""

    @property
    def why(self) -> str | None:
        """The reason, where there is one."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of an image, upright, in pixels."""

    @property
    def left_out(self) -> int | None:
        """Bytes of metadata that its new file does not hold."""

    @property
    def ending(self) -> str | None:
        """The ending of its new name, without a dot; None: it keeps its name."""


Treat = Callable[[str, bytes], Treated]


@dataclass(frozen=True)
class Piece:
    """A file that is written.

    Attributes:
        name: its path in the target.
        source: its path in the source, if it has one; else its own.
        bytes: of what it is made from.
        mtime_ns: when that was last written.
        write: writes it to a path and returns what is to be recorded of its images.
        files: the images that it is made of, with their numbers in the source; none, where it has
            a file of the source.
        split: of these, or nothing.
    """

    name: str
    source: str
    bytes: int
    mtime_ns: int
    write: Callable[..., list[Row]]
    files: Sequence[tuple[int, File]] = ()
    split: str = ""


class Images(NamedTuple):
    """The images of a source that have a class, and the rest.

    Attributes:
        files: the images with their numbers, each with class, perhaps split and group.
        left: what is recorded of the others, which no shard holds.
    """

    files: list[tuple[int, File]]
    left: list[Row]


class Files(Source):
    """Shards or Parquet files that stay such files: nothing in them is listed."""

    def __init__(self, path: Path) -> None:
        """Take its path."""
        super().__init__(path)
        self.folder = folder_of(path)

    def listed(self) -> list[File]:
        """Return nothing: pieces say what is written."""
        return []

    def readings(self, files: Iterable[tuple[int, File]]) -> Iterator[Reading]:
        """Yield nothing."""
        return iter(())

    def images(self, columns: Columns | None = None) -> Iterator[Reading]:
        """Yield the images in them, as of `contents`."""
        folder = folder_of(self.path)
        for file in scan(self.path):
            if file.problem or file.path.startswith(OURS):
                continue
            for name, data in contents(folder / file.path, columns):
                yield Reading(0, File(name, len(data), 0), partial(bytes, data))


def of_pieces(rows: pa.Table, names: Iterable[str]) -> pa.Table:
    """Return the rows of some files of many images, and of the images in them."""
    pattern = r"(\.tar|\.parquet)/.*$"
    within = pc.replace_substring_regex(rows["target"], pattern, r"\1")  # type: ignore[attr-defined]
    wanted = pa.array([stored(name) for name in names], pa.string())
    return rows.filter(pc.is_in(within, wanted))  # type: ignore[attr-defined]


def format_of(path: Path) -> str:
    """Return the format in which a source comes: what `convert` writes if nothing else is asked.

    Raises:
        UserError: where there is none.
    """
    return {"webdataset": WEBDATASET, "parquet": PARQUET}.get(kind_of(path), FOLDER)


def same_format(path: Path, columns: Columns | None = None) -> list[Piece]:
    """Return what is written of shards or Parquet files: the same files, and what lies beside them.

    Args:
        path: of the source.
        columns: as of `columns.choose`; ``path`` says which column of Parquet files holds images.

    Raises:
        UserError: where something cannot be read.
    """
    folder, shards = folder_of(path), {file.path: file for file in scan(path)}
    write: Callable[..., list[Row]] = _copy_shard
    if format_of(path) == PARQUET:
        write = partial(_copy_parquet, columns or {})
    beside = [file for file in walk(folder, everything=True)[0] if path.is_dir()]
    pieces = []
    for file in [*shards.values(), *(file for file in beside if file.path not in shards)]:
        if file.problem or file.path.startswith(OURS):  # of another conversion
            continue
        of_file = partial(write, folder / file.path, file.path)
        if file.path not in shards:
            of_file = partial(_copy, folder, file)
        pieces.append(Piece(file.path, file.path, file.bytes, file.mtime_ns, of_file))
    return pieces


def images_of(source: Source) -> Images:
    """Return the images of a source that have a class.

    Raises:
        UserError: where there are no class folders, or no images in them.
    """
    listed = source.listed()
    files, left = [], []
    options: dict[str, Any] | None = None
    if isinstance(source, FolderSource | ArchiveSource):
        usable = [file for file in listed if not file.problem]
        options = layout_of(source.path, (shown_name(file.path) for file in usable))
    for number, file in enumerate(listed):
        if file.problem:
            left.append(Row(stored(file.path), None, SKIPPED, file.problem))
            continue
        if options is not None:
            class_name, member = place(shown_name(file.path), options)
            split = member.partition("/")[0] if class_name and options["splits"] else None
            file = file._replace(class_name=class_name, split=split)
        if file.class_name is None or not looks_like_image(file.path):
            ending = not_read(file.path, b"", None)
            why = f"{NOT_READ} {ending}" if ending else NO_IMAGE
            why = OUTSIDE if looks_like_image(file.path) else why
            left.append(Row(stored(file.path), None, SKIPPED, why, file.bytes))
        elif file.bytes > LARGEST:
            left.append(Row(stored(file.path), None, SKIPPED, "over 512 MiB", file.bytes))
        else:
            files.append((number, file._replace(class_name=class_of(file.class_name))))
    if not files:
        raise UserError(f"{source.path}: no image has a class; nothing can be written so")
    return Images(files, left)


def new_format(source: Source, images: Sequence[tuple[int, File]], form: str) -> list[Piece]:
    """Return what is written of images that come otherwise.

    The files of folders and CSVs are mixed, lest a shard be of one class; those of archives, which
    are read once from beginning to end, stay in their order.

    Args:
        source: of the images.
        images: its, as `images_of` returns them.
        form: webdataset or parquet.
    """
    classes = sorted({str(file.class_name) for _, file in images})
    label = {name: i for i, name in enumerate(classes)}
    splits = sorted({file.split or "" for _, file in images})
    pieces = []
    written = 0
    for split in splits:
        files = [(number, file) for number, file in images if (file.split or "") == split]
        if isinstance(source, FolderSource | CsvSource):
            files.sort(key=lambda one: hashlib.sha256(stored(one[1].path).encode()).digest())
        runs = list(_runs(files))
        for k, run in enumerate(runs):
            if form == WEBDATASET:
                name = f"{split or 'images'}-{k:06d}.tar"
                write = partial(_write_shard, name, label, written)
            else:
                name = f"data/{split or 'train'}-{k:05d}-of-{len(runs):05d}.parquet"
                write = partial(_write_parquet, name, classes, any(f.group for _, f in files))
            sizes = sum(file.bytes for _, file in run)
            time = max(file.mtime_ns for _, file in run)
            pieces.append(Piece(name, name, sizes, time, write, run, split))
            written += len(run)
    if form == WEBDATASET:
        names = json.dumps(classes, ensure_ascii=False, indent=0).encode() + b"\n"
        time = max(piece.mtime_ns for piece in pieces)
        pieces.append(Piece(CLASSES, CLASSES, len(names), time, partial(_write_bytes, names)))
    return pieces


def _runs(files: Sequence[tuple[int, File]]) -> Iterator[list[tuple[int, File]]]:
    run: list[tuple[int, File]] = []
    held = 0
    for number, file in files:
        if run and held + file.bytes > _BYTES:
            yield run
            run, held = [], 0
        run.append((number, file))
        held += file.bytes
    if run:
        yield run


def write_pieces(
    source: Source,
    pieces: Sequence[Piece],
    treat: Treat,
    threads: int,
    place_file: Callable[[Piece, Callable[[Path], None]], None],
) -> Iterator[tuple[Piece, list[Row]]]:
    """Write pieces, in their order, and yield each with what is to be recorded of its images.

    Args:
        source: of the images of pieces that are made of some.
        pieces: that are to be written.
        treat: returns what becomes of an image file.
        threads: how many treat images side by side.
        place_file: calls the function that it is given with a path, and puts what that writes there
            to the place of the piece.
    """
    read: Iterator[Reading] = iter(())
    split: str | None = None
    for piece in pieces:
        if piece.files and piece.split != split:
            split = piece.split
            files = (one for other in pieces if other.split == split for one in other.files)
            read = source.readings(list(files))
        rows: list[Row] = []

        def write(
            path: Path,
            piece: Piece = piece,
            rows: list[Row] = rows,
            read: Iterator[Reading] = read,
        ) -> None:
            how: dict[str, Any] = {"treat": treat, "threads": threads}
            if piece.files:
                how["readings"] = islice(read, len(piece.files))
            rows += piece.write(path, **how)

        place_file(piece, write)
        yield piece, rows


def _row(source: str, target: str, found: Treated, data: bytes) -> Row:
    """Return what is recorded of an image inside of a file."""
    before = hashlib.sha256(data).hexdigest()
    after = before if found.data == data else hashlib.sha256(found.data).hexdigest()
    width, height = found.size or (None, None)
    row = Row(stored(source), stored(target), found.done, found.why, len(data), len(found.data))
    row = row._replace(sha256_before=before, sha256_after=after, width=width, height=height)
    return row._replace(encoder=encoder(), left_out=found.left_out)


def _converted_name(name: str, ending: str | None) -> str:
    """Return what an image is called when it is converted."""
    return f"{name[: name.rfind('.')]}.{ending}" if ending and looks_like_image(name) else name


def _write_bytes(data: bytes, path: Path, treat: Treat, threads: int) -> list[Row]:
    path.write_bytes(data)
    return []


def _copy(folder: Path, file: File, path: Path, treat: Treat, threads: int) -> list[Row]:
    path.write_bytes(read_listed(folder, file))
    return []


class _Member(NamedTuple):
    """A member of a shard: its header, its bytes, and whether it is an image."""

    info: tarfile.TarInfo
    data: bytes | None
    image: bool


def _copy_shard(shard: Path, name: str, path: Path, treat: Treat, threads: int) -> list[Row]:
    """Write a shard with other images: the same members in the same order, with the same headers.

    Raises:
        UserError: where the shard is damaged.
    """
    names = {member.name for member in members(shard, read=False)}
    rows = []

    def treated(chunk: list[_Member]) -> list[tuple[_Member, Treated | None]]:
        return [
            (member, treat(member.info.name, member.data or b"") if member.image else None)
            for member in chunk
        ]

    with tarfile.open(path, "w") as written:
        for chunk in in_order(treated, _chunks_of_shard(shard), threads):
            for member, found in chunk:
                info, data = member.info, member.data
                if found is not None and data is not None:
                    before = info.name
                    new = _converted_name(before, found.ending) if found.data != data else before
                    if new != before and shown_name(new) in names:
                        found = _AsItWas(data, found.size)  # a second name like that hides one
                        new = before
                    names.add(shown_name(new))
                    info.name, info.size, data = new, len(found.data), found.data
                    info.pax_headers = {
                        k: v for k, v in info.pax_headers.items() if k not in ("path", "size")
                    }
                    rows.append(
                        _row(f"{name}/{before}", f"{name}/{new}", found, member.data or b"")
                    )
                written.addfile(info, io.BytesIO(data) if data is not None else None)
    return rows


class _AsItWas(NamedTuple):
    """An image that stays as it is, since its new name is taken."""

    data: bytes
    size: tuple[int, int] | None
    done: str = COPIED
    why: str | None = TAKEN
    left_out: int | None = None
    ending: str | None = None


def _chunks_of_shard(shard: Path) -> Iterator[list[_Member]]:
    chunk: list[_Member] = []
    held = 0
    try:
        with tarfile.open(shard, "r:*", tarinfo=StrictTarInfo) as opened_tar:
            for info in opened_tar:
                opened_tar.members = []  # type: ignore[attr-defined]  # it would hold them all
                file = opened_tar.extractfile(info) if info.isreg() else None
                data = file.read() if file else None
                if data is not None and len(data) < info.size:
                    raise tarfile.ReadError("unexpected end of data")
                named = key_and_ending(shown_name(info.name))
                image = data is not None and named is not None and called_image(info.name)
                chunk.append(_Member(info, data, image))
                held += len(data or b"")
                if held >= _CHUNK_BYTES or len(chunk) == _CHUNK_IMAGES:
                    yield chunk
                    chunk, held = [], 0
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{shard}: cannot be read as a tar ({reason}); it is truncated or damaged: make it "
            "again"
        ) from None
    if chunk:
        yield chunk


def _copy_parquet(
    columns: Columns, file: Path, name: str, path: Path, treat: Treat, threads: int
) -> list[Row]:
    """Write a Parquet file with other images: the same rows, columns, metadata and row groups.

    Raises:
        UserError: where the file is damaged, or has no column of images.
    """
    parquet = opened(file)
    schema = parquet.schema_arrow
    layout = columns_of(file, schema, columns, labelled=False)
    place_of = schema.get_field_index(layout.image)
    rows: list[Row] = []
    compression = _compression(parquet)

    def treated(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[tuple[str | None, Any, Any]]]:
        images = batch.column(place_of).to_pylist()
        new: list[Any] = []
        told: list[tuple[str | None, Any, Any]] = []
        for image in images:
            data, own = (image, None) if layout.encoded else _parts(image)
            if data is None:
                new.append(image)
                told.append((own, None, None))
                continue
            found = treat(own or "image", data)
            changed = _converted_name(own, found.ending) if own and found.data != data else own
            new.append(found.data if layout.encoded else {"bytes": found.data, "path": changed})
            told.append((own, data, found))
        column = pa.array(new, schema.field(place_of).type)
        arrays = [column if i == place_of else batch.column(i) for i in range(len(schema))]
        return pa.RecordBatch.from_arrays(arrays, schema=schema), told

    row = 0
    try:
        with pq.ParquetWriter(
            path, schema, compression=compression, write_page_checksum=True
        ) as written:
            for group in range(parquet.num_row_groups):
                batches = parquet.iter_batches(_CHUNK_IMAGES, row_groups=[group])
                made = []
                for batch, told in in_order(treated, batches, threads):
                    made.append(batch)
                    for _, data, found in told:
                        if found is not None:
                            rows.append(_row(f"{name}/{row:09d}", f"{name}/{row:09d}", found, data))
                        row += 1
                table = pa.Table.from_batches(made, schema=schema)
                written.write_table(table, row_group_size=max(1, len(table)))
    except pa.ArrowException as error:
        raise _damaged(file, error) from None
    return rows


def _parts(image: Mapping[str, Any] | None) -> tuple[bytes | None, str | None]:
    return (image["bytes"], image["path"]) if image else (None, None)


def _compression(parquet: Any) -> str | dict[str, str]:
    """Return how each column of a file is compressed."""
    if not parquet.num_row_groups:
        return "snappy"
    group = parquet.metadata.row_group(0)
    found = {group.column(i).path_in_schema: group.column(i).compression for i in _range(group)}
    return {name: kind.lower().replace("uncompressed", "none") for name, kind in found.items()}


def _range(group: Any) -> range:
    return range(group.num_columns)


class _Read(NamedTuple):
    """An image that was read, and what became of it."""

    file: File
    data: bytes
    found: Treated


def _treated(readings: Iterable[Reading], treat: Treat, threads: int) -> Iterator[_Read]:
    """Yield images as they become, in their order."""

    def of_chunk(chunk: list[tuple[File, bytes]]) -> list[_Read]:
        return [_Read(file, data, treat(file.path, data)) for file, data in chunk]

    def chunks() -> Iterator[list[tuple[File, bytes]]]:
        chunk: list[tuple[File, bytes]] = []
        held = 0
        for reading in readings:
            chunk.append((reading.file, reading.read()))
            held += reading.file.bytes
            if held >= _CHUNK_BYTES or len(chunk) == _CHUNK_IMAGES:
                yield chunk
                chunk, held = [], 0
        if chunk:
            yield chunk

    for found in in_order(of_chunk, chunks(), threads):
        yield from found


def _new_path(read: _Read) -> str:
    """Return what an image is called, by what became of it; as text."""
    changed = read.found.data != read.data
    name = read.file.path
    return shown_name(_converted_name(name, read.found.ending) if changed else name)


def _write_shard(
    name: str,
    label: Mapping[str, int],
    first: int,
    path: Path,
    treat: Treat,
    threads: int,
    readings: Iterable[Reading],
) -> list[Row]:
    """Write a shard: of each image a file, its class's number, and what its class is called."""
    rows = []
    with tarfile.open(path, "w") as written:
        for number, read in enumerate(_treated(readings, treat, threads), start=first):
            key, own = f"{number:09d}", _new_path(read)
            ending = own[own.rfind(".") + 1 :].lower()
            said = {"label": read.file.class_name, "path": own}
            said |= {"group": read.file.group} if read.file.group else {}
            files = {
                ending: read.found.data,
                "cls": str(label[str(read.file.class_name)]).encode(),
                "json": json.dumps(said, ensure_ascii=False).encode(),
            }
            for end, data in files.items():
                info = tarfile.TarInfo(f"{key}.{end}")
                info.size, info.mtime, info.mode = len(data), read.file.mtime_ns // 10**9, 0o644
                written.addfile(info, io.BytesIO(data))
            rows.append(_row(read.file.path, f"{name}/{key}.{ending}", read.found, read.data))
    return rows


def _write_parquet(
    name: str,
    classes: Sequence[str],
    grouped: bool,
    path: Path,
    treat: Treat,
    threads: int,
    readings: Iterable[Reading],
) -> list[Row]:
    """Write a Parquet file as `datasets` does: image, label, and perhaps group."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [("image", image), ("label", pa.int64())]
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
    }
    if grouped:
        fields.append(("group", pa.string()))
        features["group"] = {"dtype": "string", "_type": "Value"}
    told = json.dumps({"info": {"features": features}}, ensure_ascii=False).encode()
    schema = pa.schema(fields, metadata={b"huggingface": told})
    number = {class_name: i for i, class_name in enumerate(classes)}
    rows: list[Row] = []
    held: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as written:

        def flush() -> None:
            written.write_table(pa.Table.from_pylist(held, schema=schema))
            held.clear()

        for read in _treated(readings, treat, threads):
            value = {"bytes": read.found.data, "path": _new_path(read)}
            row = {"image": value, "label": number[str(read.file.class_name)]}
            held.append({**row, "group": read.file.group} if grouped else row)
            target = f"{name}/{len(rows):09d}"
            rows.append(_row(read.file.path, target, read.found, read.data))
            if len(held) == _ROWS:
                flush()
        if held or not rows:
            flush()
    return rows


def contents(path: Path, columns: Columns | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield the images in a shard or a Parquet file, as the record calls them: name and bytes.

    Args:
        path: of the file.
        columns: as of `same_format`.

    Raises:
        UserError: where it is damaged.
    """
    if path.suffix.lower() != ".parquet":
        for chunk in _chunks_of_shard(path):
            yield from ((one.info.name, one.data or b"") for one in chunk if one.image)
        return
    parquet = opened(path)
    layout = columns_of(path, parquet.schema_arrow, columns or {}, labelled=False)
    row = 0
    try:
        for batch in parquet.iter_batches(_CHUNK_IMAGES, columns=[layout.image]):
            for image in batch.column(0).to_pylist():
                data = image if layout.encoded else _parts(image)[0]
                if data is not None:
                    yield f"{row:09d}", data
                row += 1
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(file: Path, error: Exception) -> UserError:
    reason = str(error).splitlines()[0]
    return UserError(f"{file}: cannot be read as Parquet ({reason}); make it again")
