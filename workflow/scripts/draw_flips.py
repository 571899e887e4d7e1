"""Adapter of the rule draw_flips."""

from jpegprep.contact_sheet import contact_sheet
from jpegprep.errors import reported

with reported(snakemake.log[0]):
    contact_sheet(
        snakemake.input.flips,
        snakemake.wildcards.dataset,
        snakemake.params.shards,
        *snakemake.output,
    )
