"""A user's own images, whatever they come as: of which kind they are, and which files they are."""

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jpegprep.common.errors import UserError
from jpegprep.datasets.columns import Columns
from jpegprep.datasets.csv_files import csv_columns, read_csv
from jpegprep.datasets.listing import (
    File,
    digest_of,
    ignored,
    looks_like_image,
    walk,
    write_listing,
)
from jpegprep.datasets.parquet_images import parquet_columns, parquet_files
from jpegprep.datasets.webdataset import is_shard, shard_files


def kind_of(path: str | Path) -> str:
    """Tell whether a path is that of a folder, archive (tar or zip), csv, webdataset or parquet.

    A folder of tars or of Parquet files, without any image, is one of the last two.

    Raises:
        UserError: where it is none of them, or cannot be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _kind_of_folder(path)
        if path.is_file():
            with path.open("rb") as file:
                begin = file.read(4)
            if path.suffix.lower() in (".csv", ".tsv"):
                return "csv"
            if begin == b"PAR1":
                return "parquet"
            if begin == b"PK\3\4":
                return "archive"
            if tarfile.is_tarfile(path):
                return "webdataset" if is_shard(path) else "archive"
    except PermissionError:
        raise UserError(f"{path}: no permission to read it; give yourself that") from None
    except (OSError, ValueError):  # a name that is too long, or with a zero byte
        pass
    raise UserError(
        f"{path} is neither a folder, nor an archive, nor a CSV, nor Parquet; name a folder with a "
        "folder of images for each class, a tar or zip of one, a CSV of paths and labels, or "
        "WebDataset shards or Parquet files of images"
    )


def _kind_of_folder(path: Path) -> str:
    """Tell what a folder holds: it is read until the first image is found."""
    kinds = set()
    for below, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not ignored(name)]
        for name in names:
            if ignored(name):
                continue
            if looks_like_image(name):
                return "folder"
            if name.lower().endswith((".tar", ".parquet")) and Path(below, name).is_file():
                kinds.add(name.lower().rpartition(".")[2])
    if len(kinds) != 1:
        return "folder"
    return "webdataset" if kinds == {"tar"} else "parquet"


def folder_of(path: str | Path) -> Path:
    """Return the folder from which a source's files have their paths: itself, or its own."""
    path = Path(path)
    return path if path.is_dir() else path.parent


def scan(path: str | Path, columns: Columns | None = None) -> list[File]:
    """Return the files of which a user's data set consists; of an archive it is the only one.

    Args:
        path: a source of any kind.
        columns: what the user says of the columns of a CSV.

    Raises:
        UserError: where something cannot be read, or is wrong in a CSV.
    """
    match kind_of(path):
        case "csv":
            return read_csv(path, columns).files
        case "parquet":
            return parquet_files(path)
        case "folder":
            return walk(path)[0]
        case _:
            return shard_files(path)


def column_names(path: str | Path) -> list[str]:
    """Return the names of a source's columns, as they stand there; of what is no table none."""
    path = Path(path).expanduser().absolute()
    try:
        match kind_of(path):
            case "csv":
                return csv_columns(path)
            case "parquet":
                return parquet_columns(path)
    except UserError:
        pass
    return []


def list_source(source: Mapping[str, Any], target: str | Path) -> None:
    """Write the listing of a user's data set.

    Args:
        source: its entry among a data set's archives: ``path``, ``digest``, perhaps ``columns``.
        target: the file to write.

    Raises:
        UserError: where its files have changed since the entry was made, or cannot be read.
    """
    path, digest = Path(source["path"]), source["digest"]
    files = scan(path, source.get("columns"))
    if digest_of(files) != digest:
        raise UserError(f"{path}: its files changed since this run began; run again")
    write_listing(folder_of(path), files, digest, target)
