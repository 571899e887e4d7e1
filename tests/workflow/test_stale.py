"""What is made again after a change: what the change means, and nothing else."""

import os

# What follows when an accuracy may have changed.
AFTER_RUNS = dict.fromkeys(
    (
        *("evaluate_runs", "compare_runs", "cross_test_timm", "write_report"),
        *("make_table3_storage", "make_table4_noise", "make_table5_tabular", "make_convergence"),
        *("make_comparison", "make_decision", "make_probe_agreement", "make_train_test"),
        "make_gaps",
        *("make_classes", "make_flips", "make_reading", "make_reproduction"),
        *("make_claims", "draw_reproduction"),
        *("draw_fig2_accuracy_vs_ratio", "draw_fig3_convergence", "draw_difference_vs_ratio"),
        *("draw_train_test", "draw_flips_dataset", "draw_reading"),
    ),
    1,
)
STORAGE = {"make_table1_datasets", "make_problems", "make_size_vs_ratio", "draw_size_vs_ratio"}
STORAGE |= {"make_bytes_by_part", "make_free_savings", "draw_bytes_by_part"}
# These show the study as a whole: any change of it draws them again.
OF_THE_STUDY = {"draw_rulegraph": 1}


def test_a_finished_study_has_nothing_to_do(project):
    """Running it again says so."""
    run = project.snakemake()
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout + run.stderr


def test_a_comment_in_the_trainer_reruns_nothing(changed):
    """Comments, docstrings and blank lines mean nothing."""
    trainer = changed.path("workflow/scripts/jpegprep/learners/fitting.py")
    text = trainer.read_text("utf-8")
    text = text.replace("import tempfile\n", "# A comment.\nimport tempfile\n\n", 1)
    docstring = '"""Return the loss of one batch, with label smoothing."""'
    trainer.write_text(text.replace(docstring, '"""Return a loss."""'))
    assert "A comment." in trainer.read_text() and "a loss" in trainer.read_text()
    assert changed.planned() == {}


def test_a_comment_in_an_adapter_reruns_nothing(changed):
    """Snakemake by itself would rerun a job when its script's time changes."""
    adapter = changed.path("workflow/scripts/train.py")
    adapter.write_text(adapter.read_text("utf-8") + "# A comment.\n")
    assert changed.planned() == {}


def test_a_module_in_another_folder_reruns_nothing(changed):
    """What decodes images may lie elsewhere, under another name, with its imports put right."""
    package = changed.path("workflow/scripts/jpegprep")
    moved, kept = package / "common/decoding.py", package / "images/images.py"
    moved.write_bytes(kept.read_bytes())
    before = kept.read_bytes()
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        if "jpegprep.images.images" in text:
            path.write_text(text.replace("jpegprep.images.images", "jpegprep.common.decoding"))
    kept.unlink()
    try:
        assert changed.planned() == {}
    finally:
        kept.write_bytes(before)
        moved.unlink()


def test_an_adapter_reruns_nothing(changed):
    """How a function is called is no part of what it makes."""
    adapter = changed.path("workflow/scripts/call.py")
    adapter.write_text(adapter.read_text("utf-8") + "\nx = 1\n")
    assert changed.planned() == {}


def test_a_colour_reruns_figures_and_report(changed):
    """A change to the plotting code draws again and trains nothing."""
    drawing = changed.path("workflow/scripts/jpegprep/results/figures/drawing.py")
    text = drawing.read_text("utf-8")
    assert '"colorblind"' in text
    drawing.write_text(text.replace('"colorblind"', '"deep"'))
    drawn = (
        *("size_vs_ratio", "fig1_schematic", "fig2_accuracy_vs_ratio", "fig3_convergence"),
        *("noise_examples_dataset", "rulegraph", "difference_vs_ratio", "train_test"),
        *("flips_dataset", "reading", "reproduction", "bytes_by_part"),
    )
    assert changed.planned() == {**{f"draw_{name}": 1 for name in drawn}, "write_report": 1}


def test_a_learning_rate_reruns_its_learner_and_what_follows(changed):
    """No shard is made again, and the other learner is left alone."""

    def slower(study):
        study["learners"]["tf_efficientnet_lite0"]["recipe"]["learning_rate"] = 0.0005

    changed.edit("config/config.yaml", slower)
    of_networks = {"train_timm": 5, "test_timm": 2, "evaluate_transfers": 1}
    assert changed.planned() == {**of_networks, **AFTER_RUNS, **OF_THE_STUDY}


def test_a_ratio_makes_its_shards_its_run_and_the_results(changed):
    """One variant, one run, tables and figures; Table I does not depend on it."""
    changed.edit("config/config.yaml", lambda study: study["ratios"].insert(1, 0.5))
    assert changed.planned() == {
        "shard_variant": 1,
        "train_timm": 1,
        "extract_features": 1,
        "train_probe": 1,  # all of its seeds
        "make_size_vs_ratio": 1,
        "draw_size_vs_ratio": 1,
        "measure_bytes": 1,
        "make_bytes_by_part": 1,
        "make_free_savings": 1,
        "draw_bytes_by_part": 1,
        "measure_reading": 1,
        **AFTER_RUNS,
        **OF_THE_STUDY,
    }


def test_a_further_data_set_leaves_the_others_alone(changed):
    """Its shards and runs are made, and the tables and figures that show it; no other's."""

    def register(registry):
        registry["animals"] = registry["photo-patches"] | {"title": "Animals"}

    changed.edit("config/datasets.yaml", register)
    changed.edit("config/config.yaml", lambda study: study["datasets"].append("animals"))
    planned = changed.planned()
    assert planned["shard_originals"] == 1
    assert {rule: count for rule, count in planned.items() if rule.startswith("train_")} == {
        "train_timm": 3,  # Table IV is of the data sets that the study names there
        "train_autogluon": 1,
        "train_tabular": 2,
        "train_probe": 3,
    }
    assert planned["shard_variant"] == 2
    assert (
        planned["draw_fig2_accuracy_vs_ratio_dataset"]
        == planned["draw_fig3_convergence_dataset"]
        == 2
    )
    assert "draw_noise_examples_dataset" not in planned


def test_a_changed_trainer_trains_again(changed):
    """The trainer's code is part of what a run means; AutoGluon's runs do not use it."""
    trainer = changed.path("workflow/scripts/jpegprep/learners/fitting.py")
    text = trainer.read_text("utf-8")
    assert '"adamw"' in text
    trainer.write_text(text.replace('"adamw"', '"sgd"'))
    planned = changed.planned()
    assert planned["train_timm"] == 5
    others = {"train_autogluon", "train_tabular", "shard_variant", "fetch_weights"}
    assert not others & set(planned)


def test_a_pinned_version_reruns_its_stage(changed):
    """Another Pillow may decode otherwise: shards and all that follows are made again."""
    environment = changed.path("envs/shards.yaml")
    text = environment.read_text("utf-8")
    environment.write_text(text.replace("pillow =", "pillow =1"))
    planned = changed.planned()
    assert planned["shard_variant"] == 4
    assert planned["train_timm"] == 5
    assert "download_archive" not in planned


def test_another_mirror_of_the_same_file_downloads_nothing(changed):
    """A file is what its checksum says, wherever it comes from."""

    def elsewhere(registry):
        archive = registry["photo-patches"]["archives"][0]
        archive |= {"source": "url", "urls": ["http://127.0.0.1:9/astronaut.png"]}

    changed.edit("config/datasets.yaml", elsewhere)
    assert changed.planned() == {}


def test_a_second_study_shares_the_runs(changed):
    """Another study over the same runs trains nothing."""
    changed.edit("config/config.yaml", lambda study: study.update(study="other"))
    planned = changed.planned()
    others = {"evaluate_transfers", "measure_reading", "make_same_against_same", "measure_bytes"}
    others |= {"draw_fig1_schematic", "draw_noise_examples_dataset", "make_table5_controls"}
    assert set(planned) == {*AFTER_RUNS, *OF_THE_STUDY} | STORAGE | others


def test_a_deleted_figure_is_redrawn_alone(project):
    """Asking for one figure draws that figure."""
    figure = project.path("results/small/figures/fig2_accuracy_vs_ratio.svg")
    before, time_before = figure.read_bytes(), figure.stat()
    figure.unlink()
    name = str(figure.relative_to(project.folder))
    assert project.planned() == {"draw_fig2_accuracy_vs_ratio": 1, "write_report": 1}
    assert project.planned(name) == {"draw_fig2_accuracy_vs_ratio": 1}
    assert project.snakemake(name).returncode == 0
    assert figure.read_bytes() == before
    # As if it had never gone: the report, which shows it, need not be made again.
    os.utime(figure, ns=(time_before.st_atime_ns, time_before.st_mtime_ns))
