"""Adapter of the rule make_table4."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.noise import table4

with reported(snakemake.log[0]):
    table4(
        snakemake.input.accuracy,
        snakemake.input.transfer,
        snakemake.input.differences,
        snakemake.params.what,
        *snakemake.output,
    )
