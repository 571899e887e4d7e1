"""Conversion in parts: any number of jobs, in any order and twice, gives the one target."""

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from conversions import all_kinds, content, tree
from image_files import photograph, rich_files, saved

from jpegprep.common.errors import UserError
from jpegprep.images.preserving import giving
from jpegprep.shards.conversion import convert
from jpegprep.shards.conversion_parts import (
    _watch,
    conversion_name,
    convert_part,
    divide,
    divided,
    part_name,
    record_conversion,
    record_file,
)
from jpegprep.shards.conversion_record import JOURNAL, RECORD, Journal, Row
from jpegprep.shards.verification import verify

Pack = Callable[..., Path]


class Jobs:
    """The jobs of a conversion of one source."""

    def __init__(
        self, source: Path, target: Path, folder: Path, minutes: float = 1e-4, **columns: str
    ) -> None:
        """Divide it into jobs of six milliseconds, or of so many minutes."""
        self.about = {"images": str(source), "to": str(target), "quality": 50}
        self.about |= {"allow_larger": False, "columns": columns}
        self.folder = folder
        self.parts = divide(**self.about, job_minutes=minutes, folder=folder).parts

    def run(self, number: int) -> None:
        """Run the job of a part."""
        done = self.folder / f"{number}.done"
        convert_part(self.folder / part_name(number), **self.about, done=done)
        assert done.exists()

    def finish(self) -> str:
        """Run the last job."""
        return record_conversion(**self.about)


def test_jobs_know_which_column_is_which(tmp_path: Path) -> None:
    """Of a CSV whose label could not be told; its new paths are those of one process."""
    source = all_kinds(tmp_path / "source", 20, side=48)
    rows = "".join(f"{name};{i % 2};x\n" for i, name in enumerate(sorted(content(source))))
    (source / "labels.csv").write_text(f"image_id;what;which\n{rows}")
    csv, columns = source / "labels.csv", {"label": "what"}
    convert(csv, tmp_path / "one", 50, columns=columns)
    jobs = Jobs(csv, tmp_path / "many", tmp_path / "parts", **columns)
    for number in range(jobs.parts):
        jobs.run(number)
    jobs.finish()
    assert content(tmp_path / "many") == content(tmp_path / "one")
    with pytest.raises(UserError, match="label is missing; .*label_column=NAME"):
        Jobs(csv, tmp_path / "none", tmp_path / "other")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "csv"])
def test_parts_make_the_same_target(tmp_path: Path, pack: Pack, kind: str) -> None:
    """In any order, some of them twice, some not at all: the last job makes what is missing."""
    source = all_kinds(tmp_path / "source", 60, side=48)
    if kind in ("zip", "tar"):
        source = pack(tmp_path / f"x.{kind}", content(source))
    if kind == "csv":
        rows = "".join(f"{name},x\n" for name in content(source))
        (source / "labels.csv").write_text(f"path,label\n{rows}")
        source = source / "labels.csv"
    expected = convert(source, tmp_path / "whole", 50)
    jobs = Jobs(source, tmp_path / "target", tmp_path / "parts")
    assert jobs.parts > 4
    order = [*range(jobs.parts), 0, 1]
    random.Random(0).shuffle(order)
    order = [number for number in order if number != 2]
    for number in order:
        jobs.run(number)
    with pytest.raises(UserError, match="holds no finished conversion"):
        verify(tmp_path / "target")
    assert jobs.finish() == f"{expected}\nrecord: {tmp_path / 'target' / RECORD}"
    assert content(tmp_path / "target") == content(tmp_path / "whole")
    lost = 1 if kind in ("folder", "csv") else 0  # the link
    assert verify(tmp_path / "target").count == lost
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in (tmp_path / "target").iterdir()} == names


@pytest.mark.parametrize("metadata", ["keep", "strip"])
def test_jobs_give_up_what_was_said_and_have_one_range(tmp_path: Path, metadata: str) -> None:
    """That of all parts together, which a later call keeps."""
    source = tree(tmp_path / "source", rich_files())
    words = {"depth": "8", "alpha": "white", "frames": "first", "metadata": metadata}
    given, measure = giving(**words)
    expected = convert(source, tmp_path / "whole", 50, given=given, measure=measure)
    assert (expected.images, expected.held) == (9, {})
    folder, target = tmp_path / "parts", tmp_path / "target"
    about = {"images": str(source), "to": str(target), "quality": 50, "allow_larger": False}
    parts = divide(**about, **words, job_minutes=1e-6, folder=folder)
    assert parts.parts == 9
    for number in range(parts.parts):
        done = tmp_path / "done"
        convert_part(folder / part_name(number), **about, done=done, given=parts.given)
    assert record_conversion(**about, given=parts.given).startswith(str(expected))
    assert content(target) == content(tmp_path / "whole")
    # 65,535 would be another range.
    brighter = photograph().convert("L").convert("I;16").point(lambda value: value * 200)
    tree(source, {"a/bright.png": saved(brighter, "PNG")})
    assert divide(**about, **words, job_minutes=1e-6, folder=folder).given == parts.given
    with pytest.raises(UserError, match="name an empty folder or a new one"):
        divide(**about, job_minutes=1, folder=folder)


def test_a_compressed_tar_is_one_part(tmp_path: Path, pack: Pack) -> None:
    """Each job would have to unpack all that stands before its part."""
    source = pack(tmp_path / "x.tar.gz", {f"a/{i}.txt": b"x" * 1000 for i in range(50)})
    jobs = Jobs(source, tmp_path / "target", tmp_path / "parts", minutes=1e-9)
    assert jobs.parts == 1
    jobs.run(0)
    assert jobs.finish().startswith("images: 0\nother files, copied: 50")


def test_what_is_listed_again_and_is_the_same_stays_the_same_file(
    tmp_path: Path, patches: Callable[..., list[bytes]]
) -> None:
    """So no job is stale; of a changed source only the parts that changed are."""
    pngs = patches("brick.png", 40)
    source = tree(tmp_path / "source", {f"a/{i:02}.png": data for i, data in enumerate(pngs)})
    folder = tmp_path / "parts"
    parts = Jobs(source, tmp_path / "target", folder).parts
    assert parts == divided(folder).parts and divided(folder).files == 40
    before = {path.name: path.stat().st_ino for path in folder.glob("part-*.parquet")}
    assert Jobs(source, tmp_path / "target", folder).parts == parts
    assert {path.name: path.stat().st_ino for path in folder.glob("part-*.parquet")} == before
    os.utime(source / "a" / "39.png", (1, 1))
    Jobs(source, tmp_path / "target", folder)
    after = {path.name: path.stat().st_ino for path in folder.glob("part-*.parquet")}
    assert {name for name in before if before[name] != after[name]} == {part_name(parts - 1)}


def test_mistakes_are_found_before_any_job(tmp_path: Path) -> None:
    """One line: no source, a target of something else; a listing that was lost."""
    source = tree(tmp_path / "source", {"a/0.png": b""})
    other = tree(tmp_path / "other", {"mine.txt": b"x"})
    with pytest.raises(UserError, match="is neither a folder, nor"):
        Jobs(tmp_path / "none", tmp_path / "target", tmp_path / "parts")
    with pytest.raises(UserError, match="name an empty folder or a new one"):
        Jobs(source, other, tmp_path / "parts")
    with pytest.raises(UserError, match="missing or damaged; call snakemake convert again"):
        divided(tmp_path / "parts")
    assert not (tmp_path / "target").exists()
    jobs = Jobs(source, tmp_path / "target", tmp_path / "parts")
    (tmp_path / "parts" / part_name(0)).write_bytes(b"")
    with pytest.raises(UserError, match="remove it, and call snakemake convert again"):
        jobs.run(0)


def test_a_part_may_be_empty_of_files(tmp_path: Path) -> None:
    """As of a folder without any."""
    (tmp_path / "source").mkdir()
    jobs = Jobs(tmp_path / "source", tmp_path / "target", tmp_path / "parts")
    assert jobs.parts == 0
    assert jobs.finish().startswith("images: 0\n")


def test_names_tell_conversions_apart() -> None:
    """By source, target and settings."""
    about = {"images": "/a", "to": "/x/My Target", "quality": 50}
    name = conversion_name(**about)
    assert name.startswith("my-target-") and conversion_name(**about) == name
    for change in ({"images": "/b"}, {"to": "/y/My Target"}, {"quality": 51}):
        assert conversion_name(**{**about, **change}) != name


def test_braces_in_a_target_are_refused(tmp_path: Path) -> None:
    """Snakemake knows no way to write them; those of a source are nothing to it."""
    assert record_file("/x/y") == f"/x/y/{RECORD}"
    with pytest.raises(UserError, match="in braces for a wildcard; name another folder, or"):
        Jobs(tree(tmp_path / "{a}", {"a/0.png": b""}), tmp_path / "{b}", tmp_path / "parts")
    assert Jobs(tmp_path / "{a}", tmp_path / "b", tmp_path / "parts").parts == 1


def test_progress_is_one_line_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts what all jobs have written; where nobody watches, it is a line a minute."""
    seconds = []

    def sleep(duration: float) -> None:
        seconds.append(duration)
        if len(seconds) in (30, 90, 150):  # a job ends
            with Journal(tmp_path) as journal:
                journal.add([Row(f"{len(seconds)}-{i}", "x", "copied") for i in range(40)])

    monkeypatch.setattr("jpegprep.shards.conversion_parts.time.sleep", sleep)
    terminal = io.StringIO()
    _watch(tmp_path, 120, terminal)
    assert terminal.getvalue() == "40 of 120 files (33%)\n80 of 120 files (67%)\n"
    assert len(seconds) == 150
    assert (tmp_path / JOURNAL).is_dir()
