"""Adapter of the rule measure_convergence."""

from jpegprep.convergence import convergence
from jpegprep.errors import reported

with reported(snakemake.log[0]):
    histories = zip(snakemake.params.runs, snakemake.input.histories, strict=True)
    convergence(list(histories), *snakemake.output)
