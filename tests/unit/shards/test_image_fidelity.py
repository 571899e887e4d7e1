"""PSNR and SSIM of images against known answers."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from jpegprep.shards.image_fidelity import measure_fidelity, psnr, ssim
from jpegprep.shards.shards import pack, writing_shard


def test_psnr_has_known_answers() -> None:
    """One level off everywhere: 48.13 dB; nothing off: that of rounding."""
    one = np.full((20, 20, 3), 100, dtype=np.uint8)
    assert psnr(one, one + 1) == pytest.approx(20 * np.log10(255), abs=1e-4)
    assert psnr(one, one) == pytest.approx(10 * np.log10(12 * 255**2), abs=1e-4)
    assert psnr(np.zeros_like(one), np.full_like(one, 255)) == pytest.approx(0, abs=1e-6)


def test_ssim_has_known_answers() -> None:
    """Equal images: 1; flat ones: by the formula of their means; below the window there is none."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert ssim(image, image) == pytest.approx(1)
    one, other = (np.full((32, 32, 3), level, dtype=np.uint8) for level in (100, 200))
    constant = (0.01 * 255) ** 2
    expected = (2 * 100 * 200 + constant) / (100**2 + 200**2 + constant)
    assert ssim(one, other) == pytest.approx(expected, rel=1e-4)
    assert np.isnan(ssim(image[:10], image[:10]))


def test_the_same_sample_is_measured_of_all_stores(tmp_path: Path, patches) -> None:
    """Five of nine images in two stores; a kept image is equal, a smaller one is enlarged."""
    files = list(patches("coffee.png", 9))
    for store, quality in (("original", None), ("jpeg-q50", 50), ("s32-jpeg-q10", 10)):
        (tmp_path / store).mkdir()
        for k, split in enumerate(("train", "val", "test")):
            samples = []
            for i in range(3 * k, 3 * k + 3):
                pixels = cv2.imdecode(np.frombuffer(files[i], np.uint8), cv2.IMREAD_COLOR)
                if quality == 10:
                    pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5)
                data = files[i]
                if quality:
                    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
                    data = coded[1].tobytes()
                samples.append((f"k{i}", 0, data, files[i]))
            with writing_shard(tmp_path / f"{store}/{split}-0.tar", "v", "test") as writer:
                writer.append(pack(samples))
    shards = {store: tmp_path / store for store in ("original", "jpeg-q50", "s32-jpeg-q10")}
    tables = []
    for threads in (1, 2):
        measure_fidelity(shards, 5, threads, tmp_path / "found.parquet")
        tables.append(pd.read_parquet(tmp_path / "found.parquet"))
    table = tables[0]
    assert table.equals(tables[1])
    assert table.groupby("variant").size().to_dict() == {"jpeg-q50": 5, "s32-jpeg-q10": 5}
    keys = [table.loc[table["variant"] == store, "key"].tolist() for store in list(shards)[1:]]
    assert keys[0] == keys[1] and (table["key"] == "k" + table["place"].astype(str)).all()
    means = table.groupby("variant")["psnr"].mean()
    assert means["s32-jpeg-q10"] < means["jpeg-q50"] < 50
    assert table["ssim"].between(0, 1).all()
