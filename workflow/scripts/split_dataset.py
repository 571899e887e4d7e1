"""Adapter of the rule split_dataset."""

from jpegprep.errors import reported
from jpegprep.splits import split_dataset

with reported(snakemake.log[0]):
    split_dataset(
        snakemake.params.split,
        snakemake.params.shards,
        snakemake.input.manifest,
        snakemake.output.split,
    )
