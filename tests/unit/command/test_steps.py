"""How far a call is: from Snakemake's events alone."""

import json

from jpegprep.command.steps import STAGES, Steps, about, clock_time, stage_of


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self):
        """Return the time."""
        return self.now


def began(number, rule, **more):
    """Return the event of a job that begins."""
    return {"event": "job_info", "jobid": number, "rule_name": rule, **more}


def test_every_rule_has_a_stage_that_is_shown(root):
    """The names of rule files are the stages; rules without a name of their own have one, too."""
    assert {path.stem for path in (root / "workflow/rules").glob("*.smk")} - {"common"} == {*STAGES}
    assert stage_of("build_manifest") == "datasets"
    assert stage_of("plan_minutes") == "answers"
    assert stage_of("train_pairs_original_first") == stage_of("train_probe") == "learners"
    assert stage_of("make_size_vs_ratio") == stage_of("draw_rulegraph") == "results"


def test_steps_are_counted_by_stage_and_a_checkpoint_adds_some(tmp_path):
    """What nobody knew of before it began is planned from then on."""
    steps = Steps(tmp_path)
    steps.take({"event": "run_info", "stats": {"shard_variant": 2, "train_timm": 1, "total": 3}})
    assert (steps.total, steps.planned["shards"], steps.planned["learners"]) == (3, 2, 1)
    for number, rule in enumerate(("shard_variant", "train_timm", "train_timm")):
        steps.take(began(number, rule))
    assert steps.planned["learners"] == 2
    steps.take({"event": "job_finished", "job_id": 1})
    steps.take({"event": "progress", "done": 1, "total": 4})
    assert (steps.done, steps.total, steps.ended["learners"]) == (1, 4, 1)
    assert [job.rule for job in steps.running.values()] == ["shard_variant", "train_timm"]
    # A job that fails no longer runs, and a job that nobody heard of does no harm.
    steps.take({"event": "job_error", "jobid": 0, "rule_name": "shard_variant"})
    steps.take({"event": "job_finished", "job_id": 77})
    assert steps.failed == ["shard_variant"] and steps.ended["shards"] == 0


def test_time_left_is_what_the_plan_measured_and_else_unknown(tmp_path):
    """Nothing is guessed: not before the plan, not without one, not once it was too short."""
    clock = Clock()
    steps = Steps(tmp_path, clock)
    plan = {"seconds": {"look": 60.0, "larger": 0.0, "pairs": 200.0, "rest": 40.0}}
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    steps.take(began(0, "plan_minutes", output=["plan.json"]))
    assert steps.left is None
    steps.take({"event": "job_finished", "job_id": 0})
    assert steps.left == 300
    clock.now += 100
    assert steps.left == 200
    # The probe took longer than its minute: the pairs still take what they take.
    steps.take(began(1, "train_probe"))
    steps.take({"event": "job_finished", "job_id": 1})
    assert steps.left == 240
    clock.now += 241
    assert steps.left is None
    assert about(steps.left) == "time left unknown"
    assert (about(30), about(240)) == ("less than a minute left", "about 4 min left")
    assert [*map(clock_time, (42, 725, 3750))] == ["0:42", "12:05", "1:02:30"]


def test_a_damaged_plan_says_nothing_of_the_time(tmp_path):
    """The work goes on; its time left is unknown."""
    (tmp_path / "plan.json").write_text('{"seconds"', encoding="utf-8")
    steps = Steps(tmp_path)
    steps.take(began(0, "plan_minutes", output=["plan.json"]))
    steps.take({"event": "job_finished", "job_id": 0})
    assert steps.left is None


def test_the_training_that_runs_says_how_far_it_is(tmp_path):
    """The line is that which `learners.history` prints to the log; the last one counts."""
    from types import SimpleNamespace

    import torch

    from jpegprep.learners.history import History

    steps = Steps(tmp_path)
    steps.take(began(3, "train_timm", log=["train.log"]))
    assert steps.now() == "train_timm"  # no log yet
    history, module = History("a run"), SimpleNamespace(device="cpu")
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    trainer = SimpleNamespace(
        max_epochs=5,
        current_epoch=0,
        num_training_batches=1,
        world_size=1,
        optimizers=[optimizer],
        callback_metrics={"val_loss": torch.tensor(0.5), "val_accuracy": torch.tensor(0.75)},
    )
    import contextlib

    with (tmp_path / "train.log").open("w") as log, contextlib.redirect_stdout(log):
        print("some library's word")
        history.on_train_start(trainer, module)
        for epoch in range(2):
            trainer.current_epoch = epoch
            history.on_train_epoch_start(trainer, module)
            history.on_train_batch_start(trainer, module, None, 0)
            batch = (torch.zeros(4, 3, 8, 8), torch.zeros(4))
            history.on_train_batch_end(trainer, module, torch.tensor(1.0), batch, 0)
            history.on_train_epoch_end(trainer, module)
        print("and another")
    now = steps.now("learners")
    assert now.startswith("train_timm: epoch 2/5, accuracy 0.7500, ")
    assert now.endswith("0:00 left") and "images/s" in now
    assert steps.now("shards") == ""
