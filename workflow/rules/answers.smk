# What is asked for by name: the recommendation for a user's own images, the plan, the costs.
#
# Requires: of `recommend`, images=PATH on the command line and config/recommend.yaml; of `plan` and
#           `costs`, config/sizes.csv and config/throughput.csv, and what is there already.
# Gives: results/recommend/<name>/recommendation.md, .json, .svg and .png; the plan on the terminal
#        and in its log; results/costs/.
#
# Several numbers of a rule stand in its param `given`, by name: Snakemake (9.27) compares the values
# of params as a set, and would not see one number take the place of another.


localrules:
    recommend,
    plan,
    costs,


rule plan:
    log:
        f"<logs>/plan/{STUDY.name}.log",
    # No benchmark: a rule without output that has one runs only once.
    conda:
        "../../envs/report.yaml"
    params:
        call="answers.plan:plan",
        snakefile=SNAKEFILE,
        config=json.dumps(config),
        study=facts_of(STUDY),
        sizes=str(ROOT / "config/sizes.csv"),
        throughput=str(ROOT / "config/throughput.csv"),
    script:
        "../scripts/call.py"


rule costs:
    output:
        rules=expand("results/costs/rules.{kind}", kind=("csv", "md", "html")),
        devices=expand("results/costs/devices.{kind}", kind=("csv", "md", "html")),
        figures=expand("results/costs/costs.{kind}", kind=("svg", "png")),
    log:
        "<logs>/costs/all.log",
    benchmark:
        "<benchmarks>/costs/all.tsv"
    conda:
        "../../envs/results.yaml"
    params:
        **calls("answers.costs:write_costs", "results.yaml"),
        benchmarks=BENCHMARKS,
        # No input: Snakemake would make again whatever job of it is stale.
        latest=latest_benchmark,
        runs="results/runs",
        datasets=STUDY.datasets,
        throughput=str(ROOT / "config/throughput.csv"),
    script:
        "../scripts/call.py"


if OWN:

    # A checkpoint: of how many images there is time for, the plan says. It runs alone on the machine:
    # all of its GPUs are asked for, whether there are some or not.
    checkpoint plan_minutes:
        input:
            archives=own_archives(),
            manifest=STUDY.manifests()[OWN_DATASET],
            weights=own_weights("safetensors"),
            sidecar=own_weights("json"),
        output:
            STUDY.file("plan.json"),
        log:
            f"<logs>/plan_minutes/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/plan_minutes/{STUDY.name}.tsv"
        conda:
            "../../envs/learners_timm.yaml"
        threads: lambda wildcards: training_threads(wildcards, alone())
        resources:
            gpu=alone(),
            mem_mb=8000,
            runtime=30,
        params:
            **calls("answers.budget:plan_minutes", "learners_timm.yaml"),
            content=STUDY.content(OWN_DATASET),
            given={
                "probe": STUDY.recipe(OWN["probe"]),
                "variants": STUDY.variants()[1:],
                "repeats": len(STUDY.learner_seeds(OWN["probe"])),
                "network": STUDY.recipe(OWN["confirm"]) if OWN["confirm"] else None,
                "pairs": OWN["pairs"],
                "fixed": "input_size" in STUDY.weights[STUDY.learners[OWN["probe"]]["weights"]],
                "larger": larger_size(),
                "classes": STUDY.datasets[OWN_DATASET]["classes"],
                "minutes": OWN["minutes"],
            },
            started=lambda wildcards, output: STARTED,
            at_a_time=lambda wildcards, output: alone(),
        script:
            "../scripts/call.py"

    # A checkpoint: at which ratio networks are fine-tuned, the probe says.
    checkpoint propose_ratio:
        input:
            differences=STUDY.table("differences"),
            sizes=STUDY.table("size_vs_ratio"),
            predictions=flat(probed("predictions.parquet")),
            split=STUDY.splits()[OWN_DATASET],
        output:
            STUDY.file("proposal.json"),
        log:
            f"<logs>/propose_ratio/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/propose_ratio/{STUDY.name}.tsv"
        conda:
            "../../envs/results.yaml"
        params:
            **calls("answers.proposal:propose", "results.yaml"),
            shapes=shapes({"predictions": probed("predictions.parquet")}),
            given={key: OWN[key] for key in ("probe", "margin", "class_margin", "least_saving")},
        script:
            "../scripts/call.py"

    # Another: where the networks are shown to lose, the next round is of the next larger ratio.
    checkpoint judge_pairs:
        input:
            original=paired(),
            again=paired(again=True),
            compressed=paired(compressed=True),
            sizes=STUDY.table("size_vs_ratio"),
        output:
            STUDY.file("pairs/round{round}.json"),
        log:
            f"<logs>/judge_pairs/{STUDY.name}/round{{round}}.log",
        benchmark:
            f"<benchmarks>/judge_pairs/{STUDY.name}/round{{round}}.tsv"
        wildcard_constraints:
            round=r"\d+",
        conda:
            "../../envs/evaluation.yaml"
        params:
            **calls("answers.pairs:judge", "evaluation.yaml"),
            ratio=judged_ratio,
            given={key: OWN[key] for key in ("margin", "least_saving")},
            minutes=lambda wildcards, output: OWN["minutes"],
            started=lambda wildcards, output: STARTED,
        script:
            "../scripts/call.py"

    rule measure_uses:
        input:
            features=flat(probed_features()),
            models=flat(probed("model.npz")),
            predictions=flat(probed("predictions.parquet")),
        output:
            STUDY.table("uses"),
        log:
            f"<logs>/measure_uses/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/measure_uses/{STUDY.name}.tsv"
        conda:
            "../../envs/results.yaml"
        params:
            **calls("answers.uses:measure_uses", "results.yaml"),
            shapes=shapes(
                {
                    "features": probed_features(),
                    "models": probed("model.npz"),
                    "predictions": probed("predictions.parquet"),
                }
            ),
        script:
            "../scripts/call.py"

    # This and the audit are at first of what the probe proposes: they do not wait for the pairs of
    # networks, and fill the processors beside the last of them.
    rule look_larger:
        input:
            folders=lambda wildcards: flat(compared_shards(wildcards.answered)),
            weights=own_weights("safetensors"),
            sidecar=own_weights("json"),
            groups=STUDY.groups()[OWN_DATASET],
        output:
            directory(STUDY.file("larger/{answered}")),
        log:
            f"<logs>/look_larger/{STUDY.name}/{{answered}}.log",
        benchmark:
            f"<benchmarks>/look_larger/{STUDY.name}/{{answered}}.tsv"
        wildcard_constraints:
            answered=PATTERN,
        priority: 1
        conda:
            "../../envs/learners_timm.yaml"
        threads: training_threads
        resources:
            gpu=1,
            mem_mb=8000,
            runtime=60,
        params:
            **calls("learners.larger:look_larger", "learners_timm.yaml"),
            variants=lambda wildcards: [*map(STUDY.variant, compared_shards(wildcards.answered))],
            dataset=OWN_DATASET,
            learner=OWN["probe"],
            recipe={**STUDY.recipe(OWN["probe"]), "image_size": OWN["larger_size"]},
            classes=STUDY.datasets[OWN_DATASET]["classes"],
            seeds=STUDY.learner_seeds(OWN["probe"]),
            contiguous=False,
        script:
            "../scripts/call.py"

    rule audit_headers:
        input:
            shards=lambda wildcards: flat(compared_shards(wildcards.answered)),
            groups=STUDY.groups()[OWN_DATASET],
            split=STUDY.splits()[OWN_DATASET],
        output:
            STUDY.file("audit/{answered}.json"),
        log:
            f"<logs>/audit_headers/{STUDY.name}/{{answered}}.log",
        benchmark:
            f"<benchmarks>/audit_headers/{STUDY.name}/{{answered}}.tsv"
        wildcard_constraints:
            answered=PATTERN,
        conda:
            "../../envs/evaluation.yaml"
        params:
            **calls("evaluation.audit:audit", "evaluation.yaml"),
            shapes=lambda wildcards: shapes({"shards": compared_shards(wildcards.answered)}),
        script:
            "../scripts/call.py"

    rule measure_free_savings:
        input:
            folder=STUDY.shards(OWN_DATASET, 1.0),
        output:
            STUDY.file("free.json"),
        log:
            f"<logs>/measure_free_savings/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/measure_free_savings/{STUDY.name}.tsv"
        conda:
            "../../envs/shards.yaml"
        params:
            **calls("shards.savings:measure_own", "shards.yaml"),
        script:
            "../scripts/call.py"

    rule make_recommendation:
        input:
            free=STUDY.file("free.json"),
            proposal=STUDY.file("proposal.json"),
            plan=STUDY.file("plan.json"),
            differences=STUDY.table("differences"),
            accuracy=STUDY.table("accuracy"),
            sizes=STUDY.table("size_vs_ratio"),
            uses=STUDY.table("uses"),
            predictions=flat(probed("predictions.parquet")),
            manifest=STUDY.manifests()[OWN_DATASET],
            split=STUDY.splits()[OWN_DATASET],
            rounds=lambda wildcards: judged(),
            larger=lambda wildcards: larger_look(answered_ratio()),
            audit=lambda wildcards: header_audit(answered_ratio()),
            groups=STUDY.groups()[OWN_DATASET].replace(".parquet", ".json"),
        output:
            [STUDY.file(f"recommendation.{kind}") for kind in ("md", "json", "svg", "png")],
        log:
            f"<logs>/make_recommendation/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/make_recommendation/{STUDY.name}.tsv"
        conda:
            "../../envs/results.yaml"
        params:
            **calls("answers.recommend:recommend", "results.yaml"),
            shapes=shapes({"predictions": probed("predictions.parquet")}),
            what={
                key: OWN.get(key)
                for key in (
                    *("images", "name", "margin", "class_margin", "probe", "image_size", "told"),
                    *("path_column", "label_column", "split_column", "group_column"),
                )
            },
            started=lambda wildcards, output: STARTED,
        script:
            "../scripts/call.py"

    rule recommend:
        input:
            STUDY.file("recommendation.md"),

else:

    rule recommend:
        input:
            lambda wildcards: sys.exit(
                "error: name your images: snakemake --cores 8 recommend --config images=PATH"
            ),
