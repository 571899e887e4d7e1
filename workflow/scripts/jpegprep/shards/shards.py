"""Shards: WebDataset tar files with an index beside each for random access.

A shard holds for each sample ``<key>.<extension>`` (the image file) and ``<key>.cls`` (its label in
ASCII), as the WebDataset library reads it. The index is a parquet file with one row a sample: key,
label, extension, offset and bytes (where the image file stands in the tar), crc32; its metadata
hold the variant, the encoder, how many images came out larger than their originals (``inflated``),
how many are their originals (``kept``), how many shards the split has (``shards``), and how images
are decoded (``decoding``), where that is another than the usual way.

The shards of a variant lie in one folder, ``<split>-<k>.tar``; `tars_of` finds them.
"""

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing_all
from jpegprep.common.layout import SPLITS, index_of
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.images.decoding import USUAL, Decoding, recorded
from jpegprep.images.images import image_format

_METADATA, _METADATA_CRC32 = b"jpegprep", b"jpegprep.crc32"
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("label", pa.int32()),
        ("extension", pa.string()),
        ("offset", pa.int64()),
        ("bytes", pa.int64()),
        ("crc32", pa.uint32()),
    ]
)
# Where formats that Pillow opens are known by their first bytes; Pillow tells the others.
_MAGIC = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}
_EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}


def extension_of(data: bytes) -> str:
    """Return the extension of an image file by its content, without a dot.

    Raises:
        ValueError: where the bytes are no image.
    """
    for magic, extension in _MAGIC.items():
        if data.startswith(magic):
            return extension
    found = image_format(data)
    if found is None:
        raise ValueError("no image")
    return _EXTENSIONS.get(found, found.lower())


@dataclass(frozen=True)
class Packed:
    """Samples as they stand in a shard: what `pack` makes, in any process, and a shard takes.

    Attributes:
        members: the tar members.
        rows: the index's rows, offsets from the start of `members`.
        inflated: how many images are larger than their originals.
        kept: how many are their originals, byte for byte.
    """

    members: bytes
    rows: list[tuple[str, int, str, int, int, int]]
    inflated: int
    kept: int


def pack(samples: Iterable[tuple[str, int, bytes, bytes]]) -> Packed:
    """Pack samples (key, label, image file, original image file) as tar members.

    Raises:
        ValueError: where an image file is none.
    """
    parts: list[bytes] = []
    rows = []
    offset = inflated = kept = 0
    for key, label, data, original in samples:
        extension = extension_of(data)
        text = b"%d" % label
        before = [_header(f"{key}.cls", len(text)), text, _padding(text)]
        before.append(_header(f"{key}.{extension}", len(data)))
        offset += sum(map(len, before))
        rows.append((key, label, extension, offset, len(data), zlib.crc32(data)))
        padding = _padding(data)
        offset += len(data) + len(padding)
        parts += [*before, data, padding]
        inflated += len(data) > len(original)
        kept += data == original
    return Packed(b"".join(parts), rows, inflated, kept)


# A member's header has neither owner nor time, so that equal samples make equal shards; name, size
# and checksum are filled in. Going through tarfile would cost more than compressing a small image.
_HEADER = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)
_NAME, _SIZE, _CHECKSUM = slice(0, 100), slice(124, 136), slice(148, 156)
_BLANK = sum(_HEADER) - sum(_HEADER[_SIZE]) - sum(_HEADER[_CHECKSUM]) + 8 * ord(" ")


def _header(name: str, size: int) -> bytes:
    """Return the USTAR header of a file whose name has at most 100 ASCII characters."""
    if len(name) > 100:
        raise ValueError(f"{name}: a name in a shard has at most 100 characters")
    header = bytearray(_HEADER)
    header[_NAME] = name.encode("ascii").ljust(100, b"\0")
    header[_SIZE] = b"%011o\0" % size
    checksum = _BLANK + sum(header[_NAME]) + sum(header[_SIZE])
    header[_CHECKSUM] = b"%06o\0 " % checksum
    return bytes(header)


def _padding(data: bytes) -> bytes:
    return bytes(-len(data) % tarfile.BLOCKSIZE)


class ShardWriter:
    """Appends samples to a shard; made by `writing_shard`."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to an open file."""
        self._file = file
        self.rows: list[tuple[Any, ...]] = []
        self.inflated = 0
        self.kept = 0

    def append(self, packed: Packed) -> None:
        """Append what `pack` made."""
        start = self._file.tell()
        self._file.write(packed.members)
        self.rows += [(*row[:3], start + row[3], *row[4:]) for row in packed.rows]
        self.inflated += packed.inflated
        self.kept += packed.kept

    def end(self) -> None:
        """Write the end of the archive as tarfile does: two empty blocks, then whole records."""
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.write(bytes(-self._file.tell() % tarfile.RECORDSIZE))


@contextmanager
def writing_shard(
    shard: str | Path, variant: str, encoder: str, count: int = 1, how: Decoding = USUAL
) -> Iterator[ShardWriter]:
    """Write one shard and its index; both appear, whole, when the body ends well.

    Args:
        shard: the tar to write.
        variant: the name of the variant.
        encoder: what wrote the image files.
        count: how many shards the split has.
        how: the data set's images are decoded.
    """
    with replacing_all(shard, index_of(shard)) as (tar_part, index_part):
        with tar_part.open("wb") as file:
            writer = ShardWriter(file)
            yield writer
            writer.end()
        columns = list(zip(*writer.rows, strict=True)) or [()] * len(_SCHEMA)
        facts: dict[str, Any] = {"variant": variant, "encoder": encoder}
        facts |= {"inflated": writer.inflated, "kept": writer.kept, "shards": count}
        if how != USUAL:
            facts["decoding"] = how.record()
        told = json.dumps(facts).encode()
        table = pa.table(
            [pa.array(c, field.type) for c, field in zip(columns, _SCHEMA, strict=True)],
            schema=_SCHEMA.with_metadata({_METADATA: told, _METADATA_CRC32: _crc32_of(told)}),
        )
        write_parquet(table, index_part)


def read_index(shard: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a shard's index (one row a sample) and its facts: variant, encoder, inflated, kept.

    Raises:
        UserError: where the index is damaged or of another program.
    """
    path = index_of(shard)
    table = read_parquet(path, again=_again(path))
    try:
        told = table.schema.metadata[_METADATA]
        if table.schema.metadata[_METADATA_CRC32] != _crc32_of(told):
            raise ValueError
        return table.to_pandas(), json.loads(told)
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} is damaged, or no index of a shard; remove {_again(path)}"
        ) from None


def _crc32_of(told: bytes) -> bytes:
    """Return the CRC-32 of the facts: pages have their own, the metadata of Parquet none."""
    return b"%08x" % zlib.crc32(told)


def tars_of(folder: str | Path, split: str) -> list[str]:
    """Return the tars of a split in a variant's folder, in the order of their numbers.

    Raises:
        UserError: where one is missing, or the first index is damaged.
    """
    first = Path(folder, f"{split}-0.tar")
    count = read_index(first)[1]["shards"]
    tars = [first.with_name(f"{split}-{k}.tar") for k in range(count)]
    for tar in tars:
        if not tar.exists():
            raise UserError(f"{tar} is missing; remove {_again(tar)}")
    return [str(tar) for tar in tars]


def splits_of(folder: str | Path) -> dict[str, list[str]]:
    """Return the tars of each split in a variant's folder, see `tars_of`."""
    return {split: tars_of(folder, split) for split in SPLITS}


def _again(shard: Path) -> str:
    """Return what to remove where a shard is damaged, and what follows."""
    return f"{shard.parent}: its shards are made again"


class ShardReader:
    """Random access to the samples of several shards.

    Images are read, not mapped into memory: of a map every page once touched would count as this
    process's memory, and a job that reads a whole shard would seem to hold it.

    Attributes:
        keys: array of str, one a sample, in the order of the shards.
        labels: int64 array, likewise.
        sizes: int64 array, the bytes of each image file.
        image_bytes: the sum of the image files' bytes.
        encoders: what wrote the shards.
        decoding: how their images are decoded.
    """

    def __init__(self, shards: Sequence[str | Path]) -> None:
        """Read the indexes; the tars are opened at the first access."""
        self._shards = [Path(shard) for shard in shards]
        indexes = [read_index(shard) for shard in self._shards]
        table = pd.concat(
            [index.assign(shard=k) for k, (index, _) in enumerate(indexes)], ignore_index=True
        )
        self.keys = table["key"].to_numpy(dtype=str)
        self.labels = table["label"].to_numpy(dtype=np.int64)
        self.encoders = sorted({facts["encoder"] for _, facts in indexes})
        self.decoding = recorded(indexes[0][1].get("decoding")) if indexes else USUAL
        self.sizes = table["bytes"].to_numpy(dtype=np.int64)
        self.image_bytes = int(self.sizes.sum())
        self._places = table[["shard", "offset", "bytes", "crc32"]].to_numpy(dtype=np.int64)
        self._files: list[FileIO] | None = None
        self._lock = Lock()

    def part(self, rows: npt.ArrayLike) -> "ShardReader":
        """Return a reader of some of the samples, given by their places here."""
        found = copy(self)
        chosen = np.asarray(rows, dtype=np.int64)
        found.keys, found.labels = self.keys[chosen], self.labels[chosen]
        found.sizes, found._places = self.sizes[chosen], self._places[chosen]
        found.image_bytes = int(found.sizes.sum())
        found._files, found._lock = None, Lock()
        return found

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files and their lock out: another process opens its own."""
        return {**self.__dict__, "_files": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave."""
        self.__dict__.update(state, _lock=Lock())

    def _opened(self) -> list[FileIO]:
        """Return the open tars. Two threads that opened them both would close each other's."""
        with self._lock:
            if self._files is None:
                self._files = [_open(shard) for shard in self._shards]
            return self._files

    def checksum(self) -> str:
        """Return the SHA-256 of what is in the shards: keys, labels, sizes, the images' CRC-32."""
        digest = hashlib.sha256("\0".join(self.keys.tolist()).encode())
        digest.update(self.labels.tobytes() + self._places[:, 2:].tobytes())
        return digest.hexdigest()

    def image(self, i: int) -> bytes:
        """Return the bytes of the image file of sample `i`.

        Raises:
            UserError: where they are not the bytes that were written.
        """
        files = self._opened()
        shard, offset, length, crc32 = self._places[i]
        data = os.pread(files[shard].fileno(), length, offset)
        if zlib.crc32(data) != crc32:
            raise UserError(
                f"{self._shards[shard]}: {self.keys[i]} is damaged (its CRC-32 differs from the "
                f"index); remove {_again(self._shards[shard])}"
            )
        return data


def _open(shard: Path) -> FileIO:
    try:
        return shard.open("rb", buffering=0)
    except OSError as error:
        raise UserError(f"{shard}: cannot be read ({error}); remove {_again(shard)}") from None
