"""Adapter of the rule draw_noise."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.noise import noise_examples

with reported(snakemake.log[0]):
    noise_examples(*snakemake.params.shards, snakemake.output.svg, snakemake.output.png)
