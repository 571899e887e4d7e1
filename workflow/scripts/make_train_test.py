"""Adapter of the rule make_train_test."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.train_test import train_test

with reported(snakemake.log[0]):
    train_test(
        snakemake.params.datasets,
        snakemake.params.tests,
        snakemake.params.learner,
        snakemake.params.ratio,
        *snakemake.output,
    )
