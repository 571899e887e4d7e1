"""What converting costs: on real images, and with the interval of what is saved."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jpegprep.common.errors import UserError
from jpegprep.shards.conversion_speed import measure_conversion
from jpegprep.shards.shards import ShardReader, pack, splits_of, writing_shard
from jpegprep.shards.treatments import write_variant_shards


def originals(folder: Path, files: list[bytes]) -> Path:
    """Write shards of three splits, a third of the images each."""
    folder.mkdir()
    for k, split in enumerate(("train", "val", "test")):
        with writing_shard(folder / f"{split}-0.tar", "original", "test") as writer:
            rows = list(enumerate(files))[k::3]
            writer.append(pack((f"k{i}", 0, data, data) for i, data in rows))
    return folder


def test_seconds_are_of_an_image_and_bytes_of_all(tmp_path: Path, patches: Any) -> None:
    """Twelve patches: the mean that is saved, its interval, and seconds that are plausible."""
    files = list(patches("coffee.png", 12))
    source, target = originals(tmp_path / "original", files), tmp_path / "jpeg-q50"
    write_variant_shards(source, "jpeg-q50", target)
    measure_conversion(source, target, "jpeg-q50", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    sizes = [
        ShardReader([t for tars in splits_of(x).values() for t in tars]).sizes
        for x in (source, target)
    ]
    saved = sizes[0] - sizes[1]
    assert (found["images"], found["saved_images"]) == (12, 12)
    assert found["saved_bytes"] == pytest.approx(saved.mean())
    arm = 1.96 * saved.std(ddof=1) / np.sqrt(12)
    assert found["saved_high"] - found["saved_low"] == pytest.approx(2 * arm, rel=1e-3)
    # A patch of a few thousand pixels takes neither a tenth of a second nor no time at all.
    assert 1e-6 < found["decode_seconds_after"] < found["convert_seconds"] < 0.1
    other = originals(tmp_path / "other", files[:6])
    with pytest.raises(UserError, match="holds other images"):
        measure_conversion(source, other, "jpeg-q50", tmp_path / "no.json")
