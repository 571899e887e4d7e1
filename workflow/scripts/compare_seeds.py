"""Adapter of the rule compare_seeds."""

from jpegprep.common.errors import reported
from jpegprep.common.layout import Run
from jpegprep.evaluation.calibration import same_against_same

with reported(snakemake.log[0]):
    same_against_same(
        [Run(*run) for run in snakemake.params.runs],
        snakemake.input.predictions,
        *snakemake.output,
    )
