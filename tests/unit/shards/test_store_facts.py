"""What stores are: sums of their files, pixels that were compared, speeds that are some."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.images.opencv import decode_rgb
from jpegprep.shards.shards import ShardReader, pack, splits_of, writing_shard
from jpegprep.shards.store_facts import measure_stores
from jpegprep.shards.treatments import treat_shard

STORES = ["original", "jpeg-q30", "jpeg-q30-opt", "original-opt", "webp-lossless", "webp-q40"]
PIXELS = {"jpeg-q30-opt": "jpeg-q30", "original-opt": "original", "webp-lossless": "original"}


@pytest.fixture
def shards(tmp_path: Path, patches: Callable[..., list[bytes]]) -> dict[str, Path]:
    """Return real shards of patches, of each store."""
    images = patches("gravel.png", 3) + patches("coffee.png", 4)
    folders = {name: tmp_path / name for name in STORES}
    for split, some in (("train", images[:4]), ("val", images[4:5]), ("test", images[5:])):
        original = folders["original"] / f"{split}-0.tar"
        with writing_shard(original, "original", "none") as writer:
            writer.append(pack([(f"{split}{i}", 0, data, data) for i, data in enumerate(some)]))
        for name in STORES[1:]:
            treat_shard(original, name, folders[name] / f"{split}-0.tar")
    return folders


def files(folder: Path) -> list[bytes]:
    """Return the image files of shards."""
    reader = ShardReader([tar for tars in splits_of(folder).values() for tar in tars])
    return [reader.image(i) for i in range(len(reader))]


@pytest.mark.parametrize("threads", [1, 2])
def test_bytes_and_pixels_are_those_of_the_files(
    shards: dict[str, Path], tmp_path: Path, threads: int
) -> None:
    """All images count; a store has the other's pixels where every image has them."""
    measure_stores(shards, PIXELS, threads, tmp_path / "stores.csv")
    table = pd.read_csv(tmp_path / "stores.csv", keep_default_na=False).set_index("store")
    assert list(table.index) == STORES
    sources = files(shards["original"])
    for store in STORES:
        row, images = table.loc[store], files(shards[store])
        assert (row["images"], row["bytes"]) == (7, sum(map(len, images)))
        pairs = list(zip(images, sources, strict=True))
        assert row["inflated"] == sum(len(new) > len(old) for new, old in pairs)
        assert row["kept"] == sum(new == old for new, old in pairs)
        assert row["pixels_of"] == PIXELS.get(store, "")
        assert (row["made_per_second"] == "") == (store == "original")
        assert float(row["decoded_per_second"]) > 0 and row["timed"] == 7


def test_one_other_pixel_is_found(shards: dict[str, Path], tmp_path: Path) -> None:
    """In the last image alone: of a lossless codec it is said, else the shards are wrong."""
    image = files(shards["webp-q40"])[-1]
    assert not np.array_equal(decode_rgb(image), decode_rgb(files(shards["original"])[-1]))
    for store in ("webp-lossless", "jpeg-q30-opt"):
        found = files(shards[store])
        with writing_shard(shards[store] / "test-0.tar", store, "none") as writer:
            rows = [*found[5:-1], image]
            writer.append(pack([(f"test{i}", 0, data, data) for i, data in enumerate(rows)]))
    measure_stores(
        {name: shards[name] for name in ("original", "webp-lossless")},
        {"webp-lossless": "original"},
        1,
        tmp_path / "stores.csv",
    )
    assert pd.read_csv(tmp_path / "stores.csv")["pixels_of"].isna().all()
    with pytest.raises(UserError, match="jpeg-q30-opt: test1 has other pixels than in .*remove bo"):
        measure_stores(shards, PIXELS, 2, tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()


def test_other_images_are_refused(shards: dict[str, Path], tmp_path: Path) -> None:
    """Bytes of other images would be no saving."""
    with writing_shard(shards["webp-q40"] / "test-0.tar", "webp-q40", "none") as writer:
        data = files(shards["webp-q40"])[5:]
        writer.append(pack([(f"other{i}", 0, image, image) for i, image in enumerate(data)]))
    with pytest.raises(UserError, match="webp-q40: holds other images than"):
        measure_stores(shards, PIXELS, 1, tmp_path / "stores.csv")
