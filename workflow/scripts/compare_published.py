"""Adapter of the rule compare_published."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.reproduction import reproduction

with reported(snakemake.log[0]):
    tables = {number: snakemake.input.get(number) for number in snakemake.params.numbers}
    reproduction(snakemake.input.published, tables, snakemake.params.learner, *snakemake.output)
