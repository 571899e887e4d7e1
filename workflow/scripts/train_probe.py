"""Adapter of the rules train_probe…, one a probe."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.probe import train
    from jpegprep.learners.runs import tell_progress

    about = {name: snakemake.wildcards[name] for name in ("dataset", "variant", "learner")}
    for run in train(
        snakemake.input.features,
        snakemake.params.shards,
        snakemake.params.recipe,
        snakemake.params.classes,
        {**about, "code": snakemake.params.code},
        snakemake.params.seeds,
        {name: snakemake.output[name] for name in ("history", "predictions", "model", "run")},
        snakemake.threads,
    ):
        print(tell_progress(run, snakemake.params.records), file=terminal)
