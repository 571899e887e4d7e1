"""`--use-conda` by Snakemake's own code, with a stand-in for conda and a channel of the lock.

`make conda` runs it. What it shows: every environment solves, jobs run in theirs and see no other,
a wrong pin fails, and the tables are those without conda. What it does not: what conda-forge has.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from project import ROOT, SHORT_TABLES, Project, short_study

HERE = Path(__file__).parent / "conda"


class Conda:
    """Snakemake in an environment of its own, and a conda that it finds."""

    def __init__(self, folder: Path) -> None:
        """Make the environments of Snakemake and of the stand-in, and the channel."""
        self.snakemake = self._environment(folder / "snakemake", "snakemake", "pandas")
        stand_in = self._environment(folder / "stand-in", "py-rattler", "pyyaml")
        channels = folder / "channels"
        subprocess.run([sys.executable, HERE / "channel.py", channels / "conda-forge"], check=True)
        (channels / "bioconda").symlink_to("conda-forge")
        path = f"{HERE / 'bin'}:{self.snakemake.parent}:/usr/local/bin:/usr/bin:/bin"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
            **{"PATH": path, "STAND_IN_PYTHON": str(stand_in), "STAND_IN_CHANNELS": str(channels)},
        }

    @staticmethod
    def _environment(folder: Path, *packages: str) -> Path:
        """Make an environment with packages, of the lock's versions where it has them."""
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        python = folder / "bin" / "python"
        command = [uv, "pip", "install", "--quiet", "--python", python, *packages]
        versions = folder / "versions.txt"
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        pins = [line.split(" ")[0] for line in lock if "==" in line and line[0] not in " #"]
        versions.write_text("\n".join(pins), encoding="utf-8")
        subprocess.run([*command, "--constraint", versions], check=True)
        return python

    def run(self, project: Project, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Snakemake with --use-conda in a project."""
        command = [str(self.snakemake), *project.command("--use-conda", *arguments)[1:]]
        return subprocess.run(
            command,
            cwd=project.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Conda:
    """Return the stand-in and its channel."""
    return Conda(tmp_path_factory.mktemp("conda"))


def short(folder: Path) -> Project:
    """Return a project with the short study."""
    project = Project(folder)
    project.edit("config/config.yaml", short_study)
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, conda: Conda) -> Project:
    """Return a project whose short study ran in conda's environments."""
    project = short(tmp_path_factory.mktemp("finished"))
    began = time.monotonic()
    done = conda.run(project, *SHORT_TABLES)
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"the short study in {len(environments(project))} environments:", end=" ")
    print(f"{time.monotonic() - began:.0f} s")
    return project


def environments(project: Project) -> dict[str, Path]:
    """Return the Python of each environment that Snakemake made, by the file of envs/."""
    made = {}
    for described in project.path(".snakemake/conda").glob("*.yaml"):
        for source in project.path("envs").glob("*.yaml"):
            if yaml.safe_load(described.read_text()) == yaml.safe_load(source.read_text()):
                made[source.stem] = described.with_suffix("") / "bin" / "python"
    return made


def imports(python: Path, module: str) -> bool:
    """Tell whether an environment has a module."""
    done = subprocess.run(
        [python, "-c", f"import {module}"], capture_output=True, cwd="/", env={"PATH": ""}
    )
    return done.returncode == 0


def test_every_environment_solves(tmp_path: Path, conda: Conda) -> None:
    """Those of the demo, with AutoGluon's, and their pip parts."""
    project = Project(tmp_path)
    began = time.monotonic()
    done = conda.run(project, "--conda-create-envs-only")
    assert done.returncode == 0, done.stdout + done.stderr
    made = environments(project)
    print(f"{len(made)} environments in {time.monotonic() - began:.0f} s: {sorted(made)}")
    assert {"learners_timm", "learners_autogluon", "results", "shards", "evaluation"} <= set(made)
    assert all(python.exists() for python in made.values())


def test_the_tables_are_those_without_conda(finished: Project, tmp_path: Path) -> None:
    """Byte for byte."""
    plain = short(tmp_path)
    done = plain.snakemake(*SHORT_TABLES)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in SHORT_TABLES:
        assert finished.path(name).read_bytes() == plain.path(name).read_bytes(), name


@pytest.mark.parametrize(
    ("environment", "has", "lacks"),
    [
        ("learners_timm", "torch", "seaborn"),
        ("evaluation", "statsmodels", "torch"),
        ("shards", "PIL", "torch"),
    ],
)
def test_environments_stay_apart(finished: Project, environment: str, has: str, lacks: str) -> None:
    """Each has what its stage needs, and nothing of another's."""
    python = environments(finished)[environment]
    assert imports(python, has)
    assert not imports(python, lacks)


def test_a_wrong_pin_fails(conda: Conda, tmp_path: Path) -> None:
    """Of a version that there is not, Snakemake says so, before any job."""
    project = short(tmp_path)
    path = project.path("envs/evaluation.yaml")
    path.write_text(path.read_text().replace("pandas =", "pandas =99."))
    done = conda.run(project, *SHORT_TABLES)
    assert done.returncode == 1
    assert "pandas" in done.stdout + done.stderr
    assert not project.path("results").exists()
