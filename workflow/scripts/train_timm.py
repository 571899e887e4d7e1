"""Adapter of the rule train_timm."""

from jpegprep.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.runs import job_arguments
    from jpegprep.training import train

    train(**job_arguments(snakemake))
