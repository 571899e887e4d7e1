"""Adapter of the rule make_table3."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.storage import table3

with reported(snakemake.log[0]):
    table3(
        snakemake.params.shards,
        snakemake.input.accuracy,
        snakemake.input.differences,
        snakemake.params.ratio,
        *snakemake.output,
    )
