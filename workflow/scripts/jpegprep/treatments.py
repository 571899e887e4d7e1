"""Making shards: the originals from the archives, and the variants from the originals."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
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
    places = pd.read_parquet(split).merge(pd.read_parquet(manifest)[["key", "member", "bytes"]])
    columns = [places[name].tolist() for name in ("key", "label", "split", "shard", "bytes")]
    by_member = dict(zip(places["member"], zip(*columns, strict=True), strict=True))
    with ExitStack() as stack:
        writers = {
            place: stack.enter_context(writing_shard(path, ORIGINAL))
            for place, path in shards.items()
        }
        for sample in read_samples(dataset, archives):
            if sample.member not in by_member:
                continue  # the manifest set it aside
            key, label, part, shard, size = by_member.pop(sample.member)
            if len(sample.data) != size:
                raise UserError(
                    f"{archives[0]}: {sample.member} differs from {manifest}; remove the manifest: "
                    "it is made again"
                )
            writers[part, shard].add(key, label, sample.data)
        if by_member:
            raise UserError(
                f"{archives[0]}: {next(iter(by_member))} is in {manifest} and not in the archive; "
                "remove the manifest: it is made again"
            )


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
