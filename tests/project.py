"""A copy of the project with a study small enough to be run by a test."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "gravel.png")


class Project:
    """A copy of the project with a study of its own."""

    def __init__(self, folder: Path) -> None:
        """Copy what a study needs: workflow, config, environments, profiles."""
        self.folder = folder
        self.told = ""  # what the first run of its study said
        for name in ("workflow", "config", "envs", "profiles"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        shutil.copy(ROOT / "Snakefile", folder)
        # Snakemake compares times: nothing may be newer than what is made from it.
        self.edit("config/datasets.yaml", _small_registry)
        self.edit("config/config.yaml", _small_study)

    def path(self, name: str) -> Path:
        """Return the path of a file of the project."""
        return self.folder / name

    def edit(self, name: str, change: Any) -> None:
        """Change a YAML file by a function of its value."""
        value = yaml.safe_load(self.path(name).read_text(encoding="utf-8"))
        change(value)
        self.path(name).write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a Snakemake on two cores."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def snakemake(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Snakemake in the project, as a user would."""
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, check=False
        )

    def python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Python in the project with its own copy of the package."""
        environment = {**os.environ, "PYTHONPATH": str(self.path("workflow/scripts"))}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def unlock(self) -> None:
        """Wait until no job of a killed Snakemake runs, and unlock, as `make demo` does."""
        end = time.monotonic() + 300
        while (locks := self.python("-m", "jpegprep.common.locks")).returncode:
            assert time.monotonic() < end, locks.stderr
            time.sleep(0.5)

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run lists, but for the target rule `all`."""
        run = self.snakemake("--dry-run", *arguments)
        output = run.stdout + run.stderr
        assert run.returncode == 0, output
        stats = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
        if not stats:
            assert "Nothing to be done" in output, output
            return {}
        rows = (line.split() for line in stats[1].splitlines())
        return {rule: int(count) for rule, count in rows if rule != "all"}


def _small_registry(registry: dict[str, Any]) -> None:
    dataset = registry["photo-patches"]
    dataset["archives"] = [a for a in dataset["archives"] if a["name"] in PHOTOGRAPHS]
    dataset["classes"] = len(PHOTOGRAPHS)
    dataset["images"] = 64 + 54 + 64  # of 64 px in 512×512, 600×400 and 512×512 px


def _small_study(study: dict[str, Any]) -> None:
    study["study"] = "small"
    study["ratios"] = [1.0, 0.3, 0.1]
    study["noise"]["learner"] = "tf_efficientnet_lite0"
    learners = study["learners"]
    learners["tf_efficientnet_lite0"].pop(
        "ratios"
    )  # all of the study's, and the two variants of Table IV
    learners["autogluon"]["ratios"] = [1.0]
    learners["autogluon_tabular"]["ratios"] = [1.0, 0.1]
    learners["autogluon_tabular"]["recipe"]["hyperparameters"] = {"XT": {}}
    for name in ("tf_efficientnet_lite0", "autogluon"):
        learners[name]["recipe"] |= {"image_size": 64, "epochs": 3}


def short_study(study: dict[str, Any]) -> None:
    """Make a study shorter still: one network, two ratios, and nothing beyond their comparison."""
    study["study"] = "short"
    study["ratios"] = [1.0, 0.3]
    study["learners"] = {"tf_efficientnet_lite0": study["learners"]["tf_efficientnet_lite0"]}
    for experiment in ("noise", "tabular", "train_test", "reading"):
        del study[experiment]


# What a short study says: the files that must not depend on what happened while it ran.
SHORT_TABLES = [
    f"results/short/tables/{name}.csv"
    for name in ("accuracy", "comparison", "decision", "table3_storage", "flips")
]
