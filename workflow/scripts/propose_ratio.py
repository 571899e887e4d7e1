"""Adapter of the checkpoint propose_ratio."""

from jpegprep.answers.recommend import propose
from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    propose(
        snakemake.input.differences,
        snakemake.input.sizes,
        snakemake.params.probe,
        snakemake.params.margin,
        snakemake.params.least_saving,
        snakemake.output.proposal,
    )
