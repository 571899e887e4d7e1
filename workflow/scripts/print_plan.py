"""Adapter of the rule plan."""

from jpegprep.errors import reported
from jpegprep.plan import plan

with reported(snakemake.log[0]) as terminal:
    text = plan(
        snakemake.params.snakefile,
        snakemake.params.config,
        snakemake.params.study,
        snakemake.params.sizes,
        snakemake.params.throughput,
    )
    print(text)  # into the log
    print(f"\n{text}", file=terminal)
