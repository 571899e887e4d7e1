"""The fault drill: what becomes of a study when things go wrong; `make drill` runs it.

First a random process of a running study is killed (SIGKILL) at a random moment, again and again.
After each kill the study is started again, and once it is done, its tables must be those of a study
that nobody disturbed, byte for byte. Then come other faults: after each the study is run again, and
either gives the same tables, or says in one line what to do, which is done.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from project import SHORT_TABLES, Project, short_study

RUN = "results/runs/photo-patches/jpeg-q30/tf_efficientnet_lite0/seed0"
SHARDS = "results/shards/photo-patches/jpeg-q30"
SHARD = f"{SHARDS}/train-0.tar"
# What is asked for: of an up-to-date table Snakemake does not make a missing source anew.
CONVERGENCE = "results/short/tables/convergence.csv"
TARGETS = [*SHORT_TABLES, CONVERGENCE, f"{RUN}/predictions.parquet", SHARDS]
Tables = dict[str, bytes]


def short_project(folder: Path, resources: Path | None = None) -> Project:
    """Return a project with the short study; with archives and weights, where they are there."""
    project = Project(folder)
    project.edit("config/config.yaml", short_study)
    project.edit("config/config.yaml", _quick)
    if resources:
        shutil.copytree(resources, folder / "resources", copy_function=shutil.copy2)
    return project


def _quick(study: dict[str, Any]) -> None:
    study["learners"]["tf_efficientnet_lite0"]["recipe"] |= {"image_size": 32, "epochs": 2}


def _three_epochs(study: dict[str, Any]) -> None:
    study["learners"]["tf_efficientnet_lite0"]["recipe"]["epochs"] = 3


def tables(project: Project) -> Tables:
    """Return the study's tables."""
    return {name: project.path(name).read_bytes() for name in SHORT_TABLES}


def start(project: Project) -> "subprocess.Popen[str]":
    """Start the study."""
    return subprocess.Popen(
        project.command(*TARGETS),
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def rerun(project: Project) -> tuple[int, str]:
    """Run the study; return its status, and its error lines."""
    project.unlock()
    done = project.snakemake(*TARGETS)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    # A job's line stands where it failed, and once more at the end, with its log.
    lines = [line for line in lines if "(log: " in line] or lines
    return done.returncode, "\n".join(dict.fromkeys(lines))


def kill_one(process: "subprocess.Popen[str]", rng: random.Random) -> str:
    """Kill a random process of the tree; return what it was."""
    try:
        parent = psutil.Process(process.pid)
        tree = [parent, *parent.children(recursive=True)]
        victim = rng.choice(tree)
        command = " ".join(victim.cmdline())
        victim.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return "had ended"
    if victim.pid == process.pid:
        return "Snakemake"
    scripts = [part for part in command.split() if ".snakemake/scripts/" in part]
    return scripts[0].split(".")[-2] if scripts else command.split("/")[-1][:40]


def kills(wanted: int, folder: Path, undisturbed: Project, seed: int) -> bool:
    """Kill until there were so many kills; tell what each hit, and whether the tables held."""
    rng = random.Random(seed)
    expected = tables(undisturbed)
    killed: list[str] = []
    studies = good = 0
    while len(killed) < wanted:
        project = short_project(folder / f"killed-{studies}", undisturbed.path("resources"))
        since = len(killed)
        while True:
            process = start(project)
            try:
                process.wait(rng.uniform(0, 45) if len(killed) < wanted else None)
            except subprocess.TimeoutExpired:
                killed.append(kill_one(process, rng))
                print(f"kill {len(killed)} of {wanted}: {killed[-1]}", flush=True)
                process.wait()
            project.unlock()
            if process.returncode == 0:
                break
        same = tables(project) == expected
        left = [str(path) for path in project.path("results").rglob(".*") if path.is_file()]
        studies += 1
        good += same and not left
        print(
            f"study {studies}, killed {len(killed) - since} times: "
            f"{'the same tables' if same else 'OTHER TABLES'}{f', left: {left}' if left else ''}",
            flush=True,
        )
        shutil.rmtree(project.folder)
    print(
        f"{len(killed)} kills in {studies} studies; {good} of {studies} ended with the same tables"
    )
    return good == studies


ABOUT = ("dataset", "variant", "learner", "seed", "code")
TRAIN = """
import json, sys
from jpegprep.learners.timm_learner import train
train(**json.loads(sys.argv[1]))
"""


def resumes(trials: int, folder: Path, undisturbed: Project, seed: int) -> bool:
    """Kill a training at a random moment of its epochs, run it again, compare its predictions.

    Its checkpoint is written after every epoch. What is lost is the time from then to the kill.
    """
    rng = random.Random(seed)
    record = json.loads(undisturbed.path(f"{RUN}/run.json").read_bytes())
    shards = undisturbed.path(SHARD).parent

    def training(name: str) -> tuple[list[str], dict[str, str]]:
        files = ("history.csv", "predictions.parquet", "run.json", "model.safetensors")
        outputs = {Path(file).stem: str(folder / name / file) for file in files}
        arguments = {
            "shards": {
                split: sorted(map(str, shards.glob(f"{split}-*.tar")))
                for split in ("train", "val", "test")
            },
            "weights": str(undisturbed.path(WEIGHTS)),
            "recipe": {**record["recipe"], "image_size": 64, "epochs": 12},
            "classes": 3,
            "about": {
                key: record[key] for key in ("dataset", "variant", "learner", "seed", "code")
            },
            "outputs": outputs,
            "threads": 2,
            "checkpoint_seconds": 0,
        }
        return [sys.executable, "-c", TRAIN, json.dumps(arguments)], outputs

    environment = {**os.environ, "PYTHONPATH": str(undisturbed.path("workflow/scripts"))}
    command, outputs = training("whole")
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    expected = Path(outputs["predictions"]).read_bytes()
    seconds = json.loads(Path(outputs["run"]).read_bytes())["seconds"]["fit"]
    same = 0
    lost: list[float] = []
    while len(lost) < trials:
        command, outputs = training(f"trial-{len(lost)}")
        checkpoint = Path(outputs["run"]).with_name(".checkpoint")
        began = time.time()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as job:
            assert job.stdout
            for line in job.stdout:
                if line.startswith("epoch 1/"):
                    break
            time.sleep(rng.uniform(0, 0.8 * seconds))
            saved = checkpoint.stat().st_mtime if checkpoint.exists() else began
            if job.poll() is not None:  # it was faster than the first one: another trial
                shutil.rmtree(checkpoint.parent)
                continue
            lost.append(time.time() - saved)
            job.kill()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        after = json.loads(Path(outputs["run"]).read_bytes())["resumed_after_epoch"]
        same += Path(outputs["predictions"]).read_bytes() == expected
        print(
            f"killed {lost[-1]:.1f} s after epoch {after} of 12; the same so far: {same}",
            flush=True,
        )
    print(
        f"{same} of {trials} with the same predictions; {max(lost):.1f} s lost at most, "
        f"{sum(lost) / trials:.1f} in the mean, of {seconds:.0f} s"
    )
    return same == trials


def flip(path: Path, keep_time: bool = True) -> None:
    """Change a bit in the middle of a file; its time stays as it was, as on a failing disk."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(path: Path) -> None:
    """Cut a file in its middle; its time stays."""
    times = path.stat()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def in_future(project: Project) -> None:
    """Give every file of the results a time an hour from now: the clock was set back since."""
    later = time.time() + 3600
    for path in project.path("results").rglob("*"):
        os.utime(path, (later, later))


def without(*names: str) -> Callable[[Project], None]:
    """Return what removes files, so that a study makes them again from the others."""

    def remove(project: Project) -> None:
        for name in names:
            project.path(name).unlink()

    return remove


PREDICTIONS = without(f"{RUN}/predictions.parquet")


def without_folder(name: str) -> Callable[[Project], None]:
    """Return a function that removes a folder of a project."""
    return lambda project: shutil.rmtree(project.path(name))


TREATED = without_folder(SHARDS)
ORIGINAL = SHARD.replace("jpeg-q30", "original")
ORIGINALS = str(Path(ORIGINAL).parent)
WEIGHTS = "resources/weights/tf_efficientnet_lite0.safetensors"
# Of each fault: its name; what happens to a finished study; what the error line tells to do.
FAULTS: list[tuple[str, Callable[[Project], None], Callable[[Project], None] | None]] = [
    (
        "a shard with a flipped bit",
        lambda p: (flip(p.path(SHARD)), PREDICTIONS(p)),
        without_folder(SHARDS),
    ),
    (
        "a shard cut short",
        lambda p: (cut(p.path(SHARD)), PREDICTIONS(p)),
        without_folder(SHARDS),
    ),
    (
        "an original shard with a flipped bit",
        lambda p: (flip(p.path(ORIGINAL)), TREATED(p)),
        without_folder(ORIGINALS),
    ),
    (
        "an index cut short",
        lambda p: (cut(p.path(SHARD.replace(".tar", ".index.parquet"))), PREDICTIONS(p)),
        without_folder(SHARDS),
    ),
    (
        "weights cut short",
        lambda p: (cut(p.path(WEIGHTS)), PREDICTIONS(p)),
        lambda p: p.path(WEIGHTS).unlink(),
    ),
    (
        "weights with a flipped bit",
        lambda p: (flip(p.path(WEIGHTS)), PREDICTIONS(p)),
        lambda p: p.path(WEIGHTS).unlink(),
    ),
    (
        "predictions cut short",
        lambda p: (
            cut(p.path(f"{RUN}/predictions.parquet")),
            without("results/short/tables/accuracy.csv", "results/short/tables/differences.csv")(p),
        ),
        PREDICTIONS,
    ),
    (
        "a history cut short",
        lambda p: (
            cut(p.path(f"{RUN}/history.csv")),
            without(CONVERGENCE)(p),
        ),
        lambda p: p.path(f"{RUN}/history.csv").unlink(),
    ),
    (
        "a checkpoint of nothing",
        lambda p: (p.path(f"{RUN}/.checkpoint").touch(), PREDICTIONS(p)),
        None,
    ),
    ("files from the future", lambda p: (in_future(p), PREDICTIONS(p)), None),
    (
        "Snakemake's own records lost",
        lambda p: (shutil.rmtree(p.path(".snakemake")), PREDICTIONS(p)),
        None,
    ),
]


def faults(folder: Path, undisturbed: Project) -> bool:
    """Bring about each fault in a copy of a finished study; tell what followed."""
    expected = tables(undisturbed)
    well = True
    for name, fault, remedy in FAULTS:
        project = short_project(folder / "fault")
        for part in ("results", "resources", ".snakemake"):
            shutil.copytree(undisturbed.path(part), project.path(part), dirs_exist_ok=True)
        fault(project)
        status, said = rerun(project)
        told = ""
        if status and remedy:
            told = said.replace(str(project.folder), "")
            remedy(project)
            status, said = rerun(project)
        same = status == 0 and tables(project) == expected
        one_line = not told or told.count("\n") == 0
        well &= same and one_line
        print(
            f"{name}: {'the same tables' if same else f'NOT MENDED: {said}'}; {told or 'silently'}"
        )
        shutil.rmtree(project.folder)
    return well


def full_disk(folder: Path, undisturbed: Project) -> bool:
    """Run on a file system that is too small, then with room; as root, since it mounts one."""
    place = folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=28m", "tmpfs", place], check=True)
    try:
        project = short_project(folder / "full", undisturbed.path("resources"))
        project.path("results").symlink_to(place)
        status, said = rerun(project)
        print(f"a full disk: status {status}; {said}")
        assert status == 1 and "full" in said and "\n" not in said
        subprocess.run(["mount", "-o", "remount,size=1g", place], check=True)
        status, said = rerun(project)
        same = status == 0 and tables(project) == tables(undisturbed)
        print(f"with room: {'the same tables' if same else f'NOT MENDED: {said}'}")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        project.edit("config/config.yaml", _three_epochs)
        locked = project.snakemake(*TARGETS)
        told = [line for line in locked.stderr.splitlines() if line.startswith("Write-protected")]
        print(f"a read-only results folder: status {locked.returncode}; {told}")
        return same and locked.returncode == 1 and len(told) == 1
    finally:
        subprocess.run(["umount", place], check=True)


def two_at_once(folder: Path, undisturbed: Project) -> bool:
    """Start a second Snakemake while one works."""
    project = short_project(folder / "two", undisturbed.path("resources"))
    first = start(project)
    time.sleep(10)
    second = project.snakemake(*TARGETS)
    told = [line for line in second.stderr.splitlines() if "lock" in line.lower()]
    first.wait()
    same = first.returncode == 0 and tables(project) == tables(undisturbed)
    print(
        f"two Snakemakes: the second had status {second.returncode}; {told[:1]}; the first: {same}"
    )
    return same and second.returncode == 1


def main() -> None:
    """Run the drill; status 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", choices=("kills", "resumes", "faults", "disk", "two"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jpegprep-drill-") as name:
        folder = Path(name)
        undisturbed = short_project(folder / "undisturbed")
        began = time.monotonic()
        done = undisturbed.snakemake(*TARGETS)
        assert done.returncode == 0, done.stderr
        print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)
        parts = {
            "kills": lambda: kills(arguments.kills, folder, undisturbed, arguments.seed),
            "resumes": lambda: resumes(arguments.trials, folder, undisturbed, arguments.seed),
            "faults": lambda: faults(folder, undisturbed),
            "disk": lambda: full_disk(folder, undisturbed),
            "two": lambda: two_at_once(folder, undisturbed),
        }
        results = [part() for name, part in parts.items() if arguments.only in (None, name)]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
