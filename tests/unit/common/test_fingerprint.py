"""Fingerprints: they change with the meaning of a stage's code and pins, and only then."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Python = Callable[..., Any]

CODE = """
import sys
from jpegprep.common.fingerprint import fingerprint
print(*(fingerprint(script, sys.argv[1]) for script in sys.argv[2:]))
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

    def fingerprints(self, *scripts: str, environment: str = "train_timm.yaml") -> list[str]:
        """Return the fingerprints of some scripts, taken by a new process."""
        done = self._python(
            CODE,
            self.folder / "envs" / environment,
            *(self.folder / "scripts" / script for script in scripts),
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


SCRIPTS = ["build_manifest.py", "treat_shard.py", "train_timm.py", "draw_fig2.py"]


def test_a_fingerprint_is_sixteen_digits_and_each_stages_own(project: Project) -> None:
    """Stages have different fingerprints, short enough for a file of parameters."""
    found = project.fingerprints(*SCRIPTS)
    assert all(len(digits) == 16 and int(digits, 16) >= 0 for digits in found)
    assert len(set(found)) == len(SCRIPTS)


def test_another_checkout_has_the_same_fingerprints(
    root: Path, tmp_path: Path, python: Python, project: Project
) -> None:
    """Neither the folder nor the process matters: a clone elsewhere reruns nothing."""
    other = Project(root, tmp_path / "a clone" / "elsewhere", python)
    assert other.fingerprints(*SCRIPTS) == project.fingerprints(*SCRIPTS)


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
    before = project.fingerprints(*SCRIPTS)
    project.change("scripts/jpegprep/images/images.py", old, new)
    assert project.fingerprints(*SCRIPTS) == before


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
    before = project.fingerprints(*SCRIPTS)
    project.change("scripts/jpegprep/images/images.py", old, new)
    after = project.fingerprints(*SCRIPTS)
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        True,  # build_manifest.py
        True,  # treat_shard.py
        True,  # train_timm.py
        False,  # draw_fig2.py
    ]


def test_the_wording_of_an_error_does_not_count(project: Project) -> None:
    """What a job says when it fails is no part of what it makes."""
    before = project.fingerprints("build_manifest.py")
    project.change(
        "scripts/jpegprep/datasets/manifest.py", "class folders hold images", "classes are there"
    )
    assert project.fingerprints("build_manifest.py") == before


def test_a_change_to_a_figure_trains_nothing(project: Project) -> None:
    """Another colour in a figure changes the figure's fingerprint and no run's."""
    before = project.fingerprints(*SCRIPTS)
    project.change("scripts/jpegprep/results/figures/accuracy.py", '"viridis"', '"magma"')
    assert project.fingerprints(*SCRIPTS)[:3] == before[:3]
    assert project.fingerprints(*SCRIPTS)[3] != before[3]


def test_a_change_to_the_trainer_retrains_and_no_more(project: Project) -> None:
    """The trainer, imported only inside its job, counts for its runs and for nothing else."""
    before = project.fingerprints(*SCRIPTS)
    project.change("scripts/jpegprep/learners/training.py", '"adamw"', '"sgd"')
    after = project.fingerprints(*SCRIPTS)
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        *(False, False, True, False)
    ]


def test_a_change_to_a_module_that_nobody_imports_changes_nothing(project: Project) -> None:
    """Code that a stage does not use does not rerun it."""
    before = project.fingerprints(*SCRIPTS)
    (project.folder / "scripts" / "jpegprep" / "unused.py").write_text("x = 1\n")
    project.append("scripts/jpegprep/results/report.py", "\nx = 1\n")
    assert project.fingerprints(*SCRIPTS) == before


def test_how_failures_are_reported_does_not_count(project: Project) -> None:
    """Another wording of errors in a log reruns nothing: no result depends on it."""
    before = project.fingerprints(*SCRIPTS)
    project.append("scripts/jpegprep/common/errors.py", "\nx = 1\n")
    assert project.fingerprints(*SCRIPTS) == before


def test_how_files_are_fetched_does_not_count(project: Project) -> None:
    """Another way to fetch a file makes no other file: its checksum tells, and nothing reruns."""
    scripts = ["download_archive.py", "fetch_weights.py", *SCRIPTS]
    before = project.fingerprints(*scripts)
    project.append("scripts/jpegprep/datasets/fetch.py", "\nx = 1\n")
    assert project.fingerprints(*scripts) == before


def test_how_images_are_treated_counts_for_the_variants_alone(project: Project) -> None:
    """Another way to treat an image makes its variants again; what follows follows by its input."""
    scripts = ["treat_shard.py", "build_manifest.py", "train_timm.py", "measure_sizes.py"]
    before = project.fingerprints(*scripts)
    project.append("scripts/jpegprep/images/recompress.py", "\nx = 1\n")
    after = project.fingerprints(*scripts)
    changed = [one != other for one, other in zip(before, after, strict=True)]
    assert changed == [True, False, False, False]


def test_how_sizes_are_measured_counts_for_the_tables_alone(project: Project) -> None:
    """A change in the tables' own modules reruns no manifest, no shard, no training."""
    scripts = ["measure_sizes.py", *SCRIPTS]
    for module in ("sizes", "published"):
        before = project.fingerprints(*scripts)
        project.append(f"scripts/jpegprep/{module}.py", "\nx = 1\n")
        after = project.fingerprints(*scripts)
        changed = [one != other for one, other in zip(before, after, strict=True)]
        assert changed == [True, False, False, False, False], module


def test_an_import_of_an_import_counts(project: Project) -> None:
    """A module that is reached only through others counts: treat_shard imports it nowhere."""
    source = (project.folder / "scripts" / "treat_shard.py").read_text()
    assert "variants" not in source
    before = project.fingerprints("treat_shard.py")
    project.append("scripts/jpegprep/images/variants.py", "\nx = 1\n")
    assert project.fingerprints("treat_shard.py") != before


def test_a_change_to_the_script_counts(project: Project) -> None:
    """What the adapter itself does is part of the meaning."""
    before = project.fingerprints("train_timm.py")
    project.append("scripts/train_timm.py", "\nx = 1\n")
    assert project.fingerprints("train_timm.py") != before


def test_another_pinned_version_counts(project: Project) -> None:
    """A new version of a library, conda's or pip's, reruns the stage whose environment pins it."""
    before = project.fingerprints("train_timm.py")
    other = project.fingerprints("train_timm.py", environment="shards.yaml")
    project.change("envs/train_timm.yaml", "  - timm =1.0.3\n", "  - timm =1.0.4\n")
    pinned = project.fingerprints("train_timm.py")
    project.change("envs/train_timm.yaml", "model==0.1.0", "model==0.1.1")
    assert len({*before, *pinned, *project.fingerprints("train_timm.py")}) == 3
    assert project.fingerprints("train_timm.py", environment="shards.yaml") == other


def test_a_comment_or_another_order_in_an_environment_does_not_count(project: Project) -> None:
    """The same pins in another order, or with a comment, are the same environment."""
    before = project.fingerprints("train_timm.py")
    project.change("envs/train_timm.yaml", "  - timm =1.0.3\n", "")
    project.change(
        "envs/train_timm.yaml", "  - lightning", "  - timm =1.0.3 # a comment\n  - lightning"
    )
    assert project.fingerprints("train_timm.py") == before
