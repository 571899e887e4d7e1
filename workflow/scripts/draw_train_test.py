"""Adapter of the rule draw_train_test."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.train_test import heat_maps

with reported(snakemake.log[0]):
    heat_maps(snakemake.input.train_test, *snakemake.output)
