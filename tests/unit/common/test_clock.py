"""Times in the future: mended in their order, all others left."""

import os
import time
from pathlib import Path

from jpegprep.common.clock import mend_times


def put(path: Path, seconds: float) -> Path:
    """Write a file with a time so many seconds from now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("content")
    os.utime(path, (time.time() + seconds, time.time() + seconds))
    return path


def test_the_order_of_times_is_kept(tmp_path: Path) -> None:
    """Past before present before future, and equal times stay equal."""
    past = put(tmp_path / "a/past", -5)
    names = {"c": 3600, "a": 7200, "b": 5000}
    future = {name: put(tmp_path / "a" / name, seconds) for name, seconds in names.items()}
    same = put(tmp_path / "b/same", 0)
    os.utime(same, ns=(future["b"].stat().st_mtime_ns,) * 2)
    before = past.stat().st_mtime_ns
    told = mend_times(tmp_path / "a", tmp_path / "b")
    assert told and told.startswith("4 files had times up to 7,200 s in the future")
    found = [future[name].stat().st_mtime_ns for name in ("c", "b", "a")]
    assert before == past.stat().st_mtime_ns < found[0] < found[1] < found[2] <= time.time_ns()
    assert same.stat().st_mtime_ns == found[1]
    assert mend_times(tmp_path) is None


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What a link leads to may be anybody's; a broken one hinders nothing."""
    other = put(tmp_path / "elsewhere/file", 3600)
    before = other.stat().st_mtime_ns
    (tmp_path / "results").mkdir()
    (tmp_path / "results/link").symlink_to(other)
    (tmp_path / "results/broken").symlink_to(tmp_path / "nowhere")
    mend_times(tmp_path / "results", tmp_path / "no such folder")
    assert other.stat().st_mtime_ns == before
