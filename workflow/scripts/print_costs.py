"""Adapter of the rule costs."""

from jpegprep.answers.costs import write_costs
from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    text = write_costs(
        snakemake.params.benchmarks,
        snakemake.params.runs,
        snakemake.params.datasets,
        snakemake.params.throughput,
        snakemake.output.rules,
        snakemake.output.devices,
        snakemake.output.figures,
    )
    print(text)  # into the log
    print(f"\n{text}", file=terminal)
