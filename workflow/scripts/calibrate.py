"""Adapter of the rule calibrate."""

from jpegprep.calibration import calibration
from jpegprep.errors import reported

with reported(snakemake.log[0]):
    calibration(snakemake.params.studies, snakemake.params.margin, *snakemake.output)
