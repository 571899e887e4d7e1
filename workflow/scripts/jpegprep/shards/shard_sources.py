"""WebDataset shards and Parquet files of images as the files of a folder with class folders.

Each image has a place below the folder of its class, and of its split, where splits are given.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from jpegprep.common.errors import UserError
from jpegprep.datasets import parquet_images, webdataset
from jpegprep.datasets.archives import Sample
from jpegprep.datasets.columns import Columns, Contents
from jpegprep.datasets.listing import SPLIT_NAMES, File, class_of, digest_of, looks_like_image
from jpegprep.datasets.sources import folder_of, kind_of, scan
from jpegprep.shards.sources import LARGE, LINK, Reading, Source

NO_LABEL = "no label"  # why an image is skipped that belongs into no class's folder


class ShardSource(Source):
    """The images of shards or of Parquet files."""

    def __init__(self, path: Path, columns: Columns | None = None) -> None:
        """Take its path, and what the user says of columns or keys."""
        super().__init__(path)
        self.folder = folder_of(path)
        self._kind = kind_of(path)
        self._files = scan(path)
        look = webdataset.inspect_shards
        if self._kind == "parquet":
            look = parquet_images.inspect_parquet
        self._held: Contents = look(path, self._files, columns or {})

    def told(self) -> str:
        """Return what was found where."""
        return self._held.told

    def identity(self) -> dict[str, Any]:
        """Return its path, and what changes with its files: an image has no time of its own."""
        return super().identity() | {"digest": digest_of(self._files)}

    def listed(self) -> list[File]:
        """Return the images at their places; those without a label have a problem."""
        time = max((file.mtime_ns for file in self._files), default=0)
        taken: Counter[str] = Counter()
        files = []
        for number, sample in enumerate(self._samples(read=False)):
            file = File(f"{number:09d}", max(0, sample.size), time)
            if sample.problem:
                problem = LARGE if sample.problem == "too large" else LINK
                files.append(file._replace(problem=problem))
                continue
            if sample.class_name is None:
                files.append(file._replace(problem=NO_LABEL))
                continue
            split, place = _placed(sample, self._held.splits)
            taken[place.casefold()] += 1
            if taken[place.casefold()] > 1:
                folder, _, name = place.rpartition("/")
                place = f"{folder}/{number:09d}-{name}"
            name = class_of(sample.class_name)
            files.append(
                file._replace(path=place, class_name=name, split=split, group=sample.group)
            )
        _check_classes(self.path, files)
        return files

    def readings(self, files: Iterable[tuple[int, File]]) -> Iterator[Reading]:
        """Yield images, in one pass over the shards."""
        wanted = dict(files)
        last = max(wanted, default=-1)
        for number, sample in enumerate(self._samples()):
            if number in wanted:
                yield Reading(number, wanted[number], partial(bytes, sample.data))
            if number >= last:
                return

    def _samples(self, read: bool = True) -> Iterator[Sample]:
        about = (self.folder or Path(), self._files, self._held.columns, self._held.splits)
        if self._kind == "parquet":
            return parquet_images.images(*about)
        return webdataset.images(*about, read)


def _placed(sample: Sample, splits: bool) -> tuple[str | None, str]:
    """Return the split of an image, and its place: below its class's folder, as it was called.

    Where it says that it stood below that folder before, as an image that `convert` wrote does, it
    stands there again, however deep.
    """
    split, _, rest = sample.member.partition("/") if splits else ("", "", sample.member)
    folder = folder_name(str(sample.class_name))
    parts = PurePosixPath((sample.own_path or "").replace("\0", "")).parts
    if split and parts and SPLIT_NAMES.get(parts[0].lower()) == split:
        parts = parts[1:]
    inside = "/".join(parts[1:]) if ".." not in parts and parts[:1] == (folder,) else ""
    ending = PurePosixPath(rest).suffix
    if looks_like_image(inside) and PurePosixPath(inside).suffix.lower() != ending.lower():
        inside = str(PurePosixPath(inside).with_suffix(ending))  # of an image that has become JPEG
    place = f"{folder}/{inside or PurePosixPath(rest).name}"
    return split or None, f"{split}/{place}" if split else place


def folder_name(class_name: str) -> str:
    """Return the name of a class's folder: the class's, but for what no folder can be called."""
    name = class_name.replace("/", "_").replace("\0", "_")
    return f"_{name}" if name.startswith(".") else name


def _check_classes(path: Path, files: Iterable[File]) -> None:
    """Refuse two classes in one folder.

    Raises:
        UserError: where two would be called so.
    """
    first: dict[str, str] = {}
    for file in files:
        if file.class_name is not None:
            folder = folder_name(file.class_name)
            if first.setdefault(folder, file.class_name) != file.class_name:
                raise UserError(
                    f"{path}: the classes {first[folder]!r} and {file.class_name!r} would have one "
                    f"folder, {folder!r}; rename one of them"
                )
