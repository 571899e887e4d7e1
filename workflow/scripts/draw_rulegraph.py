"""Adapter of the rule draw_rulegraph."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.rulegraph import rule_graph

with reported(snakemake.log[0]):
    rule_graph(
        snakemake.params.snakefile,
        snakemake.params.config,
        "all",
        snakemake.output.svg,
        snakemake.output.png,
        families=snakemake.params.families,
    )
