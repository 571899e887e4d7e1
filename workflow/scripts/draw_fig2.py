"""Adapter of the rules draw_fig2 and draw_fig2_dataset."""

from jpegprep.errors import reported
from jpegprep.figures import accuracy_vs_ratio

with reported(snakemake.log[0]):
    accuracy_vs_ratio(
        snakemake.input.accuracy,
        snakemake.output.svg,
        snakemake.output.png,
        dataset=snakemake.wildcards.get("dataset"),
    )
