"""Adapter of the rule list_losses."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.losses import classes, flips, read_ratios

with reported(snakemake.log[0]):
    found = {
        name: read_ratios(predictions, split)
        for (name, predictions), split in zip(
            snakemake.params.predictions.items(), snakemake.input.splits, strict=True
        )
    }
    output = snakemake.output
    learner, ratio = snakemake.params.learner, snakemake.params.ratio
    classes(found, learner, ratio, output.csv, output.markdown, output.html)
    flips(found, learner, output.flips)
