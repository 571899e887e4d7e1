"""Reading: a limit that really delays, seconds that follow from it, and an honest verdict."""

import io
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.evaluation.reading_table import reading_table
from jpegprep.results.figures.reading import reading_vs_ratio
from jpegprep.shards.reading import COLUMNS, Throttle, measure, measure_reading
from jpegprep.shards.shards import pack, writing_shard
from jpegprep.shards.treatments import treat_shard

Files = Callable[..., list[bytes]]


def shard(path: Path, files: Sequence[bytes], first: int = 0, count: int = 1) -> Path:
    """Write a shard of image files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = ((f"image-{first + i:05d}", 0, data, data) for i, data in enumerate(files))
    with writing_shard(path, "original", "test", count) as writer:
        writer.append(pack(samples))
    return path


@pytest.fixture(scope="module")
def photographs(photos: Path) -> list[bytes]:
    """Return JPEG files of quality 95 of photographs' parts, some 100 kB each."""
    files = []
    for name in ("astronaut.png", "coffee.png", "ihc.png"):
        with Image.open(photos / name) as image:
            for left in (0, 30, 60):
                buffer = io.BytesIO()
                part = image.convert("RGB").crop((left, 0, left + 380, 380))
                part.info.clear()
                part.save(buffer, "JPEG", quality=95)
                files.append(buffer.getvalue())
    return files


@pytest.fixture(scope="module")
def ratios(tmp_path_factory: pytest.TempPathFactory, photographs: list[bytes]) -> Any:
    """Return two shards with the photographs, at ratios 1.0 and 0.2."""
    folder = tmp_path_factory.mktemp("shards")
    original = [
        shard(folder / "train-0.tar", photographs[:4], count=2),
        shard(folder / "train-1.tar", photographs[4:], first=4, count=2),
    ]
    compressed = [folder / "q20" / tar.name for tar in original]
    for source, target in zip(original, compressed, strict=True):
        treat_shard(source, "jpeg-q20", target, 1)
    return {1.0: original, 0.2: compressed}


@pytest.mark.parametrize("threads", [1, 4])
def test_five_megabytes_at_ten_megabytes_a_second_take_half_a_second(threads: int) -> None:
    """Bytes pass at the bandwidth, whoever takes them, and never faster."""

    def work(pieces: Iterator[int], throttle: Throttle) -> None:
        for piece in pieces:
            throttle.take(piece)

    def seconds() -> float:
        pieces, throttle, begin = iter([50_000] * 100), Throttle(10e6), time.monotonic()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, [pieces] * threads, [throttle] * threads))
        return time.monotonic() - begin

    # The least of two, since a busy machine only adds to it.
    assert 0.499 <= min(seconds(), seconds()) < 0.75


def test_an_idle_throttle_saves_up_little() -> None:
    """After a pause bytes pass no faster than before, but for 1/50 s."""
    throttle = Throttle(10e6)
    time.sleep(0.3)
    begin = time.monotonic()
    throttle.take(2_000_000)
    assert 0.2 - 1 / 50 <= time.monotonic() - begin + 1e-3 < 0.4


@pytest.fixture(scope="module")
def epochs(ratios: Any) -> pd.DataFrame:
    """Return what two threads take at both ratios, at 2 MB/s and without a limit."""
    return measure(ratios, [2], 2)


def test_from_a_slow_disk_an_epoch_takes_as_long_as_its_bytes(
    epochs: pd.DataFrame, ratios: Any
) -> None:
    """At 2 MB/s the measured seconds are bytes over bandwidth."""
    slow = epochs[epochs["bandwidth"] == 2].set_index("ratio")
    for ratio, shards in ratios.items():
        indexes = [pd.read_parquet(tar.with_suffix(".index.parquet")) for tar in shards]
        assert slow.loc[ratio, "bytes"] == sum(index["bytes"].sum() for index in indexes)
    assert (slow["images"] == 9).all()
    assert (slow["sampled_images"] == 9).all()
    disk = slow["bytes"] / 2e6
    assert (slow["predicted"] == np.maximum(disk, slow["decode_seconds"])).all()
    assert (slow["seconds_min"] > 0.99 * disk).all()
    # A busy machine adds to both.
    free = epochs[epochs["bandwidth"].isna() & (epochs["cache"] == "cold")].set_index("ratio")
    assert (slow["seconds_min"] < 1.5 * (disk + free["seconds_max"])).all()


def test_without_a_limit_the_decoder_is_measured(epochs: pd.DataFrame) -> None:
    """From a warm cache nothing comes from the disk; decoding takes less than a slow disk."""
    assert epochs[["bandwidth", "cache", "ratio"]].fillna(0).values.tolist() == [
        *([2, "cold", 1.0], [2, "cold", 0.2]),
        *([0, "cold", 1.0], [0, "cold", 0.2]),
        *([0, "warm", 1.0], [0, "warm", 0.2]),
    ]
    slow, warm = (
        rows.set_index("ratio")
        for rows in (epochs[epochs["bandwidth"] == 2], epochs[epochs["cache"] == "warm"])
    )
    if epochs["cold_share"].notna().all():  # where the system counts
        assert (warm["cold_share"] < 0.5).all()
    assert (warm["predicted"] == warm["seconds"]).all()
    assert (slow["decode_seconds"] == warm["seconds"]).all()
    assert warm.loc[1.0, "seconds_min"] < slow.loc[1.0, "seconds_min"] / 2


def test_a_cold_cache_is_cold(epochs: pd.DataFrame, ratios: Any) -> None:
    """On a disk's file system the bytes of all but the warm measurement come from the disk."""
    command = ["stat", "--file-system", "--format=%T", ratios[1.0][0]]
    try:
        system = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nobody tells the file system")
    if system.strip() not in ("ext2/ext3", "xfs", "btrfs") or epochs["cold_share"].isna().any():
        pytest.skip("not a disk's file system, or the system does not count")
    assert (epochs.loc[epochs["cache"] == "cold", "cold_share"] > 0.9).all()


def test_repeats_have_a_range(epochs: pd.DataFrame) -> None:
    """The seconds are the median of three, between the least and the most."""
    assert (epochs["repeats"] == 3).all()
    assert (epochs["seconds_min"] <= epochs["seconds"]).all()
    assert (epochs["seconds"] <= epochs["seconds_max"]).all()


def test_the_csv_is_what_was_measured(tmp_path: Path, ratios: Any) -> None:
    """With one thread, too, bytes pass at the bandwidth; where there is none, it is empty."""
    measure_reading({1.0: ratios[1.0][0].parent}, [2], 1, tmp_path / "reading.csv")
    table = pd.read_csv(tmp_path / "reading.csv")
    assert list(table.columns) == COLUMNS
    assert table["bandwidth"].fillna(0).tolist() == [2, 0, 0]
    assert table["threads"].tolist() == [1, 1, 1]
    slow, free, _ = table.itertuples()
    disk = slow.bytes / 2e6
    assert 0.99 * disk < slow.seconds_min < 1.5 * (disk + free.seconds_max)


def test_a_large_set_is_sampled_and_scaled(tmp_path: Path, patches: Files) -> None:
    """Of 2,400 images at most 2,000 are read (fewer on a busy machine); the seconds are of all."""
    files = patches("astronaut.png", 240, side=32)
    table = measure({1.0: [shard(tmp_path / "train-0.tar", files * 10)]}, [10], 2)
    row, total = table.iloc[0], 10 * sum(map(len, files))
    assert (row["images"], row["bytes"]) == (2400, total)
    assert row["sampled_images"] <= 2000
    assert row["sampled_bytes"] < total
    assert row["seconds_min"] > 0.99 * total / 10e6


def test_a_very_slow_disk_is_read_for_few_seconds(
    tmp_path: Path, patches: Files, photographs: list[bytes]
) -> None:
    """No more is read than takes 4 s, if anything, and its seconds scaled by the bytes."""
    small, large = patches("coffee.png", 1, side=32)[0], photographs[0]
    assert len(large) > 8 * len(small)
    tar = shard(tmp_path / "train-0.tar", [small, large])
    seed = next(s for s in range(20) if np.random.default_rng(s).permutation(2)[0] == 0)
    bandwidth = 2 * len(small) / 1e6  # the small one in half a second
    row = measure({1.0: [tar]}, [bandwidth], 1, seed).iloc[0]
    assert (row["sampled_images"], row["sampled_bytes"]) == (1, len(small))
    assert 0.99 < row["seconds_min"] / (row["bytes"] / bandwidth / 1e6) < 1.5


def test_damaged_shards_are_named(tmp_path: Path, photographs: list[bytes]) -> None:
    """A damaged image ends the measurement with the shard's name, from whatever thread."""
    tar = shard(tmp_path / "train-0.tar", photographs)
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 0xFF
    tar.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"train-0\.tar: image-0000\d is damaged"):
        measure({1.0: [tar]}, [50], 2)


def test_ratios_have_the_same_images(tmp_path: Path, ratios: Any) -> None:
    """Ratios whose shards hold other images cannot be compared."""
    with pytest.raises(UserError, match=r"ratio 0\.2 and 1\.0 hold different images"):
        measure({1.0: ratios[1.0], 0.2: ratios[0.2][:1]}, [50], 1)


# Of three bandwidths (the last: none) what was measured at 1.0, 0.3 and 0.1: seconds. 1,000 images;
# 100, 30 and 10 MB; the decoder takes 1.5, 1.2 and 1.0 s.
MEASURED = {10: [10.1, 3.05, 1.1], 200: [1.52, 1.22, 1.02], nan: [1.5, 1.2, 1.0]}
BYTES, DECODING = [100e6, 30e6, 10e6], [1.5, 1.2, 1.0]


def measured(path: Path, spread: float = 0.0) -> Path:
    """Write what `measure` would have: each measurement with a spread."""
    rows: list[dict[str, Any]] = [
        {
            **{"ratio": ratio, "bandwidth": bandwidth, "cache": cache, "images": 1000},
            **{"bytes": size, "seconds": seconds, "threads": 2, "cold_share": 1.0},
            **{"seconds_min": seconds - spread, "seconds_max": seconds + spread, "repeats": 3},
            **{"sampled_images": 1000, "sampled_bytes": size, "decode_seconds": decoding},
            "predicted": max(decoding, 0 if np.isnan(bandwidth) else size / 1e6 / bandwidth),
        }
        for bandwidth, times, cache in (
            *((bandwidth, times, "cold") for bandwidth, times in MEASURED.items()),
            (nan, DECODING, "warm"),
        )
        for ratio, size, seconds, decoding in zip(
            (1.0, 0.3, 0.1), BYTES, times, DECODING, strict=True
        )
    ]
    pd.DataFrame(rows)[COLUMNS].to_csv(path, index=False)
    return path


def history(path: Path, rates: Sequence[float]) -> Path:
    """Write a history of images a second."""
    pd.DataFrame({"epoch": range(1, len(rates) + 1), "images_per_second": rates}).to_csv(path)
    return path


def judged(folder: Path, rates: Sequence[float], spread: float = 0.0) -> pd.DataFrame:
    """Return the table of one data set, by bandwidth and ratio."""
    reading_table(
        {"dtd": measured(folder / "dtd.csv", spread)},
        {"dtd": [history(folder / "a.csv", rates[:2]), history(folder / "b.csv", rates[2:])]},
        "lite0",
        0.3,
        *(folder / f"reading.{kind}" for kind in ("csv", "md", "html")),
    )
    table = pd.read_csv(folder / "reading.csv", keep_default_na=False, na_values=[""])
    return table.fillna({"bandwidth": 0, "verdict": ""}).set_index(["bandwidth", "ratio"])


def test_a_slow_disk_is_worth_compressing_for(tmp_path: Path) -> None:
    """At 10 MB/s and a model of 5 s: the disk limits, then the model; 10.1 s become 5 s."""
    table = judged(tmp_path, [180, 200, 200, 900]).loc[10]
    assert table["model_seconds"].tolist() == [5, 5, 5]
    assert table["bottleneck"].tolist() == ["disk", "model", "model"]
    assert table["epoch_seconds"].tolist() == [10.1, 5, 5]
    assert table["verdict"].tolist() == ["", "50 % shorter", "50 % shorter"]
    assert table["disk_seconds"].tolist() == [10, 3, 1]
    assert table["speed_up"].tolist() == pytest.approx([1, 10.1 / 3.05, 10.1 / 1.1], rel=1e-5)
    assert table["measured_over_predicted"].tolist() == pytest.approx(
        [1.01, 3.05 / 3, 1.1], rel=1e-5
    )


def test_a_fast_disk_before_a_slow_model_is_no_benefit(tmp_path: Path) -> None:
    """At 200 MB/s the model limits: reading is faster by a third, an epoch by nothing."""
    table = judged(tmp_path, [200] * 4)
    for bandwidth in (200, 0):
        rows = table.loc[bandwidth]
        assert rows["bottleneck"].tolist() == ["model"] * 3
        assert rows["verdict"].tolist() == ["", "no benefit", "no benefit"]
        assert rows["speed_up"].iloc[2] > 1.4


def test_before_a_fast_model_the_decoder_limits(tmp_path: Path) -> None:
    """A model of 0.1 s waits for the decoder at 200 MB/s and for the disk at 10."""
    table = judged(tmp_path, [10_000] * 4)
    assert table.loc[200, "bottleneck"].tolist() == ["decoder"] * 3
    assert table.loc[200, "verdict"].tolist() == ["", "20 % shorter", "33 % shorter"]
    assert table.loc[10, "bottleneck"].tolist() == ["disk", "disk", "decoder"]


def test_a_difference_within_the_repeats_is_no_benefit(tmp_path: Path) -> None:
    """Decoding that varies by 0.2 s shows no difference of 0.3 s, and one of 0.5 s."""
    table = judged(tmp_path, [10_000] * 4, spread=0.2)
    assert table.loc[200, "verdict"].tolist() == ["", "no benefit", "33 % shorter"]


def test_a_longer_epoch_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where compressed images take longer to decode, an epoch becomes longer."""
    monkeypatch.setitem(MEASURED, 200, [1.0, 1.22, 1.01])
    table = judged(tmp_path, [10_000] * 4)
    assert table.loc[200, "verdict"].tolist() == ["", "22 % longer", "no benefit"]
    varied = judged(tmp_path, [10_000] * 4, spread=0.2)
    assert varied.loc[200, "verdict"].tolist() == ["", "no benefit", "no benefit"]


def test_the_machines_own_disk_may_be_the_slower_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading that takes much longer than limit and decoder explain waits for the disk."""
    monkeypatch.setitem(MEASURED, nan, [3.0, 1.2, 1.0])
    reading = judged(tmp_path, [10_000] * 4)
    assert reading.loc[0, "bottleneck"].tolist() == ["disk", "decoder", "decoder"]
    assert reading.loc[10, "own_disk_seconds"].tolist() == [3.0, 1.2, 1.0]


def test_people_read_a_row_a_bandwidth(tmp_path: Path) -> None:
    """The Markdown has the original, the storage ratio, the smallest, bottlenecks and verdicts."""
    judged(tmp_path, [200] * 4)
    lines = (tmp_path / "reading.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert [row[:6] for row in (cells[0], *cells[2:])] == [
        ["data set", "disk, MB/s", "original, s", "at 0.3, s", "at 0.1, s", "model, s"],
        ["dtd", "10", "10.1", "3.05", "1.10", "5.00"],
        ["dtd", "200", "1.52", "1.22", "1.02", "5.00"],
        ["dtd", "no limit", "1.50", "1.20", "1.00", "5.00"],
    ]
    assert cells[2][6:] == ["disk", "model", "model", "50 % shorter", "50 % shorter"]
    assert cells[3][6:] == ["model", "model", "model", "no benefit", "no benefit"]
    assert "lite0" in lines[-1]
    assert "2 threads" in lines[-1]
    assert "no benefit" in (tmp_path / "reading.html").read_text(encoding="utf-8")


def test_a_learner_without_epochs_cannot_be_compared_with(tmp_path: Path) -> None:
    """Histories without an epoch are named, with the key to change."""
    with pytest.raises(UserError, match=r"a\.csv: no epoch .* dtd; name as reading\.learner"):
        judged(tmp_path, [])


def points(svg: Path) -> Iterator[list[tuple[float, float]]]:
    """Yield the (x, y) of each line's markers in an SVG; y grows downwards."""
    for group in re.findall(r'<g id="line2d_\d+">(.*?)</g>\s*</g>', svg.read_text(), re.DOTALL):
        found = re.findall(r'<use xlink:href="#\w+" x="([\d.]+)" y="([\d.]+)"', group)
        if len(found) == 3:
            yield [(float(x), float(y)) for x, y in found]


def test_the_figure_shows_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markers stand at the logarithm of the seconds, the original at the left; names in words."""
    monkeypatch.setitem(MEASURED, 200, [4.0, 2.0, 3.0])  # not as predicted
    judged(tmp_path, [200] * 4)
    reading_vs_ratio(tmp_path / "reading.csv", tmp_path / "reading.svg", tmp_path / "reading.png")
    drawn = [np.array(line) for line in points(tmp_path / "reading.svg")]
    expected = np.log(list(MEASURED.values()))
    lines = [line for line in drawn if np.ptp(line[:, 0]) > 0 and np.ptp(line[:, 1]) > 0]
    assert len(lines) == 3
    assert all(np.all(np.diff(line[:, 0]) > 0) for line in lines)
    heights = np.concatenate([line[:, 1] for line in lines])
    assert np.corrcoef(heights, expected.ravel())[0, 1] == pytest.approx(-1, abs=1e-3)
    text = (tmp_path / "reading.svg").read_text(encoding="utf-8")
    for words in ("10 MB/s", "no limit", "the model", "dtd: 1,000 training images"):
        assert f"<!-- {words} -->" in text
    before = (tmp_path / "reading.svg").read_bytes()
    reading_vs_ratio(tmp_path / "reading.csv", tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == before
    with Image.open(tmp_path / "reading.png") as image:
        assert image.width == 700
