"""Adapter of the rule make_table2."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.model_size import all_models, table2

with reported(snakemake.log[0]):
    table2(
        snakemake.input.accuracy,
        snakemake.input.differences,
        snakemake.params.what,
        snakemake.output.csv,
        snakemake.output.markdown,
        snakemake.output.html,
    )
    all_models(
        snakemake.input.accuracy,
        snakemake.input.runs,
        snakemake.params.learners,
        snakemake.params.what["ratio"],
        snakemake.output.all_csv,
        snakemake.output.all_markdown,
        snakemake.output.all_html,
    )
