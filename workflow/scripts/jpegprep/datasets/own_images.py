"""A user's own images: what a folder, archive, CSV, shards or Parquet hold; their registry entry.

The folders are those of torchvision's ImageFolder: the first folder below the root is the class,
and images in deeper folders belong to it. Where the folders are called train, val and test (or
training, valid, validation, testing), they are splits, with class folders in them.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

from jpegprep.common.errors import UserError
from jpegprep.common.files import write_json
from jpegprep.common.layout import SPLITS
from jpegprep.datasets.archives import members, read_listed
from jpegprep.datasets.columns import Columns, Contents
from jpegprep.datasets.csv_files import read_csv
from jpegprep.datasets.listing import (
    LISTING,
    SPLIT_NAMES,
    class_of,
    digest_of,
    ignored,
    image_suffixes,
    looks_like_image,
    text_of,
    walk,
)
from jpegprep.datasets.parquet_images import inspect_parquet
from jpegprep.datasets.problems import FEWEST
from jpegprep.datasets.sources import kind_of, scan
from jpegprep.datasets.webdataset import inspect_shards
from jpegprep.images.formats import not_read, opened

_SHARD_BYTES = 1 << 28  # 256 MiB
_SAMPLE = 60  # images whose headers are read


@dataclass(frozen=True)
class OwnImages:
    """What a user's images are.

    Attributes:
        path: the absolute path of their source.
        kind: folder, archive, csv, webdataset or parquet.
        name: a name for the data set, from the path: of a-z, 0-9 and -.
        classes: the names of the classes, sorted, in one spelling each (`listing.class_of`).
        images: how many images the classes have, by their names; none was opened.
        splits: whether the user gives the splits.
        root: the folder inside that holds the class folders, or the splits; ``.`` is the top.
        amounts: the number of images and their bytes, of each split that is given; under the empty
            name of all, where none is.
        digest: 64 hexadecimal digits that change with the files' names, sizes and times (of an
            archive: its own).
        rare: the classes that are left out, as they have too few images for train, val and test,
            and how many each has; none of the other numbers counts them.
        columns: of shards and Parquet, what stands where, as their adapters ask it.
        asked: of a CSV, what the user says of its columns.
        told: what was found by itself, in words.
        sides: the shorter sides of a sample of the images, in pixels; of shards and Parquet none.
    """

    path: str
    kind: str
    name: str
    classes: tuple[str, ...]
    images: int
    splits: bool
    root: str
    amounts: Mapping[str, tuple[int, int]]
    digest: str
    rare: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""
    sides: tuple[int, ...] = ()


def inspect(
    path: str | Path,
    kept_in: str | Path | None = None,
    rare: str = "stop",
    columns: Columns | None = None,
) -> OwnImages:
    """Return what a user's images are, by names and labels alone.

    Args:
        path: a folder with a folder of images for each class, or with such folders in the folders
            train, val and test; a tar or zip of either; a CSV of paths and labels, perhaps with
            splits and groups; WebDataset shards, or Parquet files, or a folder of either.
        kept_in: a folder that keeps what was found in archives and shards, since reading them may
            take minutes; without it they are read each time.
        rare: what becomes of a class with too few images for train, val and test: ``drop`` leaves
            it out, ``stop`` is an error.
        columns: as of `columns.choose`: what the user says of the columns of a CSV, of Parquet, or
            of the keys of shards.

    Raises:
        UserError: where there is nothing of that kind, or something cannot be read.
    """
    path = Path(path).expanduser().absolute()
    columns = {what: name for what, name in (columns or {}).items() if name is not None}
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"images={str(path)!r}: its name is no UTF-8; rename it") from None
    try:
        kind = kind_of(path)
    except UserError as error:
        raise UserError(f"images={error}") from None
    if columns and kind in ("folder", "archive"):
        raise UserError(
            f"images={path}: {min(columns)}_column is given, and it is no table but class folders; "
            "leave it out"
        )
    if kind == "csv":
        return _csv(path, rare, columns)
    if kind == "folder":
        return _folder(path, rare)
    files = scan(path) if kind in ("webdataset", "parquet") else []
    if kind == "archive":
        status = path.stat()
        identity = json.dumps([path.name, status.st_size, status.st_mtime_ns])
        digest = hashlib.sha256(identity.encode()).hexdigest()
    else:
        digest = digest_of(files)

    def read() -> OwnImages:
        if kind == "archive":
            return _read_archive(path, digest, rare)
        look = inspect_shards if kind == "webdataset" else inspect_parquet
        return _of_labels(path, kind, digest, look(path, files, columns), rare)

    return _kept(path, digest, (rare, columns), Path(kept_in) if kept_in else None, read)


def registry_entry(
    images: OwnImages | str | Path,
    name: str | None = None,
    val: float = 0.15,
    test: float = 0.35,
    seed: int = 0,
    rare: str = "stop",
) -> dict[str, Any]:
    """Return the entry of a user's own images as in the registry of data sets.

    Args:
        images: what `inspect` found, or the path to inspect.
        name: the title; by default the name of the file or folder.
        val: the fraction of images that are drawn for validation, where no val is given (where
            splits are given: of train).
        test: the fraction that is drawn for the test, where no splits are given.
        seed: draws them.
        rare: as of `inspect`; where images turn out to be unreadable, or equal, it decides anew.

    Raises:
        UserError: as `inspect`.
    """
    if not isinstance(images, OwnImages):
        images = inspect(images, rare=rare)
    options: dict[str, Any] = {"splits": images.splits}
    options |= {"columns": dict(images.columns)} if images.columns else {"root": images.root}
    if images.rare:
        options["rare"] = list(images.rare)
    return {
        "title": name or text_of(Path(images.path).name),
        "adapter": _ADAPTERS.get(images.kind, "image_folder"),
        "options": options,
        "classes": len(images.classes),
        "class_names": list(images.classes),
        "images": images.images,
        "split": {
            "strategy": "given" if images.splits else "stratified",
            "val": val,
            "test": test,
            "seed": seed,
            "duplicates": "together",
            "rare": rare,
        },
        "shards": _shards(images, val, test),
        "license": "your own",
        "homepage": "your own",
        "citation": "your own",
        "archives": [_archive(images)],
    }


_ADAPTERS = {"webdataset": "webdataset", "parquet": "parquet_images"}


def _archive(images: OwnImages) -> dict[str, Any]:
    path = Path(images.path)
    about: dict[str, Any] = {"path": images.path, "digest": images.digest}
    about_bytes = sum(size for _, size in images.amounts.values())
    if images.kind == "archive":
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name).lstrip("._-")
        return {"name": plain or "images", "source": "file", **about}
    if images.asked:
        about["columns"] = dict(images.asked)
    return {"name": LISTING, "source": "folder", **about, "about_bytes": max(1, about_bytes)}


def _shards(images: OwnImages, val: float, test: float) -> dict[str, int]:
    """Return the number of shards of each split: about 256 MiB each, and no empty one."""
    shares = {"train": ("", 1 - val - test), "val": ("", val), "test": ("", test)}
    if images.splits:
        shares = {split: (split, 1.0) for split in SPLITS}
        if len(images.amounts) < len(SPLITS):  # val is drawn from train
            tested = "test" if "test" in images.amounts else "val"
            shares = {"train": ("train", 1 - val), "val": ("train", val), "test": (tested, 1.0)}
    shards = {}
    for split, (origin, share) in shares.items():
        count, size = images.amounts[origin]
        shards[split] = max(1, min(ceil(share * size / _SHARD_BYTES), int(share * count) // 2))
    return shards


def name_of(path: str | Path) -> str:
    """Return a data set's name for a path: of a-z, 0-9 and -, without the endings of archives."""
    stem = re.sub(
        r"(\.tar)?\.(tar|tgz|tbz2?|txz|gz|bz2|xz|zip|csv|tsv|parquet)$",
        "",
        Path(path).name,
        flags=re.I,
    )
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "my-images"


def _folder(path: Path, rare: str) -> OwnImages:
    files, empty = walk(path)
    links = sum(file.problem == "link" for file in files)
    images = [(text_of(file.path), file.bytes) for file in files if not file.problem]
    found = _in_folders(path, images, list(map(text_of, empty)), links)
    # What is no regular file is not opened: a pipe would wait for ever.
    plain = [file for file in files if not file.problem and looks_like_image(file.path)]
    images_of = _sampled(plain)
    sides = _sides([partial(read_listed, path, file) for file in images_of])
    return replace(_checked(path, "folder", digest_of(files), found, rare), sides=sides)


def _kept(
    path: Path, digest: str, asked: Any, kept_in: Path | None, read: Callable[[], OwnImages]
) -> OwnImages:
    """Return what an archive or shards hold: from the folder that keeps it, where it is there."""
    if kept_in is None:
        return read()
    code = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))]
    told = json.dumps([str(path), asked, sorted(image_suffixes())], sort_keys=True).encode()
    name = hashlib.sha256(b"\0".join([told, *code])).hexdigest()
    kept = kept_in / f"{digest[:32]}-{name[:16]}.json"
    if not kept.exists():
        write_json(kept, asdict(read()))
    found = json.loads(kept.read_text(encoding="utf-8"))
    amounts = {split: (count, size) for split, (count, size) in found["amounts"].items()}
    listed = {name: tuple(found[name]) for name in ("classes", "sides")}
    return OwnImages(**{**found, **listed, "amounts": amounts})


def _read_archive(path: Path, digest: str, rare: str) -> OwnImages:
    try:
        named = list(members(path, read=False))
    except UserError as error:
        reason = str(error).partition("; it is truncated")[0]
        raise UserError(f"images={reason}; it is truncated or damaged: make it again") from None
    links = sum(member.problem == "link" for member in named)
    images = [(member.name, member.size) for member in named if not member.problem]
    taken = set(_sampled([i for i, member in enumerate(named) if looks_like_image(member.name)]))
    of_sample = members(path, lambda number, name: number in taken)
    sides = _sides([partial(bytes, member.data) for member in of_sample if member.data])
    found = _checked(path, "archive", digest, _in_folders(path, images, [], links), rare)
    return replace(found, sides=sides)


def _csv(path: Path, rare: str, asked: Columns) -> OwnImages:
    table = read_csv(path, asked)
    found = _Found(".", Counter(), Counter())
    for file in table.files:
        if not file.problem:
            found.add(file.split or "", str(file.class_name), file.bytes)
    if not found.counts:
        raise UserError(f"images={path} names no image{_not_followed(len(table.files))}")
    images = _checked(path, "csv", digest_of(table.files), found, rare)
    of_sample = _sampled([file for file in table.files if not file.problem])
    sides = _sides([partial(read_listed, path.parent, file) for file in of_sample])
    return replace(images, asked=dict(asked), told=table.told, sides=sides)


def _of_labels(path: Path, kind: str, digest: str, held: Contents, rare: str) -> OwnImages:
    found = _Found(".", Counter(), Counter())
    for split, class_name, size in held.rows:
        found.add(split, class_name, size)
    if not found.counts:
        raise UserError(f"images={path}: no image has a label")
    images = _checked(path, kind, digest, found, rare)
    return replace(images, columns=held.columns, told=held.told)


_Of = TypeVar("_Of")


def _sampled(images: Sequence[_Of]) -> list[_Of]:
    """Return some of the images, at even distances."""
    return list(images[:: max(1, len(images) // _SAMPLE)])


def _sides(files: Sequence[Callable[[], bytes]]) -> tuple[int, ...]:
    """Return the shorter sides of images, by their headers; not of what cannot be read."""
    found = []
    for read in files:
        with suppress(Exception), opened(read()) as image:
            found.append(min(image.size))
    return tuple(found)


@dataclass(frozen=True)
class _Found:
    """The images that were found, of each split and class: how many, and their bytes."""

    root: str
    counts: Counter[tuple[str, str]]
    sizes: Counter[tuple[str, str]]

    def add(self, split: str, class_name: str, size: int) -> None:
        place = split, class_of(class_name)
        self.counts[place] += 1
        self.sizes[place] += size

    def splits(self) -> list[str]:
        return sorted({split for split, _ in self.counts})


def layout_of(path: Path, names: Iterable[str], links: int = 0) -> dict[str, Any]:
    """Return where class folders lie, as the options ``root`` and ``splits`` of `image_folder`.

    Args:
        path: the folder or archive, for messages.
        names: of all its files.
        links: how many links were left out.

    Raises:
        UserError: where there are none, or no images in them.
    """
    names = list(names)
    images = [name.split("/") for name in names if looks_like_image(name)]
    images = [parts for parts in images if parts[0] and not any(map(ignored, parts))]
    if not images:
        unread = Counter(ending for name in names if (ending := not_read(name, b"", None)))
        of = ", ".join(f"{ending} {count:,}" for ending, count in unread.most_common())
        raise UserError(
            f"images={path} holds no image{_not_followed(links)}"
            + (f" but of formats that nothing here reads ({of})" if of else "")
            + "; images are known by their endings (.jpg, .png, .heic and others)"
        )
    root, folders = _class_level(images)
    if not folders:
        inside = f" {'/'.join(root)!r}" if root else ""
        raise UserError(
            f"images={path}: all images lie directly in one folder{inside}{_not_followed(links)}; "
            "put those of each class, of which there are two or more, into a folder of their own"
        )
    return {"root": "/".join(root) or ".", "splits": _given_splits(path, folders)}


def _in_folders(
    path: Path, files: Iterable[tuple[str, int]], empty: Iterable[str], links: int
) -> _Found:
    """Find the folders that are classes, and the splits, and count their images.

    Args:
        path: the folder or archive, for messages.
        files: names and bytes.
        empty: the folders that hold nothing.
        links: how many links were left out.
    """
    files = list(files)
    layout = layout_of(path, (name for name, _ in files), links)
    root, splits = [] if layout["root"] == "." else layout["root"].split("/"), layout["splits"]
    images = [(name.split("/"), size) for name, size in files if looks_like_image(name)]
    images = [(parts, size) for parts, size in images if parts[0] and not any(map(ignored, parts))]
    depth = len(root) + bool(splits)
    found = _Found("/".join(root) or ".", Counter(), Counter())
    for parts, size in images:
        if len(parts) > depth + 1:
            found.add(splits.get(parts[depth - 1], ""), parts[depth], size)
    for folder, split in splits.items():
        if split not in found.splits():
            raise UserError(
                f"images={path}: the images of {folder!r} lie directly in it; put those of each "
                "class into a folder of their own there, as in train/cats, or take it out"
            )
    for folder in empty:
        parts = folder.split("/")
        if len(parts) == depth + 1 and parts[: len(root)] == root:
            raise UserError(
                f"images={path}: the folder {folder!r} is empty; add images, or take it out"
            )
    return found


def _class_level(names: list[list[str]]) -> tuple[list[str], set[str]]:
    """Return the folder, in parts, below which there are several folders or images; and those."""
    root: list[str] = []
    while True:
        depth = len(root)
        folders = {parts[depth] for parts in names if len(parts) > depth + 1}
        if len(folders) != 1 or any(len(parts) == depth + 1 for parts in names):
            return root, folders
        root += folders


def _given_splits(path: Path, folders: set[str]) -> dict[str, str]:
    """Return the split of each folder, or nothing where the folders are classes."""
    splits = {name: SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES}
    given = set(splits.values())
    if len(splits) < len(folders) and not ("train" in given and len(given) > 1):
        return {}
    if others := sorted(folders - set(splits)):
        raise UserError(
            f"images={path}: beside the splits {', '.join(sorted(splits))} the folder "
            f"{others[0]!r} holds images; take it out, or rename the folders if all are classes"
        )
    if len(splits) > len(given):
        raise UserError(
            f"images={path}: {', '.join(sorted(splits))} name a split twice; keep one folder each"
        )
    return splits


def _not_followed(links: int) -> str:
    return f" ({links} links are not followed)" if links else ""


def _checked(path: Path, kind: str, digest: str, found: _Found, rare: str) -> OwnImages:
    """Return what was found, where it is enough for train, val and test."""
    where, counts = f"images={path}", found.counts
    classes = sorted({class_name for _, class_name in counts})
    if len(classes) < 2:
        raise UserError(
            f"{where}: all images are of one class, {classes[0]!r}; a classifier needs two or more"
        )
    splits = set(found.splits()) - {""}
    if splits and ("train" not in splits or len(splits) == 1):
        raise UserError(
            f"{where}: of the splits there is only {' and '.join(sorted(splits))}; give train, and "
            "test or val, or leave the splits out: they are drawn then"
        )
    of_classes = {
        name: {split: counts[split, name] for split in found.splits()} for name in classes
    }
    small = {name: reason for name in classes if (reason := _too_small(name, of_classes[name]))}
    left = [name for name in classes if name not in small]
    if small and rare == "stop":
        more = f" ({len(small) - 1} more classes are too small)" if len(small) > 1 else ""
        raise UserError(
            f"{where}: {next(iter(small.values()))}{more}; add some, leave the class out, or set "
            "rare=drop"
        )
    if len(left) < 2:
        raise UserError(
            f"{where}: all but {len(left)} of {len(classes)} classes are too small to leave them "
            f"out: {next(iter(small.values()))}; add images"
        )
    amounts = {
        split: (
            sum(counts[split, name] for name in left),
            sum(found.sizes[split, name] for name in left),
        )
        for split in found.splits()
    }
    return OwnImages(
        path=str(path),
        kind=kind,
        name=name_of(path),
        classes=tuple(left),
        images=sum(count for count, _ in amounts.values()),
        splits=bool(splits),
        root=found.root,
        amounts=amounts,
        digest=digest,
        rare={name: sum(of_classes[name].values()) for name in small},
    )


def _too_small(class_name: str, counts: Mapping[str, int]) -> str | None:
    """Say why a class cannot be in train, val and test; nothing, where it can."""
    total = sum(counts.values())
    if total < FEWEST:
        return (
            f"class {class_name!r} has {total} images; each class needs {FEWEST} or more, for "
            "train, val and test"
        )
    for split, count in counts.items():
        # Where val or test is not given, val is drawn from train.
        needed = 2 if split == "train" and len(counts) < len(SPLITS) else 1
        if count < needed:
            return f"class {class_name!r} has {count} images in {split}, and needs {needed} there"
    return None
