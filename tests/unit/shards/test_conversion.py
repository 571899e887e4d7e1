"""Conversion: every image as JPEG in a folder of its own, nothing lost, and killed ones go on."""

import io
import os
import random
import resource
import shutil
import signal
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conversions import all_kinds, checksums, content, encoded, start, state, tree
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.images.preserving import Giving
from jpegprep.images.recompress import treat
from jpegprep.images.variants import parse_variant
from jpegprep.shards import conversion_record, sources
from jpegprep.shards.conversion import Summary, convert, main
from jpegprep.shards.conversion_record import JOURNAL, RECORD, read_record
from jpegprep.shards.verification import verify

Pack = Callable[..., Path]


def by_pillow(data: bytes, quality: int) -> bytes:
    """Return an image file as Pillow writes it at a quality."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def refusal(*arguments: Any, **settings: Any) -> str:
    """Return the message of the error that a conversion ends with, which is one line."""
    with pytest.raises(UserError) as error:
        convert(*arguments, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="session")
def pngs(patches: Callable[..., list[bytes]]) -> list[bytes]:
    """Return twelve different small images that JPEG makes smaller."""
    return patches("brick.png", 6) + patches("gravel.png", 6)


@pytest.fixture
def source(tmp_path: Path, pngs: list[bytes]) -> Path:
    """Return a folder of two classes of six images."""
    files = {f"{'brick' if i < 6 else 'gravel'}/{i}.png": data for i, data in enumerate(pngs)}
    return tree(tmp_path / "source", files)


# What is written


@pytest.mark.parametrize("quality", [1, 50, 99])
def test_images_are_what_pillow_writes(source: Path, tmp_path: Path, quality: int) -> None:
    """Each image is the JPEG file of Pillow at that quality, in its class folder."""
    before = content(source)
    summary = convert(source, tmp_path / "target", quality, keep_smaller=False)
    expected = {f"{name[:-4]}.jpg": by_pillow(data, quality) for name, data in before.items()}
    assert content(tmp_path / "target") == expected
    assert summary == Summary(
        images=12,
        before=sum(map(len, before.values())),
        after=sum(map(len, expected.values())),
        kept=0,
        unreadable=0,
        other=0,
        skipped=0,
    )


def test_any_number_of_threads_gives_the_same(source: Path, tmp_path: Path) -> None:
    """One thread or five: the same files, times and counts."""
    summaries = [convert(source, tmp_path / f"{n}", 30, threads=n) for n in (1, 5)]
    assert summaries[0] == summaries[1]
    assert content(tmp_path / "1") == content(tmp_path / "5")
    times = [
        {path.name: path.stat().st_mtime_ns for path in (tmp_path / n).rglob("*.jpg")} for n in "15"
    ]
    assert (
        times[0]
        == times[1]
        == {f"{path.stem}.jpg": path.stat().st_mtime_ns for path in source.rglob("*.png")}
    )


def test_what_would_be_larger_is_kept(tmp_path: Path, pngs: list[bytes]) -> None:
    """Such an image keeps its bytes and its name; --allow-larger converts it all the same."""
    small = encoded(pngs[0], "JPEG", quality=5)
    files = {"a/0.jpeg": small, "a/1.png": pngs[1], "b/0.jpg": encoded(pngs[2], "JPEG", quality=99)}
    source = tree(tmp_path / "source", files)
    assert len(by_pillow(small, 90)) > len(small)
    summary = convert(source, tmp_path / "kept", 90)
    assert content(tmp_path / "kept") == {
        "a/0.jpeg": small,
        "a/1.jpg": by_pillow(pngs[1], 90),
        "b/0.jpg": by_pillow(files["b/0.jpg"], 90),
    }
    assert (summary.images, summary.kept) == (3, 1)
    allowed = convert(source, tmp_path / "allowed", 90, keep_smaller=False)
    assert content(tmp_path / "allowed")["a/0.jpg"] == by_pillow(small, 90)
    assert (allowed.images, allowed.kept) == (3, 0)
    assert allowed.after > summary.after


def test_the_layout_stays(tmp_path: Path, pngs: list[bytes]) -> None:
    """Splits, deeper folders, strays and odd names are where they were."""
    names = [
        *("train/cat/0", "train/cat/old/0", "test/two\nlines/it's", "val/日本 ü/-rf", "stray"),
        *("train/cat/x.y", "a,b/100%"),
    ]
    source = tree(tmp_path / "source", {f"{name}.png": pngs[0] for name in names})
    raw = os.fsdecode(os.fsencode(source) + b"/train/\xff.PNG")
    Path(raw).write_bytes(pngs[1])
    convert(source, tmp_path / "target", 50)
    assert content(tmp_path / "target") == {
        **{f"{name}.jpg": by_pillow(pngs[0], 50) for name in names},
        os.fsdecode(b"train/\xff.jpg"): by_pillow(pngs[1], 50),
    }


def test_names_as_long_as_names_can_be(tmp_path: Path, pngs: list[bytes]) -> None:
    """A file name of 255 bytes works."""
    source = tree(tmp_path / "source", {f"a/{'ü' * 125}x.png": pngs[0]})
    convert(source, tmp_path / "target", 50)
    assert list(content(tmp_path / "target")) == [f"a/{'ü' * 125}x.jpg"]


def test_formats_and_modes_as_in_a_study(tmp_path: Path, photos: Path) -> None:
    """Turned, transparent, palette and CMYK images become what the treatment makes."""
    with Image.open(photos / "astronaut.png") as photograph:
        image = photograph.resize((96, 64))
    exif = Image.Exif()
    exif[274] = 6
    files = {}
    for name, picture, form, settings in [
        ("turned.jpg", image, "JPEG", {"exif": exif, "quality": 95}),
        ("alpha.webp", image.convert("RGBA"), "WEBP", {"lossless": True}),
        ("palette.gif", image.convert("P"), "GIF", {}),
        ("print.tif", image.convert("CMYK"), "TIFF", {}),
        ("gray.bmp", image.convert("L"), "BMP", {}),
    ]:
        buffer = io.BytesIO()
        picture.save(buffer, form, **settings)
        files[f"a/{name}"] = buffer.getvalue()
    source = tree(tmp_path / "source", files)
    convert(source, tmp_path / "target", 40, given=Giving(metadata=True))
    expected = {
        f"{name.rpartition('.')[0]}.jpg": treat(data, parse_variant("jpeg-q40"))
        for name, data in files.items()
    }
    assert content(tmp_path / "target") == expected
    convert(source, tmp_path / "with", 40)
    found = content(tmp_path / "with")
    assert set(found) == set(expected)
    # Metadata stand between the first segment and what the treatment makes behind that.
    assert all(found[name].endswith(data[20:]) for name, data in expected.items())
    with Image.open(io.BytesIO(found["a/turned.jpg"])) as upright:
        assert upright.size == (64, 96)
        assert upright.getexif()[274] == 1


def test_what_is_no_image_is_copied(tmp_path: Path, pngs: list[bytes]) -> None:
    """Texts, hidden files and damaged images are there as they were, and counted."""
    photo = encoded(pngs[0], "JPEG", quality=95)
    damaged = {"a/cut.jpg": photo[:-40], "a/half.png": pngs[0][:700], "a/fake.png": b"<html>"}
    damaged["a/empty.jpg"] = b""
    others = {"README.md": b"x", "a/notes.txt": b"y", "a/.hidden.png": pngs[0], ".git/x.png": b""}
    hidden_image = {"a/photo": pngs[1], "a/wrong.txt": pngs[2]}  # images without such a name
    source = tree(tmp_path / "source", {"a/0.png": pngs[0], **damaged, **others, **hidden_image})
    summary = convert(source, tmp_path / "target", 50, threads=2)
    assert content(tmp_path / "target") == {
        **damaged,
        **others,
        "a/0.jpg": by_pillow(pngs[0], 50),
        "a/photo.jpg": by_pillow(pngs[1], 50),
        "a/wrong.txt.jpg": by_pillow(pngs[2], 50),
    }
    assert (summary.images, summary.unreadable, summary.other) == (3, 4, 4)
    assert summary.before == sum(len(pngs[i]) for i in (0, 1, 2))
    again = convert(source, tmp_path / "target", 50)
    assert again == summary


def test_an_image_of_too_many_pixels_is_copied(tmp_path: Path) -> None:
    """A bomb, and what is longer than JPEG can be, stay as they are."""
    files = {}
    for name, size in (("bomb", (20_000, 20_000)), ("long", (66_000, 1))):
        buffer = io.BytesIO()
        Image.new("1", size).save(buffer, "PNG")
        files[f"a/{name}.png"] = buffer.getvalue()
    summary = convert(tree(tmp_path / "source", files), tmp_path / "target", 50)
    assert content(tmp_path / "target") == files
    assert (summary.images, summary.unreadable) == (0, 2)


def test_names_that_would_meet_are_told_apart(tmp_path: Path, pngs: list[bytes]) -> None:
    """a.png beside a.jpg becomes a.png.jpg, whatever is kept; no file is lost."""
    jpeg = encoded(pngs[0], "JPEG", quality=95)
    files = {
        "c/a.png": pngs[1],
        "c/a.jpg": jpeg,
        "c/b.png": pngs[2],
        "c/b.webp": encoded(pngs[3], "WEBP", lossless=True),
        "c/d.PNG": pngs[4],
        "c/D.jpg": jpeg,
        "c/e.png": pngs[5],
        "c/e.txt": b"a caption",
        "c/f.png": pngs[6],
        "c/f.jpg/0.png": pngs[7],
        "c/g.png": pngs[8],
        "c/g.jpg": encoded(pngs[9], "JPEG", quality=5),
        "c/g.png.jpg": encoded(pngs[10], "JPEG", quality=5),
    }
    summary = convert(tree(tmp_path / "source", files), tmp_path / "target", 40)
    assert content(tmp_path / "target") == {
        "c/a.png.jpg": by_pillow(pngs[1], 40),
        "c/a.jpg": by_pillow(jpeg, 40),
        "c/b.png.jpg": by_pillow(pngs[2], 40),
        "c/b.webp.jpg": by_pillow(files["c/b.webp"], 40),
        "c/d.PNG.jpg": by_pillow(pngs[4], 40),
        "c/D.jpg": by_pillow(jpeg, 40),
        "c/e.jpg": by_pillow(pngs[5], 40),
        "c/e.txt": b"a caption",
        "c/f.png.jpg": by_pillow(pngs[6], 40),
        "c/f.jpg/0.jpg": by_pillow(pngs[7], 40),
        "c/g.png.jpg.jpg": by_pillow(pngs[8], 40),
        "c/g.jpg": files["c/g.jpg"],
        "c/g.png.jpg": files["c/g.png.jpg"],
    }
    assert (summary.images, summary.kept, summary.other) == (12, 2, 1)


def test_links_are_skipped_and_counted(source: Path, tmp_path: Path) -> None:
    """Links in and out of the folder, and pipes, are not followed."""
    (source / "brick" / "out.png").symlink_to("/etc/passwd")
    (source / "brick" / "in.png").symlink_to("0.png")
    (source / "door").symlink_to(source.parent)
    os.mkfifo(source / "brick" / "pipe.png")
    summary = convert(source, tmp_path / "target", 50)
    assert (summary.images, summary.skipped) == (12, 4)
    assert len(content(tmp_path / "target")) == 12


def test_the_source_is_never_touched(source: Path, tmp_path: Path) -> None:
    """Neither files nor times of the source change, even where a target is refused."""
    before = state(source)
    convert(source, tmp_path / "target", 50, threads=2)
    for target in (source, source / "brick", source / "new"):
        assert "which is only read; name a folder elsewhere" in refusal(source, target, 50)
    assert state(source) == before


# Archives and CSVs


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_becomes_a_folder(source: Path, tmp_path: Path, pack: Pack, kind: str) -> None:
    """A tar or zip gives the files that its folder gives."""
    archive = pack(tmp_path / f"x.{kind}", content(source))
    assert convert(archive, tmp_path / "a", 50, threads=2) == convert(source, tmp_path / "b", 50)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    before = state(tmp_path / "a")
    convert(archive, tmp_path / "a", 50)
    assert {n: s for n, s in state(tmp_path / "a").items() if n.endswith("g")} == {
        n: s for n, s in before.items() if n.endswith("g")
    }


def test_hostile_archives_write_nothing_elsewhere(
    tmp_path: Path, pack: Pack, pngs: list[bytes]
) -> None:
    """Names that lead out, links, devices, files below files: skipped and counted."""
    names = [
        "../x.png",
        "/tmp/jpegprep-abs/x.png",
        "a/../../x.png",
        ".jpegprep.json",
        "a/0.png/x.png",
    ]
    inside = tmp_path / "in"
    inside.mkdir()
    archive = pack(inside / "x.tar", [(name, pngs[0]) for name in ["a/0.png", "a/1.png", *names]])
    with tarfile.open(archive, "a") as tar:
        for name, kind in (("a/l.png", tarfile.SYMTYPE), ("a/h.png", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        device = tarfile.TarInfo("a/d.png")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
    summary = convert(archive, inside / "target", 50)
    assert sorted(content(inside / "target")) == ["a/0.png/x.jpg", "a/1.jpg"]
    assert (summary.images, summary.skipped) == (2, 8)
    assert sorted(path.name for path in inside.iterdir()) == ["target", "x.tar"]
    assert not Path("/tmp/jpegprep-abs").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_of_one_name_the_last_counts(tmp_path: Path, pngs: list[bytes]) -> None:
    """As when the archive is unpacked."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for i in range(3):
            archive.writestr("a/0.png", pngs[i])
    summary = convert(tmp_path / "x.zip", tmp_path / "target", 50, threads=4)
    assert content(tmp_path / "target") == {"a/0.jpg": by_pillow(pngs[2], 50)}
    assert (summary.images, summary.skipped) == (1, 2)


def test_a_csv_is_written_anew(tmp_path: Path, pngs: list[bytes]) -> None:
    """The files that it names, and the CSV with their new paths and all its other columns."""
    small = encoded(pngs[1], "JPEG", quality=5)
    files = {"all/0.png": pngs[0], "all/kept.jpeg": small, 'odd, "x".png': pngs[2]}
    source = tree(tmp_path / "source", {**files, "all/unnamed.png": pngs[3]})
    (source / "link.png").symlink_to("all/0.png")
    table = pd.DataFrame(
        {
            "Id": ["1", "2", "3", "4"],
            "Label": ["cat", "über, dog", "two\nlines", "cat"],
            "Path": [*files, "link.png"],
        }
    )
    table.to_csv(source / "labels.csv", index=False)
    summary = convert(source / "labels.csv", tmp_path / "target", 60)
    assert (summary.images, summary.kept, summary.skipped) == (3, 1, 1)
    found = content(tmp_path / "target")
    written = pd.read_csv(io.BytesIO(found.pop("labels.csv")), dtype=str)
    assert found == {
        "all/0.jpg": by_pillow(pngs[0], 60),
        "all/kept.jpeg": small,
        'odd, "x".jpg': by_pillow(pngs[2], 60),
    }
    expected = table[:3].assign(Path=["all/0.jpg", "all/kept.jpeg", 'odd, "x".jpg'])
    pd.testing.assert_frame_equal(written, expected)


# Going on


def test_a_second_call_does_nothing(source: Path, tmp_path: Path) -> None:
    """Files that are there stay the same files, and the counts are those of the first call."""
    first = convert(source, tmp_path / "target", 50)
    before = state(tmp_path / "target")
    assert convert(source, tmp_path / "target", 50, threads=3) == first
    del before["."]  # the folder for what is unfinished came and went
    after = state(tmp_path / "target")
    del after["."]
    assert after == before


def test_what_changed_in_the_source_is_made_again(
    source: Path, tmp_path: Path, pngs: list[bytes]
) -> None:
    """A changed image, one that is now kept, and a new one; the rest stays."""
    target = tmp_path / "target"
    convert(source, target, 50)
    before = state(target)
    rng = np.random.default_rng(0)
    noise = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (2, 2), np.uint8)).save(noise, "PNG")
    (source / "brick" / "0.png").write_bytes(pngs[7])
    (source / "brick" / "1.png").write_bytes(noise.getvalue())  # smaller than any JPEG
    (source / "brick" / "new.png").write_bytes(pngs[8])
    summary = convert(source, target, 50)
    found = content(target)
    assert found["brick/0.jpg"] == by_pillow(pngs[7], 50)
    assert found["brick/1.png"] == noise.getvalue()
    assert found["brick/new.jpg"] == by_pillow(pngs[8], 50)
    assert len(found) == 13
    assert (summary.images, summary.kept) == (13, 1)
    assert all(state(target)[n] == s for n, s in before.items() if n.startswith("gravel/"))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_killed_conversion_goes_on(tmp_path: Path, pack: Pack, photos: Path, kind: str) -> None:
    """Killed in the middle and called again, it ends as if nothing had happened."""
    photo = (photos / "brick.png").read_bytes()
    files = {f"{'ab'[i % 2]}/{i:02}.png": photo for i in range(60)} | {"a/x.txt": b"x" * 1000}
    source = pack(tmp_path / "x.zip", files) if kind == "zip" else tree(tmp_path / "x", files)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = convert(source, whole, 50, threads=2)
    arguments = [source, broken, "--quality", "50", "--threads", "2"]
    process = start(*arguments)
    while len(list(broken.rglob("*.jpg"))) < 8:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_ino for path in broken.rglob("*.jpg")}
    assert 8 <= len(done) < 60
    # What had its name was whole.
    assert all(
        path.read_bytes() == (whole / path.relative_to(broken)).read_bytes() for path in done
    )
    finished = start(*arguments)
    assert finished.communicate()[0].startswith(f"{expected}\nrecord: {broken}/")
    assert content(broken) == content(whole)
    assert {path: path.stat().st_ino for path in done} == done
    assert sorted(path.name for path in broken.iterdir()) == sorted(p.name for p in whole.iterdir())


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_nothing_is_lost(tmp_path: Path, kills: int) -> None:
    """The target is that of an undisturbed conversion, and no file of the source was touched."""
    source = all_kinds(tmp_path / "source", 20 * kills, side=192)
    untouched = checksums(source)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    began = time.monotonic()
    expected = convert(source, whole, 50)
    step = 2 * (time.monotonic() - began) / kills
    rng = random.Random(kills)
    for kill in range(kills):
        process = start(source, broken, "--quality", 50, "--threads", 2)
        # Every fourth is killed before it begins, or soon after; the others amid their work.
        before = files(broken)
        while kill % 4 and process.poll() is None and files(broken) == before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, step if kill % 4 else 2))
        process.kill()
        process.communicate()
        print(f"kill {kill}: {files(broken)} of {len(content(whole))} files are there")
    assert convert(source, broken, 50, threads=2) == expected
    assert checksums(source) == untouched
    assert {n: s for n, s in checksums(broken).items() if not n.startswith(".jpegprep.")} == {
        n: s for n, s in checksums(whole).items() if not n.startswith(".jpegprep.")
    }
    assert told(broken) == told(whole)
    assert {p.name for p in broken.iterdir()} == {p.name for p in whole.iterdir()}
    assert verify(broken).lines() == ["skipped (link or device): class0/link.png"]


def files(folder: Path) -> int:
    """Return how many files of a data set are below a folder."""
    return sum(len(names) for place, _, names in os.walk(folder) if ".jpegprep." not in place)


def told(target: Path) -> list[dict[str, Any]]:
    """Return a record but for the moments at which its files came."""
    table = read_record(target).sort_by("source")
    return table.drop(["target_ctime_ns"]).to_pylist()


def test_what_is_done_is_not_read_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the source's files nor the target's: names, sizes and times tell."""
    small = encoded((source / "brick" / "0.png").read_bytes(), "JPEG", quality=5)
    tree(source, {"brick/kept.jpg": small, "brick/cut.jpg": small[:-100], "brick/x.txt": b"x"})
    first = convert(source, tmp_path / "target", 50)

    def unexpected(*arguments: object) -> None:
        raise AssertionError(f"read: {arguments}")

    monkeypatch.setattr(sources, "read_listed", unexpected)
    monkeypatch.setattr(conversion_record, "sha256_of", lambda path: Path(path).name)
    assert convert(source, tmp_path / "target", 50) == first


def test_a_target_that_was_changed_is_not_trusted(source: Path, tmp_path: Path) -> None:
    """Nor if its size and time are as before; one that was only touched stays as it is."""
    target = tmp_path / "target"
    convert(source, target, 50)
    before = content(target)
    changed, touched, gone = (target / "brick" / f"{i}.jpg" for i in range(3))
    status = changed.stat()
    changed.write_bytes(bytes(reversed(changed.read_bytes())))
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(touched, (1, 1))
    inode = touched.stat().st_ino
    gone.unlink()
    convert(source, target, 50)
    assert content(target) == before
    assert touched.stat().st_ino == inode
    assert verify(target).count == 0


def test_what_has_no_source_any_more_is_left(
    source: Path, tmp_path: Path, pngs: list[bytes]
) -> None:
    """Who converts the only copy, and removes it, keeps what was made; nothing takes its place."""
    target = tmp_path / "target"
    convert(source, target, 50)
    old = (target / "brick" / "0.jpg").read_bytes()
    (source / "brick" / "0.png").unlink()
    (source / "brick" / "0.webp").write_bytes(encoded(pngs[9], "WEBP", lossless=True))
    shutil.rmtree(source / "gravel")
    summary = convert(source, target, 50)
    assert (summary.images, summary.left) == (6, 7)
    assert (target / "brick" / "0.jpg").read_bytes() == old
    assert len(list(target.glob("gravel/*.jpg"))) == 6
    assert (target / "brick" / "0.webp.jpg").exists()
    assert verify(target).count == 0
    assert convert(source, target, 50) == summary
    (target / "brick" / "0.jpg").unlink()  # its owner does not want it any more
    assert convert(source, target, 50).left == 6
    assert verify(target).count == 0


def test_a_name_that_another_file_claims_moves(
    source: Path, tmp_path: Path, pngs: list[bytes]
) -> None:
    """As if all had been there from the first call; the old name stands for nothing any more."""
    target = tmp_path / "target"
    convert(source, target, 50)
    (source / "brick" / "0.webp").write_bytes(encoded(pngs[9], "WEBP", lossless=True))
    convert(source, target, 50)
    convert(source, tmp_path / "at-once", 50)
    assert content(target) == content(tmp_path / "at-once")
    assert (target / "brick" / "0.png.jpg").exists()
    assert not (target / "brick" / "0.jpg").exists()
    assert verify(target).count == 0


@pytest.mark.parametrize("lost", ["record", "journal"])
def test_a_damaged_record_costs_time_alone(source: Path, tmp_path: Path, lost: str) -> None:
    """What stands there is compared with what is made again, and stays."""
    target = tmp_path / "target"
    first = convert(source, target, 50)
    record = target / RECORD
    if lost == "journal":
        (target / JOURNAL).mkdir()
        record.rename(target / JOURNAL / "1-12.parquet")
        record = target / JOURNAL / "1-12.parquet"
    cut = record.read_bytes()[:-50]
    record.write_bytes(cut)
    inodes = {path: path.stat().st_ino for path in target.rglob("*.jpg")}
    with pytest.raises(UserError, match="damaged" if lost == "record" else "no finished"):
        verify(target)
    assert convert(source, target, 50) == first
    assert {path: path.stat().st_ino for path in target.rglob("*.jpg")} == inodes
    assert verify(target).count == 0


def test_two_conversions_to_one_target(source: Path, tmp_path: Path, photos: Path) -> None:
    """The second is refused in one line; the lock of one that was killed is none."""
    photo = (photos / "brick.png").read_bytes()
    tree(source, {f"brick/x{i}.png": photo for i in range(200)})
    target = tmp_path / "target"
    first = start(source, target, "--quality", 50)
    while not list(target.rglob("*.jpg")):
        assert first.poll() is None
        time.sleep(0.01)
    for threads in (1, 2):
        message = refusal(source, target, 50, threads=threads)
        assert message.startswith(f"{target}: process {first.pid} on ")
        assert message.endswith("is writing to it; wait until it has ended, or stop it")
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert (target / ".jpegprep.lock").exists()
    summary = convert(source, target, 50)
    assert summary.images == 212
    assert not (target / ".jpegprep.lock").exists()
    assert convert(source, tmp_path / "other", 50) == summary
    assert content(target) == content(tmp_path / "other")


# What is refused


def test_a_target_of_something_else_is_refused(source: Path, tmp_path: Path, pack: Pack) -> None:
    """Other files, another source, another quality, other settings, another archive."""
    target = tmp_path / "target"
    convert(source, target, 50)
    before = state(target)
    twin = shutil.copytree(source, tmp_path / "twin")
    for arguments in ((source, target, 51), (twin, target, 50)):
        assert "name an empty folder or a new one" in refusal(*arguments)
    assert "name an empty" in refusal(source, target, 50, keep_smaller=False)
    archive = pack(tmp_path / "x.zip", content(source))
    convert(archive, tmp_path / "b", 50)
    os.utime(archive, (1, 1))
    assert "name an empty" in refusal(archive, tmp_path / "b", 50)
    other = tree(tmp_path / "other", {"mine.txt": b"x"})
    assert "name an empty" in refusal(source, other, 50)
    assert content(other) == {"mine.txt": b"x"}
    (other / ".jpegprep.json").write_text("no JSON")
    assert "name an empty" in refusal(source, other, 50)
    assert state(target) == before
    assert "no folder" in refusal(source, archive, 50)
    assert "no folder" in refusal(source, archive / "below", 50)
    assert "is neither a folder, nor" in refusal(tmp_path / "gone", target, 50)
    # The parent of the source holds the source, which is no conversion.
    assert "name an empty" in refusal(source, tmp_path, 50)


def test_a_converted_folder_can_be_converted(source: Path, tmp_path: Path) -> None:
    """The record of the first conversion is not taken for a file of the data set."""
    convert(source, tmp_path / "q90", 90)
    summary = convert(tmp_path / "q90", tmp_path / "q10", 10)
    assert (summary.images, summary.other) == (12, 0)
    assert convert(tmp_path / "q90", tmp_path / "q10", 10) == summary


def test_a_full_disk_is_one_line(source: Path, tmp_path: Path) -> None:
    """What cannot be written is named; called again with room, it goes on."""
    big = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(big).save(buffer, "PNG")
    (source / "gravel" / "big.png").write_bytes(buffer.getvalue())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        message = refusal(source, tmp_path / "target", 90)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "call again: it goes on" in message
    assert len(content(tmp_path / "target")) >= 6
    assert convert(source, tmp_path / "target", 90).images == 13
    assert convert(source, tmp_path / "whole", 90).images == 13
    assert content(tmp_path / "target") == content(tmp_path / "whole")


# The command line


def test_the_command_line(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints images, bytes before and after; 1 and one line where something is wrong."""
    target = str(tmp_path / "target")
    assert main([str(source), target, "--quality", "50"]) == 0
    before, after = (sum(map(len, content(path).values())) for path in (source, Path(target)))
    assert capsys.readouterr().out == (
        f"images: 12\nbytes of the images: {before:,} -> {after:,} ({after / before:.1%})\n"
        f"record: {target}/.jpegprep.conversion.parquet\n"
    )
    assert main([str(source), target, "--quality", "60", "--threads", "2"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {target}: holds files")
    assert captured.err.count("\n") == 1
    for quality in ("0", "100", "-5"):
        assert main([str(source), str(tmp_path / "new"), f"--quality={quality}"]) == 1
        assert f"quality is {quality}; a JPEG quality is" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


AS_NOBODY = """
import os, sys
from jpegprep.shards import conversion
from jpegprep.datasets.listing import image_suffixes
image_suffixes()
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
status = conversion.main([*sys.argv[1:], "--quality", "50"])
sys.stdout.flush(), sys.stderr.flush()
os._exit(status)  # without coverage, which would write where nobody may
"""


def test_without_permission_it_is_one_line(pngs: list[bytes], python: Callable[..., Any]) -> None:
    """An image that may not be read, and a folder that may not be written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        source = tree(folder / "source", {"a/0.png": pngs[0], "b/0.png": pngs[1]})
        locked = folder / "locked"
        locked.mkdir()
        locked.chmod(0o555)
        done = python(AS_NOBODY, source, locked / "target")
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {locked}/target: ")
        assert done.stderr.count("\n") == 1
        (source / "b" / "0.png").chmod(0)
        done = python(AS_NOBODY, source, folder / "target")
        assert done.returncode == 1
        assert f"{source}/b/0.png: no permission to read it" in done.stderr
        assert done.stderr.count("\n") == 1
        locked.chmod(0o755)
