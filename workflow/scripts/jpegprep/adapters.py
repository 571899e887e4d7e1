"""Adapters: each reads the archives of one layout and yields every image with its class."""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jpegprep.errors import UserError
from jpegprep.images import decode, encode_png


@dataclass(frozen=True)
class Sample:
    """One file of a data set.

    Attributes:
        class_name: the class as the publisher spells it; None for a file that belongs to none.
        member: where the image stands: a member of the archive, or a region of a photograph.
        data: the bytes of the image file, as its publisher ships it.
    """

    class_name: str | None
    member: str
    data: bytes


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

    Every regular file is yielded; one that lies elsewhere than directly in a class folder, or is
    hidden, belongs to no class.

    Args:
        options: ``root``, the folder inside the archive that holds the class folders (default: the
            archive's top).
        archives: tar (with any compression of the standard library) or zip files.
    """
    root = PurePosixPath(options.get("root", "."))
    for archive in archives:
        for name, data in _members(archive):
            path = PurePosixPath(name)
            inside = path.relative_to(root).parts if path.is_relative_to(root) else ()
            in_class = len(inside) == 2 and not any(part.startswith(".") for part in inside)
            yield Sample(inside[0] if in_class else None, name, data)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each regular file; names lose a leading ``./``."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                for info in opened.infolist():
                    if not info.is_dir():
                        yield _name(info.filename), opened.read(info)
            return
        with tarfile.open(archive, "r:*") as opened_tar:
            for member in opened_tar:
                file = opened_tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    data = file.read()
                    if len(data) < member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield _name(member.name), data
        if _cut_between_members(archive):
            raise tarfile.ReadError("no end-of-archive mark")
    except _DAMAGED as error:
        # tarfile tells what each of its methods said, a line each.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise UserError(
            f"{archive}: cannot be read as a tar or zip archive ({reason}); it is truncated or "
            "damaged: remove it, so that it is fetched again"
        ) from None


_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # zip: a compression method that the standard library lacks
    RuntimeError,  # zip: encrypted
)


def _name(name: str) -> str:
    """Return a member's name as text; bytes that are no UTF-8 are read as Latin-1."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return str(PurePosixPath(raw.decode("utf-8")))
    except UnicodeDecodeError:
        return str(PurePosixPath(raw.decode("latin-1")))


def _cut_between_members(archive: Path) -> bool:
    """Tell whether a plain tar lacks the zero blocks at its end, which tarfile overlooks."""
    with archive.open("rb") as file:
        if file.read(_TAR_MAGIC.stop)[_TAR_MAGIC] != b"ustar":
            return False
        file.seek(-tarfile.BLOCKSIZE, io.SEEK_END)
        return any(file.read())


_TAR_MAGIC = slice(257, 262)


ADAPTERS: dict[str, Callable[[Mapping[str, Any], Sequence[Path]], Iterator[Sample]]] = {
    "class_folders": class_folders,
    "photo_patches": photo_patches,
}
