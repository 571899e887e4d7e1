"""Feeding a network from shards: decode, transform, batch; the same for any number of workers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import InterpolationMode, v2

from jpegprep.images import decode
from jpegprep.shards import ShardReader


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """The images of some shards, decoded and transformed.

    An item's index is ``epoch * len(reader) + i``: every random choice of its transform comes from
    (seed, epoch, i) and so not from the number of workers, nor from where a run was resumed.
    """

    def __init__(self, reader: ShardReader, transform: v2.Transform, seed: int) -> None:
        """Read from `reader` and apply `transform` to each image in mode RGB."""
        self._reader = reader
        self._transform = transform
        self._seed = seed

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._reader)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return the image, (3, size, size) uint8, and its label."""
        epoch, i = divmod(index, len(self._reader))
        image = decode(self._reader.image(i))
        image = image if image.mode == "RGB" else image.convert("RGB")
        with _seeded(self._seed, epoch, i):
            return self._transform(image), int(self._reader.labels[i])


@contextmanager
def _seeded(*numbers: int) -> Iterator[None]:
    """Draw torch's random numbers from a stream of these numbers' own, then go on as before.

    On the generator itself: `torch.manual_seed` and `fork_rng` also go to every kind of device, and
    cost half a millisecond, more than decoding a small image.
    """
    generator = torch.default_generator
    before = generator.get_state()
    # Spread by SeedSequence: neighbouring seeds would start neighbouring streams.
    generator.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]))
    try:
        yield
    finally:
        generator.set_state(before)


class EpochSampler(Sampler[int]):
    """A permutation of the items for each epoch, from (seed, epoch); Lightning sets the epoch."""

    def __init__(self, items: int, seed: int) -> None:
        """Permute `items` items."""
        self._items = items
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of an epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of items."""
        return self._items

    def __iter__(self) -> Iterator[int]:
        """Yield the items' indexes for `ImageDataset`."""
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._items)
        yield from (self._epoch * self._items + order).tolist()


def train_transform(recipe: Mapping[str, Any]) -> v2.Transform:
    """Return the augmentation of a recipe: crop, resize, flip.

    Args:
        recipe: ``image_size`` (pixels), ``augmentation.crop_scale`` (range of the cropped area),
            ``augmentation.horizontal_flip`` (probability).
    """
    augmentation = recipe["augmentation"]
    size = recipe["image_size"]
    crop = v2.RandomResizedCrop(
        size, scale=tuple(augmentation["crop_scale"]), interpolation=InterpolationMode.BICUBIC
    )
    flip = v2.RandomHorizontalFlip(augmentation["horizontal_flip"])
    return v2.Compose([crop, flip, v2.PILToTensor()])


def eval_transform(recipe: Mapping[str, Any]) -> v2.Transform:
    """Return the transform for validation and test: resize the shorter side, crop the centre.

    Args:
        recipe: ``image_size`` (pixels), ``eval_crop`` (the centre's share of the shorter side).
    """
    size = recipe["image_size"]
    resize = v2.Resize(
        round(size / recipe["eval_crop"]), interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    return v2.Compose([resize, v2.CenterCrop(size), v2.PILToTensor()])


def loader(
    reader: ShardReader,
    recipe: Mapping[str, Any],
    *,
    seed: int,
    training: bool,
    workers: int,
) -> DataLoader[tuple[torch.Tensor, int]]:
    """Return batches of (n, 3, size, size) uint8 images and (n,) labels.

    Args:
        reader: the shards of one split of one variant.
        recipe: the learner's recipe.
        seed: the run's.
        training: augment and shuffle, and leave out the last, incomplete batch; otherwise neither.
        workers: processes that decode; with 0 the training process does.
    """
    transform = train_transform(recipe) if training else eval_transform(recipe)
    return DataLoader(
        ImageDataset(reader, transform, seed),
        batch_size=recipe["batch_size"],
        sampler=EpochSampler(len(reader), seed) if training else None,
        drop_last=training and len(reader) > recipe["batch_size"],
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
