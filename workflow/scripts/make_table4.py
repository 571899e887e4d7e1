"""Adapter of the rule make_table4."""

from jpegprep.errors import reported
from jpegprep.table4 import table4

with reported(snakemake.log[0]):
    table4(
        snakemake.input.accuracy,
        snakemake.input.transfer,
        snakemake.input.differences,
        snakemake.params.what,
        *snakemake.output,
    )
