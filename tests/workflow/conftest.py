"""A small study in a copy of the project, run once for all tests of the workflow."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import Project


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let two processes share the tests: one has those of the small study, which take longest."""

    def group(item: pytest.Item) -> str:
        return "study" if "project" in getattr(item, "fixturenames", ()) else item.path.name

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: group(item) != "study")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose small study has been run whole."""
    project = Project(tmp_path_factory.mktemp("project"))
    run = project.snakemake()
    assert run.returncode == 0, run.stdout + run.stderr
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
