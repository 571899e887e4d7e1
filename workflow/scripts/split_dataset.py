"""Adapter of the rule split_dataset."""

from jpegprep.common.errors import reported
from jpegprep.datasets.splits import split_dataset

with reported(snakemake.log[0]):
    split_dataset(
        snakemake.params.split,
        snakemake.params.shards,
        snakemake.input.manifest,
        snakemake.output.split,
    )
