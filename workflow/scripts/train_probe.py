"""The adapter of the rules train_probe…, one a probe: a run for each variant and seed."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.probe import Known, train
    from jpegprep.learners.runs import tell_progress
    from jpegprep.shards.shards import splits_of

    params, count = snakemake.params, len(snakemake.params.seeds)
    about = {name: snakemake.wildcards[name] for name in ("dataset", "learner")}
    known: Known = {}
    for i, variant in enumerate(params.variants):
        for run in train(
            snakemake.input.features[i],
            splits_of(snakemake.input.shards[i]),
            snakemake.input.manifest,
            params.recipe,
            params.classes,
            {**about, "variant": variant, "code": params.code},
            params.seeds,
            {
                name: snakemake.output[name][i * count : (i + 1) * count]
                for name in ("history", "predictions", "model", "run")
            },
            snakemake.threads,
            params.contiguous,
            known,
        ):
            print(tell_progress(run, params.records), file=terminal)
