"""Adapter of the rule draw_train_test."""

from jpegprep.errors import reported
from jpegprep.train_test_figure import heat_maps

with reported(snakemake.log[0]):
    heat_maps(snakemake.input.train_test, *snakemake.output)
