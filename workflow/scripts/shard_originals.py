"""Adapter of the rules shard_originals_<dataset>."""

from jpegprep.common.errors import reported
from jpegprep.shards.treatments import write_original_shards

with reported(snakemake.log[0]):
    places = [tuple(place) for place in snakemake.params.places]
    write_original_shards(
        snakemake.params.content,
        snakemake.input.archives,
        snakemake.input.split,
        snakemake.input.manifest,
        dict(zip(places, snakemake.output.shards, strict=True)),
    )
