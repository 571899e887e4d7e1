"""The adapter of the rules train_probe…, one a probe: a run for each variant and seed."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.probe import train_variants
    from jpegprep.learners.runs import tell_progress

    params, names = snakemake.params, ("dataset", "learner")
    for run in train_variants(
        params.variants,
        snakemake.input.features,
        snakemake.input.shards,
        {name: snakemake.output[name] for name in ("history", "predictions", "model", "run")},
        {name: snakemake.wildcards[name] for name in names} | {"code": params.code},
        params.seeds,
        snakemake.threads,
        groups=snakemake.input.groups,
        recipe=params.recipe,
        classes=params.classes,
        contiguous=params.contiguous,
    ):
        print(tell_progress(run, params.records), file=terminal)
