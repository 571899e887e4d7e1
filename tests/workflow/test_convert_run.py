"""`snakemake convert`: the target of `make convert`, as jobs; killed, refused, told in advance."""

import re
import signal
import subprocess
import time

import pytest
from conversions import all_kinds, checksums, content, tree
from image_files import rich_files
from test_bad_input import one_line

from jpegprep.images.preserving import giving
from jpegprep.shards.conversion import convert
from jpegprep.shards.conversion_record import RECORD
from jpegprep.shards.verification import verify


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return a folder of real images of all kinds, its name with all that a shell would read."""
    return all_kinds(tmp_path_factory.mktemp("own") / "It's {mine} & yours (é)", 200)


def asked(source, target, *others):
    """Return the arguments of a conversion in about four jobs."""
    settings = [f"images={source}", f"to={target}", "quality=50", "job_minutes=0.001"]
    return ("convert", "--config", *settings, *others)


def of_data_set(found):
    """Return what belongs to the data set, and not to the conversion."""
    return {name: told for name, told in found.items() if not name.startswith(".jpegprep.")}


def test_the_target_is_that_of_one_process(tmp_path, fresh, source):
    """A dry run says how many jobs; the same bytes; asked again, nothing runs; nothing is left."""
    target = tmp_path / "It's a 'target' & of 50 %"
    jobs = fresh.planned(*asked(source, target))
    assert set(jobs) == {"convert_part", "record_conversion", "convert"}
    assert jobs["convert_part"] > 2
    assert not target.exists()
    run = fresh.snakemake(*asked(source, target))
    assert run.returncode == 0, run.stderr
    expected = convert(source, tmp_path / "whole", 50)
    for line in str(expected).splitlines():
        assert line in run.stderr
    assert of_data_set(checksums(target)) == of_data_set(checksums(tmp_path / "whole"))
    assert verify(target).shown == ["skipped (link or device): class0/link.png"]
    left = {path.name for path in target.iterdir() if path.name.startswith(".")}
    assert left == {".jpegprep.json", RECORD}
    assert fresh.planned(*asked(source, target)) == {}
    # Without a target a conversion is all that such a call is about.
    assert fresh.planned("--config", *asked(source, target)[2:]) == {}


def test_what_may_be_given_up_reaches_the_jobs(tmp_path, fresh):
    """With the range that is measured over all of them; asked again, nothing runs."""
    source, target = tree(tmp_path / "source", rich_files()), tmp_path / "target"
    words = {"depth": "8", "alpha": "white", "frames": "first", "metadata": "strip"}
    settings = [f"{name}={value}" for name, value in words.items()]
    run = fresh.snakemake(*asked(source, target, *settings))
    assert run.returncode == 0, run.stderr
    given, measure = giving(**words)
    expected = convert(source, tmp_path / "whole", 50, given=given, measure=measure)
    assert expected.images == len(rich_files()) and not expected.held
    for line in str(expected).splitlines():
        assert line in run.stderr
    assert content(target) == content(tmp_path / "whole")
    assert fresh.planned(*asked(source, target, *settings)) == {}


def test_a_changed_image_is_made_again_and_a_lost_target(tmp_path, fresh):
    """Of the jobs those run whose files changed; of the files that one is written."""
    source, target = all_kinds(tmp_path / "source", 60, side=48), tmp_path / "target"
    assert fresh.snakemake(*asked(source, target)).returncode == 0
    written = {path: path.stat().st_ino for path in target.rglob("*.jpg")}
    changed = source / "class0" / "00000.png"
    changed.write_bytes((source / "class1" / "00006.png").read_bytes())
    assert fresh.planned(*asked(source, target))["record_conversion"] == 1
    run = fresh.snakemake(*asked(source, target))
    assert run.returncode == 0, run.stderr
    convert(source, tmp_path / "whole", 50)
    assert content(target) == content(tmp_path / "whole")
    after = {path: path.stat().st_ino for path in target.rglob("*.jpg")}
    assert {path.name for path in written if written[path] != after[path]} == {"00000.jpg"}
    subprocess.run(["rm", "-r", target], check=True)
    assert fresh.snakemake(*asked(source, target)).returncode == 0
    assert content(target) == content(tmp_path / "whole")


def test_a_killed_one_goes_on(tmp_path, fresh, source):
    """Snakemake and its jobs are killed amid their work; what they had written stays."""
    target = tmp_path / "target"
    process = subprocess.Popen(
        fresh.command(*asked(source, target)),
        cwd=fresh.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(target.rglob("*.jpg")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=True)
    assert process.wait() == -signal.SIGKILL
    done = {path: path.stat().st_ino for path in target.rglob("*.jpg")}
    fresh.unlock()
    run = fresh.snakemake(*asked(source, target))
    assert run.returncode == 0, run.stderr
    convert(source, tmp_path / "whole", 50)
    assert of_data_set(checksums(target)) == of_data_set(checksums(tmp_path / "whole"))
    assert {path: path.stat().st_ino for path in done} == done


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["images={here}/none"], "none is neither a folder, nor an archive, nor a CSV"),
        (["quality=101"], "error: config/convert.yaml: quality is 101; quality is that of JPEG"),
        (["to={here}/{{x}}"], "{x}: Snakemake takes what stands in braces for a wildcard"),
        (["depth=8", "range=5"], "error: range is '5'; it is measured, full, or LOW,HIGH"),
        (["qualty=5"], "error: config/convert.yaml: the key qualty is unknown; did you mean"),
        (["to={here}/other"], "other: holds files, and no conversion of"),
        (
            ["images={here}/own", "to={here}/own/inside"],
            "which is only read; name a folder elsewhere",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, fresh, source, arguments, message):
    """Before anything runs."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    tree(tmp_path / "own", rich_files())
    given = [argument.format(here=tmp_path) for argument in arguments]
    run = fresh.snakemake(*asked(source, tmp_path / "target", *given))
    assert message in one_line(run)
    assert not (tmp_path / "target").exists()


def test_without_images_it_says_how_to_name_them(fresh):
    """`snakemake convert` alone is a question without its object."""
    run = fresh.snakemake("convert")
    assert run.returncode == 1
    assert re.search(
        r"^error: name images, folder and quality: snakemake --cores 8 convert --config "
        r"images=PATH to=PATH quality=50",
        run.stdout + run.stderr,
        re.M,
    )
