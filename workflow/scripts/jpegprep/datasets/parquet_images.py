"""Hugging Face image data sets as Parquet: a column of images, with their bytes, and one of labels.

The names of classes, and which column is an image, stand in the metadata that the library
`datasets` writes (https://huggingface.co/docs/datasets/image_dataset); without them a column of
bytes and path is an image, and one with a usual name the label.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jpegprep.common.errors import UserError
from jpegprep.datasets.archives import LARGEST, Sample
from jpegprep.datasets.columns import Columns, Contents, choose, option, told
from jpegprep.datasets.listing import (
    SPLIT_NAMES,
    File,
    ending_in,
    looks_like_image,
    read_listing,
    split_in,
    splits_of,
)
from jpegprep.images.images import image_format

_ROWS = 64  # images that are held at a time


@dataclass(frozen=True)
class Layout:
    """Which columns of a file say what.

    Attributes:
        image: the column of images.
        encoded: whether it holds bytes alone, without a path.
        label: the column of labels, if there is one; likewise ``split`` and ``group``.
        split: see ``label``.
        group: see ``label``.
        names: of the classes, where labels are numbers of them.
    """

    image: str
    encoded: bool
    label: str | None = None
    split: str | None = None
    group: str | None = None
    names: Sequence[str] | None = None

    def text(self, value: Any) -> str | None:
        """Return a label as text; None, where there is none."""
        if value is None or value == "":
            return None
        if self.names is not None:
            return self.names[value] if 0 <= value < len(self.names) else None
        return str(value).strip() or None


def parquet_files(path: str | Path) -> list[File]:
    """Return the Parquet files of a folder, or a single one, as files from their folder.

    Raises:
        UserError: where something cannot be read.
    """
    return ending_in(path, ".parquet")


def parquet_columns(path: str | Path) -> list[str]:
    """Return the names of the columns of the first Parquet file.

    Raises:
        UserError: where it cannot be read.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    files = parquet_files(path)
    return list(opened(folder / files[0].path).schema_arrow.names) if files else []


def opened(path: Path) -> Any:
    """Open a Parquet file.

    Raises:
        UserError: where it is damaged, or cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def features_of(schema: Any) -> dict[str, Any]:
    """Return what the library `datasets` has written of the columns; nothing, where it has not."""
    try:
        told_of = json.loads((schema.metadata or {})[b"huggingface"])
        features = told_of["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, dict) else {}


def layout_of(path: str | Path, schema: Any, columns: Columns, labelled: bool = True) -> Layout:
    """Return which columns say what.

    Args:
        path: of the file, for messages.
        schema: its schema, pyarrow's.
        columns: as of `columns.choose`; ``path`` is the column of images.
        labelled: whether there must be a label.

    Raises:
        UserError: where there is no column of images or labels, or one of several.
    """
    features = features_of(schema)
    images = [f.name for f in schema if _holds_images(f.type, features.get(f.name))]
    image = _one(path, images, columns, "path", "image (a struct of bytes and path)", schema)
    ours = [f.name for f in schema if f.name not in images and _is_scalar(f.type)]
    classes = [name for name in ours if _kind(features.get(name)) == "ClassLabel"]
    asked = {**columns, "path": False}
    if len(classes) == 1 and not columns.get("label"):
        asked["label"] = classes[0]
    elif len(classes) > 1 and not columns.get("label"):
        which = " or ".join(map(repr, classes))
        raise UserError(
            f"{path}: label may stand in {which}; say which: {option('label')}={classes[0]}"
        )
    places = choose(path, ours, asked, needs=("label",) if labelled else ())
    found = {what: ours[place] for what, place in places.items()}
    label = features.get(found.get("label", ""), {})
    return Layout(
        image,
        not _is_struct(schema.field(image).type),
        **found,
        names=label.get("names") if _kind(label) == "ClassLabel" else None,
    )


def _kind(feature: Any) -> str | None:
    return feature.get("_type") if isinstance(feature, dict) else None


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_scalar(kind: Any) -> bool:
    import pyarrow as pa

    return not pa.types.is_nested(kind) and not _is_bytes(kind)


def _holds_images(kind: Any, feature: Any) -> bool:
    """Tell whether a column holds images: a struct of bytes and path, or bytes said to be some."""
    if _is_struct(kind):
        names = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        return set(names) == {"bytes", "path"} and _is_bytes(names["bytes"])
    return _is_bytes(kind) and _kind(feature) == "Image"


def _one(
    path: str | Path, found: Sequence[str], columns: Columns, what: str, meaning: str, schema: Any
) -> str:
    said = columns.get(what)
    if said and said in found:
        return str(said)
    if said or len(found) != 1:
        problem = f"{option(what)} is {said!r}" if said else f"{len(found)} columns are {meaning}"
        which = (
            " or ".join(map(repr, found)) or f"none of {', '.join(map(repr, schema.names[:10]))}"
        )
        raise UserError(f"{path}: {problem}; it is {which} ({option(what)}=NAME)")
    return found[0]


def inspect_parquet(path: str | Path, files: Sequence[File], columns: Columns) -> Contents:
    """Return what Parquet files hold, by their labels alone: no image is read.

    Args:
        path: their folder, or the one file.
        files: from their folder.
        columns: as of `layout_of`.

    Raises:
        UserError: where a file is damaged, or has no column of images or labels.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    found: list[tuple[str, Any, Any, int]] = []
    layout = None
    for file in files:
        parquet = opened(folder / file.path)
        of_file = layout_of(folder / file.path, parquet.schema_arrow, columns)
        if layout is not None and of_file != layout:
            raise UserError(
                f"images={folder / file.path}: has other columns or names of classes than "
                f"{files[0].path}; make them alike, or name one of the files"
            )
        layout = of_file
        table = parquet.read(columns=[name for name in (layout.label, layout.split) if name])
        labels = map(layout.text, table[layout.label].to_pylist())
        said = table[layout.split].to_pylist() if layout.split else [None] * len(table)
        size = file.bytes // max(1, len(table))
        found += [(file.path, *row, size) for row in zip(labels, said, strict=True)]
    if layout is None or not found:
        raise UserError(f"images={path}: its Parquet files hold no row")
    by_row = [SPLIT_NAMES.get(str(said).strip().lower()) for _, _, said, _ in found]
    by_rows = layout.split is not None and all(by_row)
    given = {} if by_rows else splits_of(path, (file.path for file in files))
    rows = [
        (str(split) if by_rows else given.get(name, ""), label, size)
        for (name, label, _, size), split in zip(found, by_row, strict=True)
        if label is not None
    ]
    columns = {"image": layout.image, "label": layout.label, "group": layout.group}
    columns["split"] = layout.split if by_rows else None
    names = {what: str(name) for what, name in columns.items() if name}
    return Contents(rows, by_rows or bool(given), names, told(names, len(found) - len(rows)))


def samples(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Read a user's Parquet files of images; an adapter, see `adapters.read_samples`.

    A member is called by its split (where it is given), its file, its row and its own path.

    Args:
        options: ``splits``, whether they are given; ``columns``: those of ``image`` and ``label``,
            and perhaps of ``split`` and ``group``.
        archives: the listings of the files (images.jsonl).

    Raises:
        UserError: where a file is damaged.
    """
    for listing in archives:
        folder, files = read_listing(listing)
        yield from images(folder, files, options["columns"], bool(options.get("splits")))


def images(
    folder: Path, files: Iterable[File], columns: Mapping[str, str], splits: bool
) -> Iterator[Sample]:
    """Yield the images of Parquet files.

    Args:
        folder: of the files.
        files: these.
        columns: as the option of `samples`.
        splits: likewise.

    Raises:
        UserError: where a file is damaged.
    """
    asked: dict[str, Any] = {what: columns.get(what, False) for what in ("label", "split", "group")}
    asked["path"] = columns["image"]
    for file in files:
        parquet = opened(folder / file.path)
        layout = layout_of(folder / file.path, parquet.schema_arrow, asked)
        split = split_in(file.path) if splits else None
        row = 0
        for records in batches(folder / file.path, parquet, layout):
            for data, path, record in records:
                if splits and layout.split:
                    split = SPLIT_NAMES.get(str(record[layout.split]).strip().lower())
                name = f"{row:06d}-{member_name(path, data)}"
                group = record[layout.group] if layout.group else None
                large = "too large" if len(data) > LARGEST else None
                yield Sample(
                    layout.text(record[str(layout.label)]),
                    "/".join(filter(None, (split, file.path, name))),
                    b"" if large else data,
                    large,
                    str(group) if group not in (None, "") else None,
                    path,
                    len(data),
                )
                row += 1


def batches(
    path: Path, parquet: Any, layout: Layout
) -> Iterator[list[tuple[bytes, str | None, dict[str, Any]]]]:
    """Yield a file's images, some at a time: bytes, path, and what the columns of a layout say.

    Raises:
        UserError: where the file is damaged, or an image stands in another file.
    """
    import pyarrow as pa

    wanted = [name for name in (layout.image, layout.label, layout.split, layout.group) if name]
    row = 0
    try:
        for batch in parquet.iter_batches(_ROWS, columns=wanted):
            records = batch.to_pylist()
            found = []
            for record in records:
                image = record[layout.image]
                data, name = (
                    (image, None)
                    if layout.encoded or image is None
                    else (
                        image["bytes"],
                        image["path"],
                    )
                )
                if data is None and name:
                    raise UserError(
                        f"{path}: row {row} has no bytes, only the path {name!r}; write it with "
                        "the images in it (embed_external_files, or push_to_hub)"
                    )
                found.append((data or b"", name, record))
                row += 1
            yield found
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    """Return what is said of a file that pyarrow does not read."""
    reason = str(error).splitlines()[0]
    return UserError(
        f"{path}: cannot be read as Parquet ({reason}); it is truncated or damaged: make it again"
    )


def member_name(path: str | None, data: bytes) -> str:
    """Return what an image is called: by its path, or by its format."""
    name = PurePosixPath(str(path or "").replace("\\", "/")).name
    if name and looks_like_image(name):
        return name
    ending = {"JPEG": "jpg", "TIFF": "tif"}.get(form := image_format(data) or "bin", form.lower())
    return f"{name or 'image'}.{ending}"
