"""Adapter of the rule draw_flips."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.flips import contact_sheet

with reported(snakemake.log[0]):
    contact_sheet(
        snakemake.input.flips,
        snakemake.wildcards.dataset,
        snakemake.params.shards,
        *snakemake.output,
    )
