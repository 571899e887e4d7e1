"""Feeding a network: the same batches whatever the number of workers."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop

from jpegprep.learners.data import (
    EpochSampler,
    ImageDataset,
    eval_transform,
    loader,
    random_crop,
    train_transform,
)
from jpegprep.shards.shards import ShardReader, ShardWriter, pack, writing_shard

RECIPE: dict[str, Any] = {
    "image_size": 48,
    "batch_size": 8,
    "eval_crop": 1.0,
    "augmentation": {"crop_scale": [0.5, 1.0], "horizontal_flip": 0.5},
}


def add(writer: ShardWriter, key: str, label: int, data: bytes) -> None:
    """Add an original to a shard."""
    writer.append(pack([(key, label, data, data)]))


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]
) -> ShardReader:
    """Return a reader of two shards: 21 real patches of three photographs."""
    folder = tmp_path_factory.mktemp("shards")
    for k, name in enumerate(("coffee.png", "rocket.jpg", "camera.png")):
        with writing_shard(folder / f"train-{k}.tar", "original", "none") as writer:
            for i, data in enumerate(patches(name, 7)):
                add(writer, f"{k}-{i}", k, data)
    return ShardReader([folder / f"train-{k}.tar" for k in range(3)])


def batches(reader: ShardReader, epoch: int = 0, **options: Any) -> list[torch.Tensor]:
    """Return the batches of one epoch, images then labels."""
    wanted = {"seed": 0, "training": True, "workers": 0, **options}
    data = loader(reader, RECIPE, **wanted)
    if wanted["training"]:
        data.sampler.set_epoch(epoch)
    return [tensor for batch in data for tensor in batch]


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    """Return whether two lists of tensors are the same."""
    return len(one) == len(other) and all(map(torch.equal, one, other))


@pytest.mark.parametrize("epoch", [0, 3])
def test_workers_do_not_change_the_batches(reader: ShardReader, epoch: int) -> None:
    """Augmentation and order are the same with 0, 1 and 2 worker processes."""
    one = batches(reader, epoch)
    assert len(one) == 4
    assert equal(one, batches(reader, epoch, workers=1))
    assert equal(one, batches(reader, epoch, workers=2))
    assert equal(one, batches(reader, epoch, threads=3))


@pytest.mark.parametrize("size", [(300, 400), (64, 64), (40, 900)])
@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.5, 1.0)])
def test_crops_are_drawn_as_torchvision_draws_them(
    size: tuple[int, int], scale: tuple[float, float]
) -> None:
    """Place and size of 4,000 crops have the distribution of torchvision's RandomResizedCrop."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    image = torch.empty(3, *size)
    ours = np.array([random_crop(*size, scale, rng) for _ in range(4000)])
    theirs = np.array(
        [RandomResizedCrop.get_params(image, list(scale), [3 / 4, 4 / 3]) for _ in range(4000)]
    )
    assert (ours[:, :2] >= 0).all() and (ours[:, :2] + ours[:, 2:] <= size).all()
    for i in range(4):
        assert ks_2samp(ours[:, i], theirs[:, i]).pvalue > 1e-3


def test_batches_depend_on_nothing_but_seed_and_epoch(reader: ShardReader) -> None:
    """A seed gives its batches again; another seed or epoch gives others."""
    one = batches(reader)
    torch.manual_seed(12345)
    torch.rand(100)
    assert equal(one, batches(reader))
    assert not equal(one, batches(reader, epoch=1))
    assert not equal(one, batches(reader, seed=1))


class Counting:
    """A reader that counts how often each image is read."""

    def __init__(self, reader: ShardReader) -> None:
        """Read from `reader`."""
        self._reader = reader
        self.labels, self.decoding = reader.labels, reader.decoding
        self.reads = [0] * len(reader)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._reader)

    def image(self, i: int) -> bytes:
        """Return an image's file, and count it."""
        self.reads[i] += 1
        return self._reader.image(i)


SIDE = 64
EACH = SIDE * SIDE * 3  # bytes of a patch's pixels


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("keep", [5 * EACH, 1 << 30])
@pytest.mark.parametrize("threads", [1, 3])
def test_kept_pixels_do_not_change_the_batches(
    reader: ShardReader, training: bool, keep: int, threads: int
) -> None:
    """Three epochs from one loader that keeps what it decoded are those of one that does not."""
    made = []
    for kept in (0, keep):
        data = loader(
            reader, RECIPE, seed=0, training=training, workers=0, threads=threads, keep=kept
        )
        found = []
        for epoch in range(3):
            if training:
                data.sampler.set_epoch(epoch)
            found += [tensor for batch in data for tensor in batch]
        made.append(found)
    assert equal(*made)


@pytest.mark.parametrize(("keep", "kept"), [(0, 0), (EACH - 1, 0), (5 * EACH, 5), (1 << 30, 21)])
def test_as_many_pixels_are_kept_as_there_is_room_for(
    reader: ShardReader, keep: int, kept: int
) -> None:
    """What is kept is decoded once, all else in each epoch; no more than the room is taken."""
    counting = Counting(reader)
    dataset = ImageDataset(counting, train_transform(RECIPE), seed=0, keep=keep)  # type: ignore[arg-type]
    for epoch in range(3):
        for i in range(len(reader)):
            dataset[epoch * len(reader) + i]
    assert sorted(counting.reads) == [1] * kept + [3] * (21 - kept)


def test_an_image_is_augmented_anew_each_epoch(reader: ShardReader) -> None:
    """The same image looks different in every epoch, so that augmentation augments."""
    dataset = ImageDataset(reader, train_transform(RECIPE), seed=0)
    views = [dataset[epoch * len(reader) + 4][0] for epoch in range(6)]
    assert len({view.numpy().tobytes() for view in views}) == 6
    assert {dataset[epoch * len(reader) + 4][1] for epoch in range(6)} == {0}


def test_equal_images_are_augmented_differently(tmp_path: Path, photos: Path) -> None:
    """Two images at different places of a data set do not share their random choices."""
    data = (photos / "coffee.png").read_bytes()
    with writing_shard(tmp_path / "a-0.tar", "original", "none") as writer:
        for i in range(6):
            add(writer, str(i), 0, data)
    dataset = ImageDataset(ShardReader([tmp_path / "a-0.tar"]), train_transform(RECIPE), seed=0)
    assert len({dataset[i][0].numpy().tobytes() for i in range(6)}) == 6


def test_reading_does_not_disturb_other_random_numbers(reader: ShardReader) -> None:
    """Dropout gets the same random numbers, however many images are augmented in between."""
    dataset = ImageDataset(reader, train_transform(RECIPE), seed=0)
    torch.manual_seed(0)
    undisturbed = torch.rand(5)
    torch.manual_seed(0)
    assert len([dataset[i] for i in range(len(dataset))]) == 21
    assert torch.equal(torch.rand(5), undisturbed)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_an_epoch_is_a_permutation(seed: int, epoch: int) -> None:
    """Every image comes once an epoch; indexes tell the epoch."""
    sampler = EpochSampler(100, 10, seed)
    sampler.set_epoch(epoch)
    assert len(sampler) == 100
    assert sorted(sampler) == list(range(100 * epoch, 100 * (epoch + 1)))
    assert list(sampler) == list(sampler)
    assert list(sampler) != sorted(sampler)


def test_epochs_and_seeds_shuffle_differently() -> None:
    """No two epochs or seeds come in the same order."""
    orders = set()
    for seed in range(3):
        sampler = EpochSampler(100, 10, seed)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            orders.add(tuple(index - 100 * epoch for index in sampler))
    assert len(orders) == 9


def test_evaluation_covers_all_images_in_order_without_chance(reader: ShardReader) -> None:
    """Validation and test see every image once, in the order of the shards, always alike."""
    one = batches(reader, training=False)
    assert [len(images) for images in one[::2]] == [8, 8, 5]
    assert torch.cat(one[1::2]).tolist() == reader.labels.tolist()
    assert equal(one, batches(reader, training=False, seed=9, workers=2))


def test_training_leaves_out_the_incomplete_batch(reader: ShardReader) -> None:
    """21 images in batches of 8 are two steps; the five left over are others each epoch."""
    assert [len(tensor) for tensor in batches(reader)] == [8, 8, 8, 8]


def test_fewer_images_than_a_batch_are_trained_on(reader: ShardReader) -> None:
    """A tiny data set is one incomplete batch, not none."""
    data = loader(reader, {**RECIPE, "batch_size": 64}, seed=0, training=True, workers=0)
    assert [len(labels) for _, labels in data] == [21]


def decoded(data: bytes) -> np.ndarray:
    """Return an image file's pixels as (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_an_image_of_the_right_size_is_evaluated_as_it_is(reader: ShardReader) -> None:
    """At its own size an image's pixels reach the network unchanged, as uint8."""
    dataset = ImageDataset(reader, eval_transform({**RECIPE, "image_size": 64}), seed=0)
    for i in range(len(reader)):
        image, label = dataset[i]
        assert image.dtype == torch.uint8
        assert np.array_equal(image.permute(1, 2, 0), decoded(reader.image(i)))
        assert label == reader.labels[i]


@pytest.mark.parametrize(("size", "crop"), [(96, 1.0), (64, 0.875)])
def test_evaluation_resizes_the_shorter_side_and_takes_the_centre(
    tmp_path: Path, photos: Path, size: int, crop: float
) -> None:
    """An oblong photograph is scaled by its shorter side, as Pillow does, and cut at the centre.

    Both compute in whole numbers: where they round otherwise they are one level apart.
    """
    with writing_shard(tmp_path / "a-0.tar", "original", "none") as writer:
        add(writer, "rocket", 0, (photos / "rocket.jpg").read_bytes())
    recipe = {**RECIPE, "image_size": size, "eval_crop": crop}
    image, _ = ImageDataset(ShardReader([tmp_path / "a-0.tar"]), eval_transform(recipe), seed=0)[0]
    photograph = Image.open(photos / "rocket.jpg")
    short = round(size / crop)
    scaled = photograph.resize(
        (int(short * photograph.width / photograph.height), short), Image.Resampling.BICUBIC
    )
    left, top = round((scaled.width - size) / 2), round((scaled.height - size) / 2)
    expected = np.asarray(scaled.crop((left, top, left + size, top + size)), dtype=int)
    assert np.abs(image.permute(1, 2, 0).numpy() - expected).max() <= 1


def test_training_may_see_the_whole_image_unflipped_or_flipped(reader: ShardReader) -> None:
    """With the whole area and no flip the augmentation is none; flip 1 mirrors every image."""
    for flip, turn in ((0.0, lambda pixels: pixels), (1.0, np.fliplr)):
        augmentation = {"crop_scale": [1.0, 1.0], "horizontal_flip": flip}
        recipe = {**RECIPE, "image_size": 64, "augmentation": augmentation}
        image, _ = ImageDataset(reader, train_transform(recipe), seed=0)[0]
        assert np.array_equal(image.permute(1, 2, 0), turn(decoded(reader.image(0))))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_colour_mode_reaches_the_network_as_rgb(
    tmp_path: Path, photos: Path, mode: str
) -> None:
    """Greyscale, palette, transparent and print images are three channels for the network."""
    buffer = io.BytesIO()
    image = Image.open(photos / "chelsea.png").convert(mode)
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    with writing_shard(tmp_path / "a-0.tar", "original", "none") as writer:
        add(writer, "cat", 0, buffer.getvalue())
    dataset = ImageDataset(ShardReader([tmp_path / "a-0.tar"]), eval_transform(RECIPE), seed=0)
    assert dataset[0][0].shape == (3, 48, 48)


def test_a_rotated_original_is_upright_for_the_network(tmp_path: Path, photos: Path) -> None:
    """Originals are turned by their EXIF orientation, as the variants were when they were made."""
    photograph = Image.open(photos / "chelsea.png").convert("RGB").crop((0, 0, 64, 64))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    buffer = io.BytesIO()
    photograph.rotate(180).save(buffer, "PNG", exif=exif)
    with writing_shard(tmp_path / "a-0.tar", "original", "none") as writer:
        add(writer, "cat", 0, buffer.getvalue())
    transform = eval_transform({**RECIPE, "image_size": 64})
    image, _ = ImageDataset(ShardReader([tmp_path / "a-0.tar"]), transform, seed=0)[0]
    assert np.array_equal(image.permute(1, 2, 0), photograph)
