"""Adapter of the rule make_table5."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.tabular import table5

with reported(snakemake.log[0]):
    table5(
        snakemake.input.accuracy,
        snakemake.input.differences,
        snakemake.params.what,
        snakemake.params.features,
        *snakemake.output,
    )
