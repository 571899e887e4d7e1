"""Adapter of the rule compare_seeds."""

from jpegprep.calibration import same_against_same
from jpegprep.errors import reported
from jpegprep.layout import Run

with reported(snakemake.log[0]):
    same_against_same(
        [Run(*run) for run in snakemake.params.runs],
        snakemake.input.predictions,
        *snakemake.output,
    )
