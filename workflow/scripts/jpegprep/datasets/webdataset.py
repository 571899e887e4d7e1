"""WebDataset shards: tars in which files that are called alike but for their ending are a sample.

A sample is one image and its label: a file ``.cls`` or ``.cls.txt``, or a key of its ``.json``.
``.txt`` is no label: where it is used, it holds a caption.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jpegprep.common.errors import UserError
from jpegprep.datasets.archives import Member, Sample, members
from jpegprep.datasets.columns import Columns, Contents, choose, option, told
from jpegprep.datasets.listing import (
    SPLIT_NAMES,
    File,
    called_image,
    ending_in,
    ignored,
    looks_like_image,
    read_listing,
    split_in,
    splits_of,
)

_CLASSES = ("cls", "cls.txt")  # endings of labels
_JSON = "json"
_LARGEST_JSON = 1 << 20  # bytes of a .json that is read when a call begins


def key_and_ending(name: str) -> tuple[str, str] | None:
    """Return a file's sample and its ending, as WebDataset has them; None, where it has none.

    The ending begins at the first dot of the name: ``a/b.left.png`` is ``a/b`` and ``left.png``.
    """
    match = re.fullmatch(r"((?:.*/|)[^./]+)\.([^/]*)", name, flags=re.S)
    return (match[1], match[2].lower()) if match else None


class Labelled(NamedTuple):
    """What a shard says of a sample, but its image.

    Attributes:
        shard: its path.
        key: of the sample.
        images: the names of its images.
        size: their bytes.
        texts: the text of its ``.cls`` and ``.cls.txt``, and, as text, what its ``.json`` says.
        endings: of all its files.
    """

    shard: str
    key: str
    images: tuple[str, ...]
    size: int
    texts: Mapping[str, str]
    endings: tuple[str, ...]


def grouped(files: Iterator[Member]) -> Iterator[tuple[str, list[tuple[str, Member]]]]:
    """Yield the samples of a shard: the key, and each file with its ending, in their order."""
    key, held = None, list[tuple[str, Member]]()
    for member in files:
        if (named := key_and_ending(member.name)) is None:
            continue
        if any(map(ignored, PurePosixPath(member.name).parts)):
            continue
        if named[0] != key and held:
            yield str(key), held
            held = []
        key = named[0]
        held.append((named[1], member))
    if held:
        yield str(key), held


def is_shard(tar: str | Path, first: int = 50) -> bool:
    """Tell whether a tar is a shard, by its first files: each image has a label or a ``.json``.

    Images in folders with a ``.json`` beside each may also be class folders with annotations: then
    only a ``.cls`` makes a shard of it.
    """
    try:
        files = (member for member, _ in zip(members(Path(tar), False), range(first), strict=False))
        found = [(key, {ending for ending, _ in held}) for key, held in grouped(files)]
    except UserError:
        return False
    found = found[:-1] or found  # the last sample may be cut
    pictures = [(key, ends) for key, ends in found if any(map(_is_image, ends))]
    if not pictures:
        return False
    if all(ends & {*_CLASSES} for _, ends in pictures):
        return True
    return all(_JSON in ends and "/" not in key for key, ends in pictures)


def _is_image(ending: str) -> bool:
    return looks_like_image(f"x.{ending}")


def shard_files(path: str | Path) -> list[File]:
    """Return the shards of a folder, or a single one, as files from their folder.

    Raises:
        UserError: where something cannot be read.
    """
    return ending_in(path, ".tar")


def inspect_shards(path: str | Path, files: Sequence[File], columns: Columns) -> Contents:
    """Return what shards hold, by their labels alone.

    Args:
        path: their folder, or the one shard.
        files: the shards, from their folder.
        columns: as of `columns.choose`: ``label``, ``group`` and ``split`` are keys of the
            ``.json`` of the samples; ``label`` also an ending of a file (``.cls``).

    Raises:
        UserError: where a label is missing or cannot be told, or an image is one of several.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    found = [row for file in files if not file.problem for row in _labelled(folder, file)]
    pictures = [row for row in found if row.images]
    if not pictures:
        raise UserError(
            f"images={path}: its shards hold no image with a key and an ending, as 0001.jpg"
        )
    several = next((row for row in pictures if len(row.images) > 1), None)
    if several:
        raise UserError(
            f"images={path}: {several.shard}: the sample {several.key!r} has "
            f"{len(several.images)} images, {several.images[0]!r} and {several.images[1]!r}; a "
            "sample is one image"
        )
    names = _names(path, pictures, columns)
    given = {} if "split" in names else splits_of(path, (file.path for file in files))
    rows = []
    for row in pictures:
        split = given.get(row.shard, "")
        if "split" in names:
            split = SPLIT_NAMES[row.texts[names["split"]].strip().lower()]
        if label := row.texts.get(names["label"], "").strip():
            rows.append((split, label, row.size))
    shown = {what: _shown(name) for what, name in names.items()}
    splits = bool(given) or "split" in names
    return Contents(rows, splits, names, told(shown, len(pictures) - len(rows)))


def _shown(name: str) -> str:
    return f".{name}" if name in _CLASSES else name


def _labelled(folder: Path, file: File) -> Iterator[Labelled]:
    """Yield what a shard says of its samples; images are not read."""
    for key, held in grouped(_members(folder / file.path, _is_label)):
        images = [m for ending, m in held if _is_image(ending) and not m.problem]
        texts: dict[str, str] = {}
        for ending, member in held:
            if ending in _CLASSES:
                texts[ending] = _text(member.data)
            elif ending == _JSON:
                texts = _said(member.data) | texts
        yield Labelled(
            file.path,
            key,
            tuple(member.name for member in images),
            sum(member.size for member in images),
            texts,
            tuple(ending for ending, _ in held),
        )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()


def _said(data: bytes) -> dict[str, str]:
    """Return the values of a JSON object that are text or numbers, as text; of a label its own."""
    try:
        said = json.loads(data) if len(data) <= _LARGEST_JSON else {}
    except ValueError:
        return {}
    if isinstance(said, str | int) and not isinstance(said, bool):
        return {"label": str(said)}
    if not isinstance(said, dict):
        return {}
    return {str(key): str(v) for key, v in said.items() if isinstance(v, str | int | float)}


def _names(path: Path, pictures: Sequence[Labelled], columns: Columns) -> dict[str, str]:
    """Return where the label stands, and perhaps split and group: an ending or a key of .json."""
    keys = sorted(set.intersection(*(set(row.texts) for row in pictures)) - {*_CLASSES})
    everywhere = [name for name in _CLASSES if all(name in row.texts for row in pictures)]
    somewhere = [name for name in _CLASSES if any(name in row.texts for row in pictures)]
    said = str(columns.get("label") or "").lstrip(".")
    found: dict[str, str] = {}
    if said in _CLASSES or (not said and somewhere):
        found["label"] = said if said in _CLASSES else (everywhere or somewhere)[0]
    asked = {**columns, "path": False}
    if found:
        asked["label"] = False
    where = f"images={path}"
    try:
        places = choose(where, keys, asked, needs=())
    except UserError as error:
        raise UserError(f"{error} (a key of the samples' .json)") from None
    found = {what: keys[place] for what, place in places.items()} | found
    if "label" not in found:
        endings = sorted({ending for row in pictures for ending in row.endings})
        captions = "; .txt is taken for a caption" if "txt" in endings else ""
        raise UserError(
            f"{where}: its samples have no label; they have .{', .'.join(endings[:8])}"
            + (f", and .json says {', '.join(map(repr, keys[:8]))}" if keys else "")
            + f": a label is .cls, .cls.txt, or a key of .json ({option('label')}=KEY){captions}"
        )
    if "split" in found and any(
        row.texts[found["split"]].strip().lower() not in SPLIT_NAMES for row in pictures
    ):
        del found["split"]
    if (
        found["label"] in _CLASSES
        and not said
        and (named := _named(pictures, keys, found["label"]))
    ):
        found["label"] = named
    return found


def _named(pictures: Sequence[Labelled], keys: Sequence[str], label: str) -> str | None:
    """Return the key of the .json that says the name of each class whose number .cls says."""
    try:
        places = choose("", keys, {"path": False, "split": False, "group": False}, needs=())
    except UserError:
        return None
    if "label" not in places:
        return None
    key = keys[places["label"]]
    pairs = {(row.texts.get(label, ""), row.texts[key]) for row in pictures}
    one_to_one = len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    return key if one_to_one else None


def samples(options: Mapping[str, Any], archives: Sequence[Path]) -> Iterator[Sample]:
    """Read a user's WebDataset shards; an adapter, see `adapters.read_samples`.

    A member is called by its split (where it is given), its shard and its name in it.

    Args:
        options: ``splits``, whether they are given; ``columns``: where ``label`` stands, perhaps
            ``split`` and ``group``: an ending of a file, or a key of the samples' .json.
        archives: the listings of the shards (images.jsonl).

    Raises:
        UserError: where a shard is damaged.
    """
    for listing in archives:
        folder, files = read_listing(listing)
        yield from images(folder, files, options["columns"], bool(options.get("splits")))


def images(
    folder: Path,
    files: Iterable[File],
    columns: Mapping[str, str],
    splits: bool,
    read: bool = True,
) -> Iterator[Sample]:
    """Yield the images of shards, also those of formats that nothing here reads.

    Args:
        folder: of the shards.
        files: these.
        columns: as the option of `samples`.
        splits: likewise.
        read: whether the images' bytes are wanted.

    Raises:
        UserError: where a shard is damaged.
    """
    for file in files:
        if file.problem:
            yield Sample(None, file.path, b"", file.problem, size=0)
            continue
        split = split_in(file.path) if splits else None
        for _, held in grouped(_members(folder / file.path, read or _is_label)):
            texts: dict[str, str] = {}
            for ending, member in held:
                if ending in _CLASSES:
                    texts[ending] = _text(member.data)
                elif ending == _JSON:
                    texts = _said(member.data) | texts
            if splits and "split" in columns:
                split = SPLIT_NAMES.get(texts.get(columns["split"], "").strip().lower())
            label = texts.get(columns["label"], "").strip() or None
            group = texts.get(columns.get("group", ""), "").strip() or None
            for ending, member in held:
                if called_image(f"x.{ending}"):
                    yield Sample(
                        label,
                        "/".join(filter(None, (split, file.path, member.name))),
                        member.data,
                        member.problem,
                        group,
                        texts.get("path"),
                        member.size,
                    )


def _members(shard: Path, read: bool | Callable[[int, str], bool]) -> Iterator[Member]:
    """Yield the files of a shard as `archives.members`; a damaged one is nothing to fetch again."""
    try:
        yield from members(shard, read)
    except UserError as error:
        reason = str(error).partition("; it is truncated")[0]
        raise UserError(f"{reason}; it is truncated or damaged: make it again") from None


def _is_label(_: int, name: str) -> bool:
    named = key_and_ending(name)
    return named is not None and named[1] in (*_CLASSES, _JSON)
