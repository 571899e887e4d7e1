"""A small study in a copy of the project, run once for all tests of the workflow."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from project import Project
from xdist.scheduler import LoadScopeScheduling

# Which share the small study that `project` runs.
OF_THE_STUDY = ("test_study.py", "test_stale.py", "test_planning.py")


# Whose tests share next to nothing: many, so that the last of them are divided.
BY_TEST = ("test_config.py",)


class ByFile(LoadScopeScheduling):
    """Gives a file's tests to one process, since they share fixtures, and the study's to another.

    (xdist 3.8's own groups have no effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.split("::")[0]).name
        if file in BY_TEST:
            return nodeid.split("[")[0]
        return "study" if file in OF_THE_STUDY else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Return how tests are shared between processes."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the study, then whatever else runs Snakemake."""
    items.sort(
        key=lambda item: (item.path.name not in OF_THE_STUDY, item.path.parent.name != "workflow")
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose small study has been run whole."""
    project = Project(tmp_path_factory.mktemp("project"))
    run = project.snakemake()
    assert run.returncode == 0, run.stdout + run.stderr
    project.told = run.stderr
    return project


@pytest.fixture
def changed(project: Project) -> Iterator[Project]:
    """Yield the project; what the test changes in its code and config is undone afterwards."""
    kept = {
        path: (path.read_bytes(), path.stat())
        for name in ("workflow", "config", "envs")
        for path in project.path(name).rglob("*")
        if path.is_file()
    }
    yield project
    for path, (content, stat) in kept.items():
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """Return a project in which nothing has been run."""
    return Project(tmp_path / "project")
