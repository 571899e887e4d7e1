"""Adapter of the rule calibrate."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.calibration import calibration

with reported(snakemake.log[0]):
    calibration(snakemake.params.studies, snakemake.params.margin, *snakemake.output)
