"""Adapters: each reads the archives of one layout and yields every image with its class."""

import codecs
import io
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy._core import multiarray as np_multiarray
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets import parquet_images, webdataset
from jpegprep.datasets.archives import (
    LARGEST,
    Member,
    Sample,
    members,
    read_listed,
    shown_name,
)
from jpegprep.datasets.listing import LISTING, SPLIT_NAMES, File, ignored, read_listing
from jpegprep.images.images import decode, encode_png


def read_samples(dataset: Mapping[str, Any], archives: Sequence[str | Path]) -> Iterator[Sample]:
    """Yield the samples of a data set in the order in which its archives hold them.

    The option ``group`` is a pattern that is searched in each member's name, see `group_in`.

    Args:
        dataset: the data set's entry in the registry.
        archives: its archives, in the order of the registry.

    Raises:
        UserError: where an archive is truncated or not laid out as the adapter expects.
    """
    options = dataset.get("options", {})
    pattern = re.compile(options["group"]) if "group" in options else None
    for sample in ADAPTERS[dataset["adapter"]](options, [Path(archive) for archive in archives]):
        yield replace(sample, group=group_in(pattern, sample.member)) if pattern else sample


def group_in(pattern: re.Pattern[str], member: str) -> str | None:
    """Return what a pattern finds in a member's name: what the image belongs together with.

    That is what its group called ``group`` holds, or its first one, or all that it matches; None,
    where it matches nothing.
    """
    if (match := pattern.search(member)) is None:
        return None
    if "group" in pattern.groupindex:
        return match["group"] or None
    return (match[1] if pattern.groups else match[0]) or None


def photo_patches(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Cut photographs into square patches that do not overlap: one class a photograph.

    The patches come column by column along the photograph's longer side, so that a split which
    keeps their order (``contiguous``) cuts each photograph into bands: no patch of the test set
    has neighbours on both sides in the training set, as in the use of Brodatz's textures.

    Args:
        options: ``patch``, the side of a patch in pixels; ``crop``, the side in pixels of the
            largest centred square that is cut up, so that no photograph outweighs the others.
        archives: one photograph each; its file name without extension is the class.
    """
    patch, crop = options["patch"], options["crop"]
    for archive in archives:
        try:
            photograph = decode(archive.read_bytes())
        except ValueError as error:
            raise UserError(f"{archive}: {error}; fetch it again") from None
        width, height = (min(side, crop) // patch * patch for side in photograph.size)
        left, top = (photograph.width - width) // 2, (photograph.height - height) // 2
        places = [
            (x, y) for x in range(left, left + width, patch) for y in _steps(top, height, patch)
        ]
        if height > width:
            places = [
                (x, y) for y in _steps(top, height, patch) for x in _steps(left, width, patch)
            ]
        for x, y in places:
            region = photograph.crop((x, y, x + patch, y + patch))
            yield Sample(archive.stem, f"{archive.name}[{x},{y}]", encode_png(region))


def _steps(start: int, length: int, step: int) -> range:
    return range(start, start + length, step)


def class_folders(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Read tar or zip archives in which each class is a folder of images.

    Every member is yielded; a file that lies elsewhere than directly in a class folder, or is
    hidden, belongs to no class.

    Args:
        options: ``root``, the folder inside the archive that holds the class folders (default: the
            archive's top); ``nested``, true where class folders may hold others: then each folder
            with images is a class, called by its path below the root.
        archives: tar (with any compression of the standard library) or zip files.
    """
    root = PurePosixPath(options.get("root", "."))
    for archive in archives:
        for member in members(archive):
            path = PurePosixPath(member.name)
            inside = path.relative_to(root).parts if path.is_relative_to(root) else ()
            folders = inside[:-1]
            in_class = bool(folders) and (options.get("nested") or len(folders) == 1)
            in_class = in_class and not any(part.startswith(".") for part in inside)
            yield member.sample("/".join(folders) if in_class else None)


def image_folder(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Read a user's own images: a listing of the files of a folder or a CSV, or a tar or zip.

    As for torchvision's ImageFolder the first folder below the root is the class, and images in
    deeper folders belong to it. A CSV says the class itself.

    Args:
        options: ``root``, the folder that holds the class folders (default: the top); ``splits``,
            true where train, val and test are given: the folders below the root are then splits,
            with class folders in them, and each member's name begins with train, val or test.
        archives: listings (images.jsonl), tar or zip files.

    Raises:
        UserError: where a listed file has vanished, changed or cannot be read.
    """
    for archive in archives:
        if archive.name == LISTING:
            folder, files = read_listing(archive)
            for file in files:
                yield _listed(folder, file, options)
        else:
            for member in members(archive):
                class_name, name = place(member.name, options)
                yield Sample(class_name, name, member.data, member.problem)


def place(name: str, options: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the class of a file among class folders (None outside of them), and its member's name.

    Args:
        name: its path in the archive or below the folder.
        options: those of `image_folder`.
    """
    path, root = PurePosixPath(name), PurePosixPath(options.get("root", "."))
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    if any(map(ignored, parts)):
        return None, name
    if not options.get("splits"):
        return (parts[0] if len(parts) > 1 else None), name
    split = SPLIT_NAMES.get(parts[0].lower()) if len(parts) > 2 else None
    return (parts[1], "/".join((split, *parts[1:]))) if split else (None, name)


def _listed(folder: Path, file: File, options: Mapping[str, Any]) -> Sample:
    name = shown_name(file.path)
    if file.class_name is None:
        class_name, name = place(name, options)
    else:
        class_name = file.class_name
        name = f"{file.split}/{name.lstrip('/')}" if file.split else name
    problem = file.problem or ("too large" if file.bytes > LARGEST else None)
    data = b"" if problem else read_listed(folder, file)
    return Sample(class_name, name, data, problem, file.group)


def oxford_pets(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Read Oxford-IIIT Pets: ``images/Maine_Coon_12.jpg`` is of the class Maine_Coon.

    Args:
        options: ``listed_only``, true to set aside the images that are not in the publisher's list
            (41 of 7,390).
        archives: the archive of images, then the one of annotations.
    """
    images, annotations = archives
    listed = set()
    for member in members(annotations):
        if PurePosixPath(member.name).name == "list.txt":
            lines = member.data.decode("utf-8", "replace").splitlines()
            listed = {line.split()[0] for line in lines if line.strip() and line[0] != "#"}
    if not listed:
        raise UserError(f"{annotations}: holds no list.txt of images; fetch it again")
    for member in members(images):
        path = PurePosixPath(member.name)
        in_place = path.parent == PurePosixPath("images") and path.suffix == ".jpg"
        match = re.fullmatch(r"(\w+)_\d+", path.stem) if in_place else None
        sample = member.sample(match[1] if match else None)
        if match and options.get("listed_only") and path.stem not in listed:
            sample = replace(sample, problem="unlisted")
        yield sample


def cifar(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Read CIFAR-10 or CIFAR-100 in its publisher's Python version; each image becomes a PNG.

    The batches are pickles. They are read without executing anything: nothing but NumPy arrays and
    plain containers can come out of them.

    Args:
        options: none.
        archives: the archive.
    """
    for archive in archives:
        batches, names = [], None
        for member in members(archive):
            if PurePosixPath(member.name).name not in _CIFAR_BATCHES:
                yield member.sample(None)
                continue
            content = _unpickled(archive, member)
            if labels := content.get(b"label_names") or content.get(b"fine_label_names"):
                names = _cifar_names(archive, member.name, labels)
            else:
                batches.append((member.name, content))
        if names is None:
            raise UserError(f"{archive}: holds no names of classes (batches.meta); fetch it again")
        for place, batch in batches:
            yield from _cifar_batch(archive, place, batch, names)


_CIFAR_BATCHES = {"batches.meta", "meta", "train", "test", "test_batch"}
_CIFAR_BATCHES |= {f"data_batch_{k}" for k in range(1, 6)}


def _cifar_names(archive: Path, place: str, labels: Any) -> list[str]:
    try:
        return [name.decode() for name in labels]
    except (AttributeError, TypeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{archive}: {place} holds no names of classes ({error}); fetch it again"
        ) from None


def _cifar_batch(
    archive: Path, place: str, batch: Mapping[bytes, Any], names: Sequence[str]
) -> Iterator[Sample]:
    try:
        labels = batch.get(b"labels", batch.get(b"fine_labels"))
        # A row holds the red pixels, then the green, then the blue, each in rows.
        pixels = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        if batch[b"data"].dtype != np.uint8 or min(labels) < 0:
            raise ValueError("its pixels or labels are out of range")
        classes = [names[label] for label in labels]
        places = [f"{place}/{name.decode('latin-1')}" for name in batch[b"filenames"]]
        rows = list(zip(pixels, classes, places, strict=True))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{archive}: {place} is no batch of CIFAR ({error}); fetch it again"
        ) from None
    for image, class_name, member in rows:
        yield Sample(class_name, member, encode_png(Image.fromarray(np.ascontiguousarray(image))))


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and plain containers; every other name is refused, so nothing runs."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few callables that an array in a pickle needs."""
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): codecs.encode,
            # Its module was numpy.core when CIFAR was published.
            ("numpy.core.multiarray", "_reconstruct"): np_multiarray._reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): np_multiarray._reconstruct,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image needs")
        return allowed[module, name]


def _unpickled(archive: Path, member: Member) -> dict[bytes, Any]:
    try:
        content = _ArraysOnly(io.BytesIO(member.data), encoding="bytes").load()
        if not isinstance(content, dict):
            raise pickle.UnpicklingError("no dictionary")
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{archive}: {member.name} is no batch of CIFAR ({reason}); fetch the archive again"
        ) from None
    return content


ADAPTERS: dict[str, Callable[[Mapping[str, Any], Sequence[Path]], Iterator[Sample]]] = {
    "cifar": cifar,
    "class_folders": class_folders,
    "image_folder": image_folder,
    "oxford_pets": oxford_pets,
    "parquet_images": parquet_images.samples,
    "photo_patches": photo_patches,
    "webdataset": webdataset.samples,
}
# Those of a user's own images, whose classes and files are counted when a call begins.
OWN = ("image_folder", "parquet_images", "webdataset")
