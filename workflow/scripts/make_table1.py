"""Adapter of the rule make_table1."""

from jpegprep.errors import reported
from jpegprep.tables import table1

with reported(snakemake.log[0]):
    splits = dict(zip(snakemake.params.datasets, snakemake.input.splits, strict=True))
    table1(splits, *snakemake.output)
