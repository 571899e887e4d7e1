"""Adapter of the rule train_autogluon."""

from jpegprep.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.autogluon_learner import train
    from jpegprep.runs import job_arguments

    train(**job_arguments(snakemake))
