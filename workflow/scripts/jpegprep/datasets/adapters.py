"""Adapters: each reads the archives of one layout and yields every image with its class."""

import codecs
import io
import lzma
import os
import pickle
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy._core import multiarray as np_multiarray
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.listing import LISTING, SPLIT_NAMES, File, ignored, read_listing, text_of
from jpegprep.images.images import decode, encode_png


@dataclass(frozen=True)
class Sample:
    """One file of a data set.

    Attributes:
        class_name: the class as the publisher spells it; None for a file that belongs to none.
        member: where the image stands: a member of the archive, or a region of a photograph.
        data: the bytes of the image file, as its publisher ships it; empty where it was not read.
        problem: what the adapter found wrong, one of `manifest.PROBLEMS`; outside, where there is
            no class and nothing else is said.
    """

    class_name: str | None
    member: str
    data: bytes
    problem: str | None = None


def read_samples(dataset: Mapping[str, Any], archives: Sequence[str | Path]) -> Iterator[Sample]:
    """Yield the samples of a data set in the order in which its archives hold them.

    Args:
        dataset: the data set's entry in the registry.
        archives: its archives, in the order of the registry.

    Raises:
        UserError: where an archive is truncated or not laid out as the adapter expects.
    """
    adapter = ADAPTERS[dataset["adapter"]]
    yield from adapter(dataset.get("options", {}), [Path(archive) for archive in archives])


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
    name = _name(file.path)
    if file.class_name is None:
        class_name, name = place(name, options)
    else:
        class_name, name = file.class_name, f"{file.split}/{name}" if file.split else name
    problem = file.problem or ("too large" if file.bytes > LARGEST else None)
    return Sample(class_name, name, b"" if problem else read_listed(folder, file), problem)


def read_listed(folder: Path, file: File) -> bytes:
    """Return the bytes of a file that was listed.

    Raises:
        UserError: where it has vanished, is another now, or cannot be read.
    """
    path = folder / file.path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            data = opened.read()
    except PermissionError:
        raise UserError(
            f"{path}: no permission to read it; give yourself read permission (chmod u+r), or "
            "take it out of the folder"
        ) from None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise UserError(f"{path}: {reason}, though it was listed; run again") from None
    if (status.st_size, status.st_mtime_ns) != (file.bytes, file.mtime_ns):
        raise UserError(f"{path}: changed since it was listed; run again")
    return data


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


def _unpickled(archive: Path, member: "Member") -> dict[bytes, Any]:
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


@dataclass(frozen=True)
class Member:
    """A member of an archive; without data where it is a link or a device, or too large.

    Attributes:
        name: its path in the archive.
        data: its bytes, where they were wanted.
        problem: link or too large; else None.
        size: its bytes' number, of what has no problem.
    """

    name: str
    data: bytes
    problem: str | None = None
    size: int = 0

    def sample(self, class_name: str | None) -> Sample:
        """Return it as a sample of a class."""
        return Sample(class_name, self.name, self.data, self.problem)


# Bytes: a larger file is none of an image, and would not fit into memory a few times.
LARGEST = 1 << 29


def members(archive: Path, read: bool | Callable[[int], bool] = True) -> Iterator[Member]:
    """Yield each member but folders, straight from the archive: nothing is extracted.

    Names lose a leading ``./``; whatever else they say has no effect, as no file gets them. Memory
    does not grow with a tar's members.

    Args:
        archive: a tar or zip.
        read: whether the members' bytes are wanted; or a function that tells it of each, by its
            number among those that are yielded.

    Raises:
        UserError: where it is truncated or damaged, or no archive.
    """
    wanted = read if callable(read) else lambda number: read
    numbers = count()
    try:
        with archive.open("rb") as file_of_any_kind:
            is_zip = file_of_any_kind.read(2) == b"PK"
        if is_zip:
            with zipfile.ZipFile(archive) as opened:
                for info in opened.infolist():
                    link = stat.S_ISLNK(info.external_attr >> 16)
                    if info.is_dir() and not link:
                        continue
                    name, needed = _name(info.filename), wanted(next(numbers))
                    if link:
                        yield Member(name, b"", "link")
                    elif info.file_size > LARGEST:
                        yield Member(name, b"", "too large")
                    else:
                        data = opened.read(info) if needed else b""
                        yield Member(name, data, size=info.file_size)
            return
        with tarfile.open(archive, "r:*", tarinfo=_Strict) as opened_tar:
            for member in opened_tar:
                opened_tar.members = []  # type: ignore[attr-defined]  # it would hold them all
                if member.isdir():
                    continue
                name, needed = _name(member.name), wanted(next(numbers))
                file = opened_tar.extractfile(member) if member.isreg() else None
                if file is None:
                    yield Member(name, b"", "link")
                elif member.size > LARGEST:
                    yield Member(name, b"", "too large")
                else:
                    data = file.read() if needed else b""
                    if needed and len(data) < member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield Member(name, data, size=member.size)
    except _DAMAGED as error:
        # tarfile tells what each of its methods said, a line each.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise UserError(
            f"{archive}: cannot be read as a tar or zip archive ({reason}); it is truncated or "
            "damaged: remove it, so that it is fetched again"
        ) from None


class _Strict(tarfile.TarInfo):
    """A tar's header; one that is damaged or missing is an error, not the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Strict":
        """Read the next header."""
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise  # an empty block: the regular end
            raise tarfile.ReadError(f"no header or end-of-archive mark: {error}") from None


_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # zip: a compression method that the standard library lacks
    RuntimeError,  # zip: encrypted
    UnicodeError,  # zip: a name that is no UTF-8, though it says so
)


def _name(name: str) -> str:
    return str(PurePosixPath(text_of(name)))


ADAPTERS: dict[str, Callable[[Mapping[str, Any], Sequence[Path]], Iterator[Sample]]] = {
    "cifar": cifar,
    "class_folders": class_folders,
    "image_folder": image_folder,
    "oxford_pets": oxford_pets,
    "photo_patches": photo_patches,
}
