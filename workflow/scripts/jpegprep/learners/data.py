"""Feeding a network from shards: decode, transform, batch; the same for any number of workers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Required, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from jpegprep.images.opencv import decode_rgb
from jpegprep.shards.shards import ShardReader

Pixels = npt.NDArray[np.uint8]
# From pixels, (height, width, 3), to a network's input, (size, size, 3).
Transform = Callable[[Pixels, np.random.Generator], Pixels]


@dataclass(frozen=True)
class Place:
    """Which of the processes of a training one is.

    Attributes:
        rank: from 0.
        of: how many there are.
    """

    rank: int
    of: int


ALONE = Place(0, 1)


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """The images of some shards, decoded and transformed.

    An item's index is ``epoch * len(reader) + i``: every random choice of its transform comes from
    (seed, epoch, i) and so not from the number of threads or workers, nor from where a run was
    resumed.
    """

    def __init__(
        self,
        reader: ShardReader,
        transform: Transform,
        seed: int,
        threads: int = 1,
        keep: int = 0,
    ) -> None:
        """Read from `reader` and apply `transform` to each image.

        Args:
            reader: the images.
            transform: applied to pixels in RGB.
            seed: the run's.
            threads: how many decode and transform a batch.
            keep: bytes of decoded pixels that are kept for the next epochs.
        """
        self._reader = reader
        self._transform = transform
        self._seed = seed
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._room = keep
        self._kept: dict[int, Pixels] = {}

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._reader)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return the image, (3, size, size) uint8, and its label."""
        epoch, i = divmod(index, len(self._reader))
        rng = np.random.default_rng((self._seed, epoch, i))
        pixels = self._transform(self._pixels(i), rng)
        image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
        return image, int(self._reader.labels[i])

    def __getitems__(self, indexes: Sequence[int]) -> list[tuple[torch.Tensor, int]]:
        """Return the items of a batch; decoding and resizing let other threads run."""
        return list((self._pool.map if self._pool else map)(self.__getitem__, indexes))

    def _pixels(self, i: int) -> Pixels:
        if (kept := self._kept.get(i)) is not None:
            return kept
        pixels = decode_rgb(self._reader.image(i), self._reader.decoding)
        if pixels.nbytes <= self._room:
            self._room -= pixels.nbytes
            self._kept[i] = pixels
        return pixels


class EpochSampler(Sampler[int]):
    """A permutation of the items for each epoch, from (seed, epoch); Lightning sets the epoch.

    Of several processes each has its part of every batch: together they see the batches of one.
    """

    def __init__(self, items: int, batch: int, seed: int, place: Place = ALONE) -> None:
        """Permute `items` items for batches of `batch` items among all processes."""
        self._items = items
        self._batch = batch
        self._seed = seed
        self._place = place
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of an epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of items of this process."""
        return len(self._part(np.arange(self._items)))

    def __iter__(self) -> Iterator[int]:
        """Yield the items' indexes for `ImageDataset`."""
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._items)
        yield from (self._epoch * self._items + self._part(order)).tolist()

    def _part(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return what this process has of all items: all but the last, incomplete batch."""
        rank, of = self._place.rank, self._place.of
        if self._items <= self._batch:
            return order[rank::of]
        batches = self._items // self._batch
        return order[: batches * self._batch].reshape(batches, of, -1)[:, rank].ravel()


class Normalization(nn.Module):
    """From uint8 images to what a timm model was pretrained on."""

    def __init__(self, model: nn.Module) -> None:
        """Take the colour statistics of the model's pretraining, of pixels in [0, 1]."""
        super().__init__()
        for name in ("mean", "std"):
            values = torch.tensor(model.pretrained_cfg[name]).view(1, 3, 1, 1)  # type: ignore
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 (n, 3, height, width), its channels last in memory."""
        pixels = (images.float() / 255 - self.mean) / self.std  # type: ignore[operator]
        return pixels.contiguous(memory_format=torch.channels_last)


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize by torch's antialiased bicubic on uint8: Pillow's, but for rounding, and faster.

    In NumPy's arrays but for this: in the threads that feed a network, torch's other operations
    would each start threads of their own, and slow the training down.
    """
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).unsqueeze(0)
    resized = torch.nn.functional.interpolate(
        image, (height, width), mode="bicubic", antialias=True
    )
    return resized[0].permute(1, 2, 0).numpy()


def train_transform(recipe: Mapping[str, Any]) -> Transform:
    """Return the augmentation of a recipe: crop, resize, flip.

    Args:
        recipe: ``image_size`` (pixels), ``augmentation.crop_scale`` (range of the cropped area),
            ``augmentation.horizontal_flip`` (probability).
    """
    size = recipe["image_size"]
    scale = recipe["augmentation"]["crop_scale"]
    flip = recipe["augmentation"]["horizontal_flip"]

    def transform(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        top, left, height, width = random_crop(pixels.shape[0], pixels.shape[1], scale, rng)
        view = resize(pixels[top : top + height, left : left + width], size, size)
        return view[:, ::-1] if rng.random() < flip else view

    return transform


def random_crop(
    height: int, width: int, scale: Sequence[float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Choose top, left, height and width of a crop as torchvision's RandomResizedCrop does.

    The area is uniform in `scale`, the aspect ratio log-uniform in [3/4, 4/3]; of ten choices the
    first that fits inside the image is taken, else the largest centre crop of such a ratio
    (Szegedy et al., Going Deeper with Convolutions, CVPR 2015). Not torchvision's own, since that
    draws from torch's global state, which threads share.

    Args:
        height: of the image, in pixels.
        width: likewise.
        scale: the least and the greatest share of the area.
        rng: where random numbers come from.
    """
    low, high = scale
    for _ in range(10):
        area = height * width * rng.uniform(low, high)
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    ratio = min(max(width / height, 3 / 4), 4 / 3)
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    return (height - h) // 2, (width - w) // 2, h, w


def eval_transform(recipe: Mapping[str, Any]) -> Transform:
    """Return the transform for validation and test: resize the shorter side, crop the centre.

    Args:
        recipe: ``image_size`` (pixels), ``eval_crop`` (the centre's share of the shorter side).
    """
    size = recipe["image_size"]
    side = round(size / recipe["eval_crop"])

    def transform(pixels: Pixels, _: np.random.Generator) -> Pixels:
        height, width = pixels.shape[:2]
        shorter = min(height, width)
        resized = resize(pixels, side * height // shorter, side * width // shorter)
        top, left = (round((length - size) / 2) for length in resized.shape[:2])
        return resized[top : top + size, left : left + size]

    return transform


class Decoders(TypedDict, total=False):
    """What `loader` takes from `decoders`."""

    workers: Required[int]
    threads: int
    keep: int


def decoders(threads: int, keep: int = 0) -> Decoders:
    """Return how a `loader` decodes: a GPU waits for processes of their own, a CPU for threads.

    A CPU that computes has no core to spare for decoding beside it: all its cores decode a batch,
    then all compute on it.

    Args:
        threads: processors to use.
        keep: bytes of decoded pixels that are kept where there is no GPU.
    """
    if torch.cuda.is_available():
        return {"workers": max(1, threads - 1)}
    return {"workers": 0, "threads": threads, "keep": keep}


def loader(
    reader: ShardReader,
    recipe: Mapping[str, Any],
    *,
    seed: int,
    training: bool,
    workers: int,
    threads: int = 1,
    keep: int = 0,
    place: Place = ALONE,
) -> DataLoader[tuple[torch.Tensor, int]]:
    """Return batches of (n, 3, size, size) uint8 images and (n,) labels.

    Args:
        reader: the shards of one split of one variant.
        recipe: the learner's recipe.
        seed: the run's.
        training: augment and shuffle, and leave out the last, incomplete batch; otherwise neither.
        workers: processes that decode; with 0 the training process does.
        threads: threads that decode in each of these.
        keep: bytes of decoded pixels that each of these keeps for the next epochs.
        place: which of the processes that divide every batch among them this is.
    """
    transform = train_transform(recipe) if training else eval_transform(recipe)
    return DataLoader(
        ImageDataset(reader, transform, seed, threads, keep),
        batch_size=recipe["batch_size"] // place.of,
        sampler=EpochSampler(len(reader), recipe["batch_size"], seed, place)
        if training
        else range(place.rank, len(reader), place.of),
        collate_fn=_collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _collate(items: list[tuple[torch.Tensor, int]]) -> list[torch.Tensor]:
    """Return a batch whose channels are last in memory, as images and network have them.

    Turning them round would cost six times what copying them costs.
    """
    images, labels = default_collate([(image.permute(1, 2, 0), label) for image, label in items])
    return [images.permute(0, 3, 1, 2), labels]
