"""Fingerprints: they change with the meaning of a stage's code and pins, and only then."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Python = Callable[..., Any]

CODE = """
import sys
from jpegprep.common.fingerprint import fingerprint
print(*(fingerprint(code, sys.argv[1]) for code in sys.argv[2:]))
"""


class Project:
    """A copy of the scripts and environments, to be changed at will."""

    def __init__(self, root: Path, folder: Path, python: Python) -> None:
        """Copy them from the project's root to a folder."""
        shutil.copytree(
            root / "workflow" / "scripts",
            folder / "scripts",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        shutil.copytree(root / "envs", folder / "envs")
        self.folder = folder
        self._python = python

    def fingerprints(self, *code: str, environment: str = "learners_timm.yaml") -> list[str]:
        """Return the fingerprints of some functions, taken by a new process."""
        done = self._python(
            CODE,
            self.folder / "envs" / environment,
            *code,
            scripts=self.folder / "scripts",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def change(self, file: str, old: str, new: str) -> None:
        """Replace text in a file of the copy."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def append(self, file: str, text: str) -> None:
        """Append text to a file of the copy."""
        path = self.folder / file
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.fixture
def project(root: Path, tmp_path: Path, python: Python) -> Project:
    """Return a copy of the scripts and environments."""
    return Project(root, tmp_path / "project", python)


MANIFEST = "datasets.manifest:build_manifest"
VARIANT = "shards.treatments:write_variant_shards"
TRAINING = "learners.timm_learner:train"
FIGURE = "results.figures.accuracy:accuracy_vs_ratio"
SIZES = "results.tables.storage:size_vs_ratio"
FUNCTIONS = [MANIFEST, VARIANT, TRAINING, FIGURE]


def test_a_fingerprint_is_sixteen_digits_and_each_stages_own(project: Project) -> None:
    """Stages have different fingerprints, short enough for a file of parameters."""
    found = project.fingerprints(*FUNCTIONS)
    assert all(len(digits) == 16 and int(digits, 16) >= 0 for digits in found)
    assert len(set(found)) == len(FUNCTIONS)


def test_another_checkout_has_the_same_fingerprints(
    root: Path, tmp_path: Path, python: Python, project: Project
) -> None:
    """Neither the folder nor the process matters: a clone elsewhere reruns nothing."""
    other = Project(root, tmp_path / "a clone" / "elsewhere", python)
    assert other.fingerprints(*FUNCTIONS) == project.fingerprints(*FUNCTIONS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import io\n", "# A comment.\nimport io  # and another\n"),
        ('    """Encode losslessly', '    """Another docstring. Encode losslessly'),
        ('"""Decoding an image', '"""Another docstring of the module. Decoding an image'),
        ('image.save(buffer, "PNG")', "image.save(\n        buffer,\n        'PNG',\n    )"),
        ("\n\ndef ", "\n\n\n\n\ndef "),
    ],
    ids=["comment", "docstring", "docstring of the module", "formatting", "blank lines"],
)
def test_what_changes_no_meaning_changes_no_fingerprint(
    project: Project, old: str, new: str
) -> None:
    """Comments, docstrings and formatting rerun nothing."""
    before = project.fingerprints(*FUNCTIONS)
    project.change("scripts/jpegprep/images/images.py", old, new)
    assert project.fingerprints(*FUNCTIONS) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('image.save(buffer, "PNG")', 'image.save(buffer, "PNG", optimize=True)'),
        ('_JPEG_MODES = {"L", "RGB", "CMYK"}', '_JPEG_MODES = {"L", "RGB"}'),
        ('.convert("RGB")', '.convert("L")'),
    ],
    ids=["argument", "constant", "text"],
)
def test_a_change_in_meaning_changes_the_stages_that_use_it(
    project: Project, old: str, new: str
) -> None:
    """A change in how images are encoded reruns what encodes and trains, not the figures."""
    before = project.fingerprints(*FUNCTIONS)
    project.change("scripts/jpegprep/images/images.py", old, new)
    after = project.fingerprints(*FUNCTIONS)
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        True,  # the manifest
        True,  # the variant
        True,  # the training
        False,  # the figure
    ]


def test_the_wording_of_an_error_does_not_count(project: Project) -> None:
    """What a job says when it fails is no part of what it makes."""
    before = project.fingerprints(MANIFEST)
    project.change(
        "scripts/jpegprep/datasets/manifest.py", "class folders hold images", "classes are there"
    )
    assert project.fingerprints(MANIFEST) == before


def test_a_change_to_a_figure_trains_nothing(project: Project) -> None:
    """Another colour in a figure changes the figure's fingerprint and no run's."""
    before = project.fingerprints(*FUNCTIONS)
    project.change("scripts/jpegprep/results/figures/drawing.py", '"colorblind"', '"deep"')
    assert project.fingerprints(*FUNCTIONS)[:3] == before[:3]
    assert project.fingerprints(*FUNCTIONS)[3] != before[3]


def test_a_change_to_the_trainer_retrains_and_no_more(project: Project) -> None:
    """The trainer, imported only inside its job, counts for its runs and for nothing else."""
    before = project.fingerprints(*FUNCTIONS)
    project.change("scripts/jpegprep/learners/fitting.py", '"adamw"', '"sgd"')
    after = project.fingerprints(*FUNCTIONS)
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        *(False, False, True, False)
    ]


def test_a_change_to_a_module_that_nobody_imports_changes_nothing(project: Project) -> None:
    """Code that a stage does not use does not rerun it."""
    before = project.fingerprints(*FUNCTIONS)
    (project.folder / "scripts" / "jpegprep" / "unused.py").write_text("x = 1\n")
    project.append("scripts/jpegprep/results/report.py", "\nx = 1\n")
    assert project.fingerprints(*FUNCTIONS) == before


def test_how_failures_are_reported_does_not_count(project: Project) -> None:
    """Another wording of errors in a log reruns nothing: no result depends on it."""
    before = project.fingerprints(*FUNCTIONS)
    project.append("scripts/jpegprep/common/errors.py", "\nx = 1\n")
    assert project.fingerprints(*FUNCTIONS) == before


def test_how_files_are_fetched_does_not_count(project: Project) -> None:
    """Another way to fetch a file makes no other file: its checksum tells, and nothing reruns."""
    functions = ["datasets.weights:fetch_weights", *FUNCTIONS]
    before = project.fingerprints(*functions)
    project.append("scripts/jpegprep/datasets/fetch.py", "\nx = 1\n")
    assert project.fingerprints(*functions) == before


def test_how_images_are_treated_counts_for_the_variants_alone(project: Project) -> None:
    """Another way to treat an image makes its variants again; what follows follows by its input."""
    functions = [VARIANT, MANIFEST, TRAINING, SIZES]
    before = project.fingerprints(*functions)
    project.append("scripts/jpegprep/images/recompress.py", "\nx = 1\n")
    after = project.fingerprints(*functions)
    changed = [one != other for one, other in zip(before, after, strict=True)]
    assert changed == [True, False, False, False]


def test_how_sizes_are_measured_counts_for_the_tables_alone(project: Project) -> None:
    """A change in the tables' own modules reruns no manifest, no shard, no training."""
    functions = [SIZES, *FUNCTIONS]
    for module in ("shards/sizes", "results/tables/published"):
        before = project.fingerprints(*functions)
        project.append(f"scripts/jpegprep/{module}.py", "\nx = 1\n")
        after = project.fingerprints(*functions)
        changed = [one != other for one, other in zip(before, after, strict=True)]
        assert changed == [True, False, False, False, False], module


def test_an_import_of_an_import_counts(project: Project) -> None:
    """A module that is reached only through others counts: the figure imports it nowhere."""
    source = project.folder / "scripts/jpegprep/results/figures/accuracy.py"
    assert "common.files" not in source.read_text()
    before = project.fingerprints(FIGURE)
    project.append("scripts/jpegprep/common/files.py", "\nx = 1\n")
    assert project.fingerprints(FIGURE) != before


def test_another_function_of_the_same_module_counts(project: Project) -> None:
    """Two functions of a module make different things."""
    assert len(set(project.fingerprints(VARIANT, "shards.treatments:write_original_shards"))) == 2


def test_how_a_function_is_called_does_not_count(project: Project) -> None:
    """The adapters, and how they match names, are no part of a result."""
    before = project.fingerprints(*FUNCTIONS)
    for file in ("call.py", "train.py", "jpegprep/common/jobs.py"):
        project.append(f"scripts/{file}", "\nx = 1\n")
    assert project.fingerprints(*FUNCTIONS) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("images/images", "common/images"),
        ("images/recompress", "shards/recompress"),
        ("common/layout", "common/aaa_names"),
        ("learners/runs", "evaluation/records_of_runs"),
    ],
)
def test_where_a_module_lies_and_what_it_is_called_does_not_count(
    project: Project, old: str, new: str
) -> None:
    """A module that is moved or renamed, with all imports of it put right, reruns nothing."""
    before = project.fingerprints(*FUNCTIONS, SIZES)
    package = project.folder / "scripts" / "jpegprep"
    (package / f"{old}.py").rename(package / f"{new}.py")
    (old_folder, old_name), (new_folder, new_name) = old.split("/"), new.split("/")
    changed = 0
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        moved = text.replace(
            f"from jpegprep.{old_folder}.{old_name} import",
            f"from jpegprep.{new_folder}.{new_name} import",
        )
        moved = re.sub(
            rf"from jpegprep\.{old_folder} import (.*)\b{old_name}\b(.*)",
            lambda match: _moved(match, old_folder, new_folder, old_name, new_name),
            moved,
        )
        changed += moved != text
        path.write_text(moved, encoding="utf-8")
    assert changed
    _sort_imports(package)
    assert project.fingerprints(*FUNCTIONS, SIZES) == before


def _moved(match: "re.Match[str]", *names: str) -> str:
    """Return ``from folder import a, name, b`` with the moved name on a line of its own."""
    old_folder, new_folder, old_name, new_name = names
    rest = [name.strip() for name in f"{match[1]},{match[2]}".split(",") if name.strip()]
    lines = [f"from jpegprep.{new_folder} import {new_name} as {old_name}"]
    return "\n".join(lines + [f"from jpegprep.{old_folder} import {', '.join(rest)}"] * bool(rest))


def _sort_imports(package: Path) -> None:
    """Sort imports as the project's linter does."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "I", "--fix"]
    subprocess.run([*command, "--quiet", str(package)], check=True)


def test_another_pinned_version_counts(project: Project) -> None:
    """A new version of a library, conda's or pip's, reruns the stage whose environment pins it."""
    before = project.fingerprints(TRAINING)
    other = project.fingerprints(TRAINING, environment="shards.yaml")
    project.change("envs/learners_timm.yaml", "  - timm =1.0.3\n", "  - timm =1.0.4\n")
    pinned = project.fingerprints(TRAINING)
    project.change("envs/learners_timm.yaml", "model==0.1.0", "model==0.1.1")
    assert len({*before, *pinned, *project.fingerprints(TRAINING)}) == 3
    assert project.fingerprints(TRAINING, environment="shards.yaml") == other


def test_a_comment_or_another_order_in_an_environment_does_not_count(project: Project) -> None:
    """The same pins in another order, or with a comment, are the same environment."""
    before = project.fingerprints(TRAINING)
    project.change("envs/learners_timm.yaml", "  - timm =1.0.3\n", "")
    project.change(
        "envs/learners_timm.yaml", "  - lightning", "  - timm =1.0.3 # a comment\n  - lightning"
    )
    assert project.fingerprints(TRAINING) == before


def test_the_contents_of_a_folder_are_its_files_names_and_bytes(tmp_path: Path) -> None:
    """Templates have a fingerprint, too: of the same bytes under other names another."""
    from jpegprep.common.fingerprint import contents

    found = set()
    for i, files in enumerate([{"a": "x", "b": "y"}, {"a": "x", "b": "z"}, {"a": "x", "c": "y"}]):
        folder = tmp_path / str(i)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        found.add(contents(folder))
    assert len(found) == 3
    assert contents(tmp_path / "0") == contents(tmp_path / "0")
