"""Adapter of the rule write_report."""

from jpegprep.common.errors import reported
from jpegprep.results.report import write_report

with reported(snakemake.log[0]):
    write_report(
        snakemake.params.snakefile,
        snakemake.params.config,
        snakemake.input.results,
        snakemake.output.html,
    )
