"""Adapter of the rule compare_probes."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.probe_agreement import probe_agreement

with reported(snakemake.log[0]):
    probe_agreement(
        snakemake.input.differences,
        snakemake.params.probes,
        snakemake.params.margin,
        *snakemake.output,
    )
