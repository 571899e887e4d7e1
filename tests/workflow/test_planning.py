"""`snakemake plan`: what a study will take, told before anything runs."""

import re

import pytest


def test_the_plan_of_a_fresh_study(fresh):
    """Without --cores, it lists the dry run's jobs, bytes and hours, and leaves only its log."""
    run = fresh.python("-m", "snakemake", "plan")
    assert run.returncode == 0, run.stderr
    lines = run.stderr.splitlines()
    begin = lines.index("Plan of the study small: what is still to do")
    shown = dict(re.findall(r"^([a-z_0-9]+) +([\d,]+)$", "\n".join(lines[begin:]), re.MULTILINE))
    planned = fresh.planned()
    assert shown.pop("total") == str(sum(planned.values()))
    assert shown == {rule: str(count) for rule, count in planned.items()}
    hours = [line for line in lines if line.startswith("tf_efficientnet_lite0 ")]
    assert hours[0].split()[1] == "5"  # runs
    written = sorted(str(p.relative_to(fresh.folder)) for p in fresh.path("results").rglob("*.*"))
    assert written == ["results/logs/plan/small.log"]
    log = fresh.path("results/logs/plan/small.log").read_text("utf-8")
    assert "\n".join(lines[begin : begin + 10]) in log


def test_the_plan_of_a_study_that_is_done(project):
    """After a study nothing is to do, and its own runs tell the speed; as often as one asks."""
    project.snakemake("plan")
    run = project.snakemake("plan")
    assert run.returncode == 0, run.stderr
    assert "Nothing is to do: every result of the study is there." in run.stderr
    assert re.search(r"^  on a CPU +\d+ +measured: .*5 runs: 0.0 CPU hours", run.stderr, re.M)


@pytest.mark.parametrize(
    ("options", "threads"),
    [
        (["--cores", "8"], 8),
        (["--cores", "8", "--resources", "gpu=4"], 2),
        (["--cores", "1", "--resources", "gpu=4"], 1),
    ],
)
def test_trainings_at_a_time_share_the_cores(fresh, options, threads):
    """On one machine."""
    wanted = "results/runs/photo-patches/original/tf_efficientnet_lite0/seed0/run.json"
    run = fresh.python("-m", "snakemake", "--dry-run", "--quiet", "host", *options, "--", wanted)
    assert run.returncode == 0, run.stderr
    job = re.search(r"^rule train_timm:\n((?: .*\n)+)", run.stdout + run.stderr, re.MULTILINE)[1]
    assert int(re.search(r"threads: (\d+)", f"{job}threads: 1")[1]) == threads
