"""Making shards: the originals from the archives, and the variants from the originals."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.adapters import read_samples
from jpegprep.errors import UserError
from jpegprep.images import treat
from jpegprep.shards import ShardReader, writing_shard
from jpegprep.variants import ORIGINAL, parse_variant


def write_original_shards(
    dataset: Mapping[str, Any],
    archives: Sequence[str | Path],
    split: str | Path,
    manifest: str | Path,
    shards: Mapping[tuple[str, int], str | Path],
) -> None:
    """Write all shards of a data set's originals in one pass over its archives.

    Args:
        dataset: the data set's entry in the registry.
        archives: its archives, in the order of the registry.
        split: the parquet file that says which sample is in which split and shard.
        manifest: the manifest, which gives each member its key.
        shards: the path of each (split, number).

    Raises:
        UserError: where the archives are not those that the manifest describes.
    """
    described, placed = pd.read_parquet(manifest), pd.read_parquet(split)
    rows = zip(*(described[name].tolist() for name in ("key", "member", "sha256")), strict=True)
    columns = [placed[name].tolist() for name in ("label", "split", "shard")]
    places = dict(zip(placed["key"].tolist(), zip(*columns, strict=True), strict=True))
    with ExitStack() as stack:
        writers = {
            place: stack.enter_context(writing_shard(path, ORIGINAL))
            for place, path in shards.items()
        }
        # The manifest has a row for each sample, in the order of the archives.
        for row, sample in zip_longest(rows, read_samples(dataset, archives)):
            key, member, sha256 = row or (None, None, None)
            if not sample or (member, sha256) != (sample.member, _sha256(sample.data)):
                raise UserError(
                    f"{manifest}: {member or 'its end'} is not what the archives hold there; "
                    "remove the manifest: it is made again"
                )
            if key in places:  # otherwise the manifest set it aside
                label, part, shard = places[key]
                writers[part, shard].add(key, label, sample.data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def treat_shard(original: str | Path, variant: str, target: str | Path) -> None:
    """Write a variant of one shard: the same samples in the same order, each image treated.

    Raises:
        UserError: where an image is damaged.
    """
    treatments = parse_variant(variant)
    with writing_shard(target, variant) as writer:
        for key, label, data in _samples(ShardReader([original])):
            writer.add(key, label, treat(data, treatments), len(data))


def _samples(reader: ShardReader) -> Iterator[tuple[str, int, bytes]]:
    for i in range(len(reader)):
        yield str(reader.keys[i]), int(reader.labels[i]), reader.image(i)
