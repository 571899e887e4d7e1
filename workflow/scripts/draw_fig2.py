"""Adapter of the rules draw_fig2 and draw_fig2_dataset."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.accuracy import accuracy_vs_ratio

with reported(snakemake.log[0]):
    accuracy_vs_ratio(
        snakemake.input.accuracy,
        snakemake.output.svg,
        snakemake.output.png,
        dataset=snakemake.wildcards.get("dataset"),
    )
