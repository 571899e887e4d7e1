"""The audit: files whose class stands in the headers are found, and others are not suspected."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.layout import SPLITS
from jpegprep.common.parquet import write_parquet
from jpegprep.evaluation import audit as module
from jpegprep.evaluation.audit import audit, warning
from jpegprep.evaluation.stats import accuracy_interval
from jpegprep.shards.headers import NAMES, OF_BYTES
from jpegprep.shards.shards import pack, read_index, splits_of, writing_shard
from jpegprep.shards.treatments import write_variant_shards

Images = Sequence[tuple[str, bytes]]  # the class and the file of each


def picture(i: int, side: int = 24, detail: float = 1.0) -> Image.Image:
    """Return a random picture of its own, with some noise on a smooth ground."""
    rng = np.random.default_rng(i)
    ground = Image.fromarray(rng.integers(60, 196, (3, 3, 3), dtype=np.uint8)).resize((side, side))
    noise = rng.normal(0, 20 * detail, (side, side, 3))
    return Image.fromarray((np.asarray(ground) + noise).clip(0, 255).astype(np.uint8))


def encoded(i: int, kind: str = "JPEG", side: int = 24, detail: float = 1.0, **how: Any) -> bytes:
    """Return a picture's file."""
    buffer = io.BytesIO()
    picture(i, side, detail).save(buffer, kind, **how)
    return buffer.getvalue()


@dataclass
class Dataset:
    """Shards of some images with their groups and split, in a folder."""

    folder: Path
    images: Images

    def __post_init__(self) -> None:
        """Write groups, split and originals; equal bytes are a group."""
        first: dict[bytes, str] = {}
        keys = [f"image-{i}" for i in range(len(self.images))]
        copies = [
            None if (found := first.setdefault(data, key)) == key else found
            for key, (_, data) in zip(keys, self.images, strict=True)
        ]
        classes = [name for name, _ in self.images]
        labels = np.unique(classes, return_inverse=True)[1]
        self.folder.mkdir(parents=True, exist_ok=True)
        content = [keys.index(copy or key) for key, copy in zip(keys, copies, strict=True)]
        table = pd.DataFrame({"key": keys, "content": content, "group": content})
        write_parquet(table, self.groups)
        write_parquet(pd.DataFrame({"key": keys, "class": classes}), self.split)
        for k, split in enumerate(SPLITS):
            with writing_shard(self.folder / "original" / f"{split}-0.tar", "original", "") as w:
                for i in range(k, len(keys), 3):
                    data = self.images[i][1]
                    w.append(pack([(keys[i], int(labels[i]), data, data)]))

    @property
    def groups(self) -> Path:
        """The groups."""
        return self.folder / "groups.parquet"

    @property
    def split(self) -> Path:
        """The split."""
        return self.folder / "split.parquet"

    def audited(self, *variants: str, threads: int = 1) -> dict[str, Any]:
        """Audit the originals and variants."""
        shards = {name: self.folder / name for name in ("original", *variants)}
        for variant in variants:
            if not shards[variant].exists():
                write_variant_shards(shards["original"], variant, shards[variant])
        audit(shards, self.groups, self.split, self.folder / "audit.json", threads)
        found: dict[str, Any] = json.loads((self.folder / "audit.json").read_text("utf-8"))
        return found


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """Grow smaller forests, which are enough for small data sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TREES", 15)
        yield


Make = Callable[[Images], Dataset]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a data set."""
    return lambda images: Dataset(tmp_path / "data", images)


def leaks(found: dict[str, Any]) -> list[bool]:
    """Return of which variants labels leak."""
    return [of["leaks"] for of in found["variants"]]


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, dict[str, Any]]:
    """Two encoders that go with two classes: quality 60 and 95."""
    images = [
        (name, encoded(100 * k + i, quality=quality))
        for i in range(40)
        for k, (name, quality) in enumerate([("cat", 60), ("dog", 95)])
    ]
    dataset = Dataset(tmp_path_factory.mktemp("cameras"), images)
    return dataset, dataset.audited("jpeg-q30")


def test_two_encoders_leak_before_compression_and_not_after(
    cameras: tuple[Dataset, dict[str, Any]],
) -> None:
    """The quality of the source tells the class; all files of one quality do not."""
    _, found = cameras
    assert leaks(found) == [True, False]
    before, after = (of["without_bytes"] for of in found["variants"])
    assert before["accuracy"] == before["balanced_accuracy"] == 1
    quality = {"jpeg_quality", "luma_table_sum", "chroma_table_sum", "standard_tables"}
    assert {column["name"] for column in before["columns"]} <= quality
    assert after["balanced_accuracy_low"] < 0.5 < after["balanced_accuracy_high"] + 0.1
    text = warning(found)
    assert "jpeg quality" in text
    assert "100% of the images of a class on average before compression (95 % interval" in text
    assert f"chance 50%), {after['balanced_accuracy']:.0%} with jpeg-q30. A network" in text


def test_the_structure_is_as_documented(cameras: tuple[Dataset, dict[str, Any]]) -> None:
    """Every key stands there, with the numbers of images and chance."""
    _, found = cameras
    counted = {key: found[key] for key in ("images", "distinct", "audited", "classes")}
    assert counted == {"images": 80, "distinct": 80, "audited": 80, "classes": 2}
    assert found["reason"] == ""
    assert (found["classes_left_out"], found["folds"]) == (0, 5)
    assert found["chance"] == {"accuracy": 0.5, "balanced_accuracy": 0.5}
    for of in found["variants"]:
        assert list(of) == ["variant", "leaks", "all_headers", "without_bytes", "kept"]
        for told in (of["all_headers"], of["without_bytes"]):
            assert list(told) == [
                *("n", "accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy"),
                *("balanced_accuracy_low", "balanced_accuracy_high"),
                *("balanced_accuracy_sure_low", "columns", "found", "leaks"),
            ]
            assert told["n"] == 80
            shares = [told[f"accuracy{x}"] for x in ("_low", "", "_high")]
            balanced = [told[f"balanced_accuracy{x}"] for x in ("_sure_low", "_low", "", "_high")]
            assert shares == sorted(shares)
            assert balanced == sorted(balanced)
            assert {column["name"] for column in told["columns"]} <= set(NAMES)
        assert not {column["name"] for column in of["without_bytes"]["columns"]} & set(OF_BYTES)
    assert found["variants"][0]["kept"] is None
    assert found["variants"][1]["kept"] == {
        **{"n": 80, "count": 0, "share": 0.0, "classes": [], "differs": False}
    }


def test_any_number_of_threads_gives_the_same(cameras: tuple[Dataset, dict[str, Any]]) -> None:
    """Two threads write the file of one, byte for byte."""
    dataset, found = cameras
    before = (dataset.folder / "audit.json").read_bytes()
    assert dataset.audited("jpeg-q30", threads=2) == found
    assert (dataset.folder / "audit.json").read_bytes() == before


@pytest.mark.parametrize("seed", range(3))
def test_random_labels_do_not_leak(make: Make, seed: int) -> None:
    """Files of mixed formats, sizes and qualities, with labels drawn by lot: nothing to warn of."""
    rng = np.random.default_rng(seed)
    images = []
    for i in range(90):
        kind, side = str(rng.choice(["JPEG", "PNG", "GIF", "WEBP"])), int(rng.choice([16, 24, 40]))
        how = {"quality": int(rng.choice([50, 75, 95]))} if kind == "JPEG" else {}
        images.append((f"class {rng.integers(3)}", encoded(i, kind, side, **how)))
    found = make(images).audited()
    assert leaks(found) == [False]
    for told in (found["variants"][0][name] for name in ("all_headers", "without_bytes")):
        assert told["balanced_accuracy_low"] < 1 / 3
        assert not told["found"]
    assert warning(found) == ""


def test_the_format_leaks(make: Make) -> None:
    """One class of PNG, one of JPEG and one of GIF: the columns say it."""
    kinds = ("JPEG", "PNG", "GIF")
    found = make(
        [(kind, encoded(100 * k + i, kind)) for i in range(20) for k, kind in enumerate(kinds)]
    )
    told = found.audited()["variants"][0]["without_bytes"]
    assert told["balanced_accuracy"] == 1
    assert told["leaks"]
    assert {entry["class"] for entry in told["found"]} == set(kinds)


def test_what_only_the_bytes_tell_is_no_leak(make: Make) -> None:
    """Pictures of more detail take more bytes at equal settings: that is content."""
    found = make([(f"{d}", encoded(100 * d + i, detail=d)) for i in range(30) for d in (0, 1)])
    told = found.audited()["variants"][0]
    assert told["all_headers"]["leaks"]
    assert told["all_headers"]["columns"][0]["name"] in OF_BYTES
    assert not told["without_bytes"]["leaks"]
    assert not told["leaks"]
    assert warning(json.loads((found.folder / "audit.json").read_text("utf-8"))) == ""


def test_images_kept_in_one_class_are_said(make: Make) -> None:
    """Where only small files of one class are kept, the file and the warning say so."""
    dataset = make(
        [
            *[("small", encoded(i, quality=20)) for i in range(30)],
            *[("png", encoded(100 + i, "PNG")) for i in range(60)],
        ]
    )
    found = dataset.audited("jpeg-q50-smaller")
    assert leaks(found) == [True, True]
    kept = found["variants"][1]["kept"]
    assert (kept["n"], kept["count"], kept["share"]) == (90, 30, 0.333333)
    assert kept["differs"]
    tars = [tar for of in splits_of(dataset.folder / "jpeg-q50-smaller").values() for tar in of]
    assert kept["count"] == sum(read_index(tar)[1]["kept"] for tar in tars)
    told = {entry["class"]: entry for entry in kept["classes"]}
    assert (told["small"]["share"], told["small"]["count"], told["small"]["n"]) == (1, 30, 30)
    assert (told["png"]["share"], told["png"]["count"], told["png"]["n"]) == (0, 0, 60)
    assert told["small"]["differs"] and told["png"]["differs"]
    assert "With jpeg-q50 compression left 100% of the images of class 'small'" in warning(found)
    assert "33% of all images" in warning(found)


def test_kept_images_of_all_classes_are_no_worry(make: Make) -> None:
    """A third of each class is kept: the share is told, and nobody warned."""
    images = [
        (name, encoded(100 * k + i, **({"quality": 20} if i % 3 == 0 else {"kind": "PNG"})))
        for i in range(30)
        for k, name in enumerate("ab")
    ]
    found = make(images).audited("jpeg-q50-smaller")
    kept = found["variants"][1]["kept"]
    assert (kept["count"], kept["differs"], kept["classes"]) == (20, False, [])
    assert leaks(found) == [False, False]
    assert warning(found) == ""


def test_one_class_of_another_source_is_found_among_many(make: Make) -> None:
    """Of ten classes one has files of its own: balanced accuracy hardly tells, `found` does."""
    images = [
        (f"class {k}", encoded(100 * k + i, quality=60 if k == 3 else 90))
        for i in range(20)
        for k in range(10)
    ]
    found = make(images).audited("jpeg-q30")
    told = found["variants"][0]["without_bytes"]
    assert told["balanced_accuracy"] < 0.3
    (entry,) = told["found"]
    assert (entry["class"], entry["n"], entry["found"], entry["falsely_found"]) == (
        *("class 3", 20, 1, 0),
    )
    assert leaks(found) == [True, False]
    assert "takes 0% of the others, not clearly so with jpeg-q30. A network" in warning(found)
    assert "100% of the images of class 'class 3' before compression, for which" in warning(found)


@pytest.mark.parametrize("own", [True, False])
def test_a_rare_class_counts_as_much_as_others(make: Make, own: bool) -> None:
    """Twelve images beside eighty and eighty: found if they have a size of their own, else not."""
    images = [
        (name, encoded(1000 * k + i, side=24 if name != "rare" or not own else 32))
        for k, (name, count) in enumerate([("a", 80), ("b", 80), ("rare", 12)])
        for i in range(count)
    ]
    found = make(images).audited()
    assert found["chance"] == {"accuracy": round(80 / 172, 6), "balanced_accuracy": 0.333333}
    told = found["variants"][0]["without_bytes"]
    assert [entry["class"] for entry in told["found"]] == (["rare"] if own else [])
    assert leaks(found) == [own]
    if own:
        assert told["balanced_accuracy"] > 0.5


@pytest.mark.parametrize("own", [True, False])
def test_three_images_a_class_prove_nothing(make: Make, own: bool) -> None:
    """Even where all six are predicted right, that may be by chance."""
    images = [
        (name, encoded(100 * k + i, quality=60 + 30 * k * own))
        for i in range(3)
        for k, name in enumerate("ab")
    ]
    found = make(images).audited("jpeg-q50-smaller")
    assert found["audited"] == 6
    assert leaks(found) == [False, False]
    assert warning(found) == ""


@pytest.mark.parametrize(("counts", "audited"), [((5, 0), 5), ((5, 1), 5), ((1, 1), 0)])
def test_fewer_than_two_classes_are_no_audit(
    make: Make, counts: tuple[int, int], audited: int
) -> None:
    """One class, one and a single image of another, or single images: the file says why."""
    images = [(name, encoded(i + 10 * k)) for k, name in enumerate("ab") for i in range(counts[k])]
    found = make(images).audited("jpeg-q50")
    reason = found.pop("reason")
    assert reason.startswith("one class has" if audited else "no class has")
    assert found == {
        **{"images": len(images), "distinct": len(images), "audited": audited},
        **{"classes": int(audited > 0), "classes_left_out": counts.count(1)},
    }
    assert warning({**found, "reason": reason}) == ""


def test_copies_count_once(make: Make) -> None:
    """Thirty copies of a picture are one, in the counts and in what was kept; it is left out."""
    images = [
        *[("a", encoded(i)) for i in range(12)],
        *[("b", encoded(100 + i)) for i in range(12)],
        *[("copies", encoded(200, side=40))] * 30,
    ]
    found = make(images).audited("jpeg-q50")
    assert (found["images"], found["distinct"], found["audited"]) == (54, 25, 24)
    assert (found["classes"], found["classes_left_out"]) == (2, 1)
    assert found["variants"][1]["kept"]["n"] == 25
    assert leaks(found) == [False, False]


def test_equal_files_of_two_classes_are_in_one_fold(make: Make) -> None:
    """Each file is in both classes, with a size of its own: no fold knows it from another."""
    images = [(name, encoded(i, side=16 + i)) for i in range(20) for name in "ab"]
    found = make(images).audited()
    assert found["distinct"] == 40
    told = found["variants"][0]["all_headers"]
    assert told["accuracy"] == 0.5  # a pair gets one prediction, which is right once
    assert leaks(found) == [False]


def test_of_many_images_a_sample_is_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each class gives its share; the same images are drawn again; kept is told of all."""
    monkeypatch.setattr(module, "_MOST_IMAGES", 40)
    images = [(name, encoded(100 * k + i)) for k, name in enumerate("aab") for i in range(40)]
    dataset = make(images)
    found = dataset.audited("jpeg-q50")
    assert (found["images"], found["distinct"], found["audited"]) == (120, 120, 40)
    assert found["chance"]["accuracy"] == round(27 / 40, 6)
    assert [of["without_bytes"]["n"] for of in found["variants"]] == [40, 40]
    assert found["variants"][1]["kept"]["n"] == 120
    assert dataset.audited("jpeg-q50") == found


def test_the_balanced_interval_is_the_plain_one_of_equal_classes() -> None:
    """Of large classes of equal size and share it is nearly `accuracy_interval`."""
    hits, counts = np.array([800, 800]), np.array([1000, 1000])
    low, high = module._balanced_interval(hits, counts, 0.95)
    correct = np.repeat([True, False], [1600, 400])[np.newaxis]
    _, plain_low, plain_high, _ = accuracy_interval(correct, crossfitted=True)
    assert [low, high] == pytest.approx([plain_low, plain_high], abs=1e-3)


def test_the_balanced_interval_covers_with_a_rare_class() -> None:
    """Drawn from known shares, 95 % intervals cover the mean share in at least that many draws."""
    rng = np.random.default_rng(0)
    counts, shares = np.array([500, 40, 5]), np.array([0.9, 0.5, 0.7])
    draws = rng.binomial(counts, shares, (1000, 3))
    intervals = [module._balanced_interval(hits, counts, 0.95) for hits in draws]
    assert np.mean([low <= shares.mean() <= high for low, high in intervals]) >= 0.95


def test_other_images_of_a_variant_are_named(make: Make, tmp_path: Path) -> None:
    """Shards of another data set under a variant are one line that says what to remove."""
    dataset = make([("a", encoded(0)), ("b", encoded(1))])
    other = Dataset(tmp_path / "other", dataset.images * 2)
    shards = {"original": dataset.folder / "original", "jpeg-q50": other.folder / "original"}
    with pytest.raises(UserError, match=r"other.*: holds other images than .*; remove it"):
        audit(shards, dataset.groups, dataset.split, tmp_path / "audit.json", 1)
    assert not (tmp_path / "audit.json").exists()


@pytest.mark.parametrize("name", ["groups", "split"])
def test_an_image_that_a_table_lacks_is_named(make: Make, name: str) -> None:
    """An image of the shards without its row is one line that names file and image."""
    dataset = make([(str(i % 2), encoded(i)) for i in range(6)])
    path = dataset.folder / f"{name}.parquet"
    write_parquet(pd.read_parquet(path).iloc[:-1], path)
    with pytest.raises(UserError, match=rf"{name}\.parquet: lacks image-5"):
        dataset.audited()
