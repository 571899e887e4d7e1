"""Adapter of the rule measure_convergence."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.convergence import convergence

with reported(snakemake.log[0]):
    histories = zip(snakemake.params.runs, snakemake.input.histories, strict=True)
    convergence(list(histories), *snakemake.output)
