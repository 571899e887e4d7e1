"""Making shards: the originals from the archives, and the variants from the originals."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing_folder
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import read_parquet
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.manifest import read_decoding
from jpegprep.images.decoding import recorded
from jpegprep.images.images import codec
from jpegprep.images.recompress import encoder, treat_each
from jpegprep.images.variants import Treatment, parse_variant
from jpegprep.shards.shards import Packed, ShardReader, pack, read_index, splits_of, writing_shard


def write_original_shards(
    content: Mapping[str, Any],
    archives: Sequence[str | Path],
    manifest: str | Path,
    split: str | Path,
    counts: Mapping[str, int],
    target: str | Path,
) -> None:
    """Write all shards of a data set's originals in one pass over its archives.

    Args:
        content: what the registry says of the data set's content.
        archives: its archives, in the order of the registry.
        manifest: the manifest, which gives each member its key.
        split: the parquet file that says which sample is in which split and shard.
        counts: of each split the number of its shards.
        target: the folder to write ``<split>-<k>.tar`` into.

    Raises:
        UserError: where the archives are not those that the manifest describes.
    """
    described, placed = read_parquet(manifest).to_pandas(), read_parquet(split).to_pandas()
    rows = zip(*(described[name].tolist() for name in ("key", "member", "sha256")), strict=True)
    columns = [placed[name].tolist() for name in ("label", "split", "shard")]
    places = dict(zip(placed["key"].tolist(), zip(*columns, strict=True), strict=True))
    how = read_decoding(manifest)
    with replacing_folder(target) as folder, ExitStack() as stack:
        writers = {
            (part, k): stack.enter_context(
                writing_shard(folder / f"{part}-{k}.tar", ORIGINAL, codec(), count, how)
            )
            for part, count in counts.items()
            for k in range(count)
        }
        # The manifest has a row for each sample, in the order of the archives.
        for row, sample in zip_longest(rows, read_samples(content, archives)):
            key, member, sha256 = row or (None, None, None)
            if not sample or (member, sha256) != (sample.member, _sha256(sample.data)):
                raise UserError(
                    f"{manifest}: {member or 'its end'} is not what the archives hold there; "
                    "remove the manifest: it is made again"
                )
            if key in places:  # otherwise the manifest set it aside
                label, part, shard = places[key]
                writers[part, shard].append(pack([(key, label, sample.data, sample.data)]))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_variant_shards(
    originals: str | Path, variant: str, target: str | Path, threads: int = 1
) -> None:
    """Write a variant of a data set: the same shards with the same samples, each image treated.

    Args:
        originals: the folder of the originals' shards.
        variant: the variant's name.
        target: the folder to write.
        threads: how many threads decode and encode; the result is the same for any number.

    Raises:
        UserError: where an image is damaged.
    """
    write_all_variants(originals, [variant], [target], threads)


def write_all_variants(
    originals: str | Path,
    variants: Sequence[str],
    folders: Sequence[str | Path],
    threads: int = 1,
) -> None:
    """Write several variants of a data set, for which each image is decoded once.

    Args:
        originals: as of `write_variant_shards`.
        variants: the variants' names.
        folders: of each the folder to write; all appear, whole, at the end.
        threads: likewise.

    Raises:
        UserError: where an image is damaged.
    """
    with ExitStack() as stack:
        parts = [stack.enter_context(replacing_folder(folder)) for folder in folders]
        for tars in splits_of(originals).values():
            for tar in tars:
                targets = [part / Path(tar).name for part in parts]
                treat_shard_each(tar, variants, targets, threads)


def treat_shard(original: str | Path, variant: str, target: str | Path, threads: int = 1) -> None:
    """Write a variant of one shard, see `treat_shard_each`.

    Args:
        original: the tar of the originals.
        variant: the variant's name.
        target: the tar to write, its index beside it.
        threads: as of `write_variant_shards`.

    Raises:
        UserError: where an image is damaged.
    """
    treat_shard_each(original, [variant], [target], threads)


def treat_shard_each(
    original: str | Path,
    variants: Sequence[str],
    targets: Sequence[str | Path],
    threads: int = 1,
) -> None:
    """Write variants of one shard: the same samples in the same order, each image treated.

    Memory does not grow with the shard: it is read and written piece by piece.

    Args:
        original: the tar of the originals.
        variants: the variants' names.
        targets: of each the tar to write, its index beside it.
        threads: as of `write_variant_shards`.

    Raises:
        UserError: where an image is damaged.
    """
    reader = ShardReader([original])
    chunks = list(_chunks(reader.sizes.tolist()))
    steps = [parse_variant(variant) for variant in variants]
    treat_chunk = partial(_treat_chunk, reader, steps)
    facts = read_index(original)[1]
    how = recorded(facts.get("decoding"))
    with ExitStack() as stack:
        writers = [
            stack.enter_context(writing_shard(target, variant, encoder(of), facts["shards"], how))
            for variant, of, target in zip(variants, steps, targets, strict=True)
        ]
        for of_chunk in in_order(treat_chunk, chunks, min(threads, len(chunks))):
            for writer, packed in zip(writers, of_chunk, strict=True):
                writer.append(packed)
    for variant, target, writer in zip(variants, targets, writers, strict=True):
        print(
            f"{variant}/{Path(target).name}: {len(reader)} images, {writer.inflated} larger than "
            f"before, {writer.kept} as they were"
        )


def _treat_chunk(
    reader: ShardReader, variants: Sequence[tuple[Treatment, ...]], chunk: range
) -> list[Packed]:
    samples = list(_treated(reader, variants, chunk))
    return [
        pack((key, label, treated[k], data) for key, label, treated, data in samples)
        for k in range(len(variants))
    ]


def _treated(
    reader: ShardReader, variants: Sequence[tuple[Treatment, ...]], chunk: range
) -> Iterator[tuple[str, int, list[bytes], bytes]]:
    for i in chunk:
        key, label, data = str(reader.keys[i]), int(reader.labels[i]), reader.image(i)
        try:
            treated = treat_each(data, variants, key, reader.decoding)
        except ValueError as error:
            raise UserError(
                f"{key}: {error}; remove its data set's manifest, so that the image is set aside"
            ) from None
        yield key, label, treated, data


def _chunks(sizes: Sequence[int]) -> Iterator[range]:
    """Cut images into runs of at most so many images and (but for one image) so many bytes."""
    start = held = 0
    for i, size in enumerate(sizes):
        if i > start and (held + size > _CHUNK_BYTES or i - start == _CHUNK_IMAGES):
            yield range(start, i)
            start, held = i, 0
        held += size
    if start < len(sizes):
        yield range(start, len(sizes))


_CHUNK_IMAGES, _CHUNK_BYTES = 256, 1 << 20
