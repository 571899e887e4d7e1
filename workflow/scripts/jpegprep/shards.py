"""Shards: WebDataset tar files with an index beside each for random access by memory map.

A shard holds for each sample ``<key>.<extension>`` (the image file) and ``<key>.cls`` (its label in
ASCII), as the WebDataset library reads it. The index is a parquet file with one row a sample: key,
label, extension, offset and bytes (where the image file stands in the tar), crc32; its metadata
hold the variant, the encoder, and how many images came out larger than their originals.
"""

import io
import json
import mmap
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jpegprep.errors import UserError
from jpegprep.files import replacing_all
from jpegprep.images import codec, image_format
from jpegprep.layout import index_of

_METADATA = b"jpegprep"
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
_EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}


class ShardWriter:
    """Appends samples to a shard; made by `writing_shard`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        """Write to an open tar."""
        self._tar = tar
        self.rows: list[tuple[Any, ...]] = []
        self.inflated = 0

    def add(self, key: str, label: int, data: bytes, original_bytes: int | None = None) -> None:
        """Add an image file and its label.

        Args:
            key: unique in the data set, without dots.
            label: the class index.
            data: the bytes of an image file.
            original_bytes: the size of the original file, to count images that grew.

        Raises:
            ValueError: where the bytes are no image.
        """
        found = image_format(data)
        if found is None:
            raise ValueError(f"{key}: no image")
        extension = _EXTENSIONS.get(found, found.lower())
        self._member(f"{key}.cls", str(label).encode())
        offset = self._member(f"{key}.{extension}", data)
        self.rows.append((key, label, extension, offset, len(data), zlib.crc32(data)))
        self.inflated += original_bytes is not None and len(data) > original_bytes

    def _member(self, name: str, data: bytes) -> int:
        """Append a tar member and return where its data start.

        Members have neither owner nor time, so that equal samples make equal shards.
        """
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self._tar.offset - padded


@contextmanager
def writing_shard(shard: str | Path, variant: str) -> Iterator[ShardWriter]:
    """Write one shard and its index; both appear, whole, when the body ends well."""
    with replacing_all(shard, index_of(shard)) as (tar_part, index_part):
        with tarfile.open(tar_part, "w", format=tarfile.USTAR_FORMAT) as tar:
            writer = ShardWriter(tar)
            yield writer
        columns = list(zip(*writer.rows, strict=True)) or [()] * len(_SCHEMA)
        facts = {"variant": variant, "encoder": codec(), "inflated": writer.inflated}
        table = pa.table(
            [pa.array(c, field.type) for c, field in zip(columns, _SCHEMA, strict=True)],
            schema=_SCHEMA.with_metadata({_METADATA: json.dumps(facts)}),
        )
        pq.write_table(table, index_part)


def read_index(shard: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a shard's index (one row a sample) and its facts: variant, encoder, inflated.

    Raises:
        UserError: where the index is damaged or of another program.
    """
    path = index_of(shard)
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[_METADATA])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: no index of a shard ({error}); remove it and its tar: they are made again"
        ) from None
    return table.to_pandas(), facts


class ShardReader:
    """Random access to the samples of several shards, by memory map.

    Attributes:
        keys: array of str, one a sample, in the order of the shards.
        labels: int64 array, likewise.
        image_bytes: the sum of the image files' bytes.
        encoders: what wrote the shards.
    """

    def __init__(self, shards: Sequence[str | Path]) -> None:
        """Read the indexes; the tars are mapped at the first access, in each process anew."""
        self._shards = [Path(shard) for shard in shards]
        indexes = [read_index(shard) for shard in self._shards]
        table = pd.concat(
            [index.assign(shard=k) for k, (index, _) in enumerate(indexes)], ignore_index=True
        )
        self.keys = table["key"].to_numpy(dtype=str)
        self.labels = table["label"].to_numpy(dtype=np.int64)
        self.image_bytes = int(table["bytes"].sum())
        self.encoders = sorted({facts["encoder"] for _, facts in indexes})
        self._places = table[["shard", "offset", "bytes", "crc32"]].to_numpy(dtype=np.int64)
        self._maps: list[mmap.mmap] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory maps out: another process makes its own."""
        return {**self.__dict__, "_maps": None}

    def image(self, i: int) -> bytes:
        """Return the bytes of the image file of sample `i`.

        Raises:
            UserError: where they are not the bytes that were written.
        """
        if self._maps is None:
            self._maps = [_map(shard) for shard in self._shards]
        shard, offset, length, crc32 = self._places[i]
        data = self._maps[shard][offset : offset + length]
        if zlib.crc32(data) != crc32:
            raise UserError(
                f"{self._shards[shard]}: {self.keys[i]} is damaged (its CRC-32 differs from the "
                "index); remove the shard: it is made again"
            )
        return data


def _map(shard: Path) -> mmap.mmap:
    try:
        with shard.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise UserError(f"{shard}: cannot be read ({error}); remove it: it is made again") from None
