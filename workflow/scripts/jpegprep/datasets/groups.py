"""Groups: images that belong together, and so stay on one side of every split and in one fold.

Three things make a group: what the user says (a patient), equal bytes, and near copies. What is
linked in any of these ways, also through others, is one group.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing_all, write_json
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.archives import Sample
from jpegprep.datasets.manifest import read_decoding
from jpegprep.datasets.near_copies import OWN, Look, Pairs, find, look
from jpegprep.datasets.problems import SET_ASIDE
from jpegprep.images.decoding import Decoding
from jpegprep.images.images import decode

Numbers = npt.NDArray[np.int64]

# A group of near copies of more images than both is too large to be believed at once: its pairs
# must be as much alike as this, and then as the next.
_MOST_IMAGES, _MOST_OF_CLASS = 10, 0.2
_STRICTER = (0.8, 0.85, 0.9, 0.95)
# Pairs that are alike by so much count, however many: frames of a video are. But where a group then
# holds more of a class than this, the class could not be split; at last none counts.
_MOST_OF_SURE, _LAST = 0.5, (0.98, 1.01)
_SHOWN = 20  # pairs on the sheet
_NONE = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


class Tightened(NamedTuple):
    """Near copies that would have made too large a group.

    Attributes:
        class_name: of most of its images.
        images: of that class in it.
        of: the images of the class.
        alike: how much alike two of its images now must be; above 1: no pair counts; 0: they are
            alike in what the class has in common, and only what they do not counts.
    """

    class_name: str
    images: int
    of: int
    alike: float


def find_groups(
    content: Mapping[str, Any],
    manifest: str | Path,
    duplicates: str,
    groups: str | Path,
    facts: str | Path,
    pairs: str | Path,
    sheet: str | Path,
    archives: Sequence[str | Path] = (),
    threads: int = 1,
) -> str:
    """Find out which images of a data set belong together, and write that; return it in words.

    Args:
        content: what the registry says of the data set's content.
        manifest: its manifest.
        duplicates: together: near copies are looked for, and belong together, as equal bytes do;
            apart: they are not looked for, and copies are no reason to split together.
        groups: the parquet file to write, a row a usable image in the order of the manifest:
            ``key``; ``group``, a number that all have in common which belong together in any way;
            ``split_group``, likewise, of those that must be on one side of a split: the same, or
            with `duplicates` apart what the user says alone; ``content``, of equal bytes.
        facts: the JSON to write, what `_facts` tells.
        pairs: the CSV to write, a row a pair of near copies, the least alike first.
        sheet: the PNG to write, some of these pairs.
        archives: those of the data set; without them near copies are not looked for.
        threads: how many look side by side.

    Raises:
        UserError: where the archives are not those that the manifest describes, or nothing matches
            the user's pattern of groups.
    """
    table = read_parquet(manifest).to_pandas()
    used = table[table["handling"] != SET_ASIDE].reset_index(drop=True)
    said = _said(used)
    _check_pattern(content, manifest, said)
    copies = _copies(used)
    how = read_decoding(manifest)
    near, plain = _NONE, 0
    if duplicates == "together" and archives:
        near, plain = _near(content, manifest, archives, table, used, how, threads)
    classes = used["class"].to_numpy(dtype=str)
    links = [said, copies]
    near, tightened = believed(near, links, classes)
    together = joined([*links, near[:2]], len(used))
    split = together if duplicates == "together" else joined([said], len(used))
    found = pd.DataFrame({"key": used["key"], "group": together, "split_group": split})
    found["content"] = joined([copies], len(used))
    told = _facts(used, said, copies, near, together, plain, duplicates)
    if content.get("options", {}).get("splits"):
        told["torn"] = _torn(used["member"].tolist(), together)
    told["tightened"] = [one._asdict() | {"taken": _taken(one.alike)} for one in tightened]
    told["told"] = list(_told(told, tightened))
    with replacing_all(groups, facts, pairs, sheet) as parts:
        write_parquet(found, parts[0])
        write_json(parts[1], told)
        order = _write_pairs(parts[2], used, near, together)
        _draw_sheet(parts[3], content, archives, table, used, near, order, how)
    return "\n".join(told["told"])


Links = tuple[Numbers, Numbers]


def joined(links: Sequence[Links], images: int) -> Numbers:
    """Return of each image a number that all have in common that are linked, also through others.

    Args:
        links: pairs of images, by their numbers.
        images: how many there are.
    """
    one, other = (
        np.concatenate([np.zeros(0, np.int64), *(link[end] for link in links)]) for end in (0, 1)
    )
    graph = coo_matrix((np.ones(len(one), np.int8), (one, other)), shape=(images, images))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def believed(
    near: Pairs, links: Sequence[Links], classes: npt.NDArray[np.str_]
) -> tuple[Pairs, list[Tightened]]:
    """Return the pairs of near copies that count, and where some do not.

    Among images with one background, as X-rays or digits, any two may be alike, and all would be
    one group. What their class has in common makes no copies. And in a group that holds more than
    ten images and a fifth of a class only pairs count that are more alike, up to 0.95; beyond that
    only where it holds half of a class.

    Args:
        near: what was found.
        links: what belongs together anyway.
        classes: (n,) of the images.
    """
    sizes = Counter(classes.tolist())
    tightened: dict[str, Tightened] = {}

    def tighten(kept: Pairs, drop: npt.NDArray[np.bool_], alike: float, share: float) -> Pairs:
        """Drop pairs in groups that are too large, and note of which class they are."""
        group = joined([*links, kept[:2]], len(classes))
        of_group = _too_large(group, classes, sizes, share)
        drop = drop & np.isin(group[kept.one], np.array(sorted(of_group), dtype=np.int64))
        for number in np.unique(group[kept.one[drop]]).tolist():
            name, images = of_group[number]
            first = tightened.get(name, Tightened(name, images, sizes[name], 0.0))
            tightened[name] = first._replace(alike=alike)
        return kept.where(~drop)

    common = near.own < OWN
    tighten(near, common, 0.0, _MOST_OF_SURE)
    kept = near.where(~common)
    for share, levels in ((_MOST_OF_CLASS, _STRICTER), (_MOST_OF_SURE, _LAST)):
        for stricter in levels:
            kept = tighten(kept, kept.alike < stricter, stricter, share)
    return kept, list(tightened.values())


def _too_large(
    group: Numbers, classes: npt.NDArray[np.str_], sizes: Mapping[str, int], share: float
) -> dict[int, tuple[str, int]]:
    """Return the groups that hold more than ten images and a share of a class, with the class."""
    found: dict[int, tuple[str, int]] = {}
    counts = Counter(zip(group.tolist(), classes.tolist(), strict=True))
    for (number, name), images in counts.items():
        if images > max(_MOST_IMAGES, share * sizes[name]):
            found.setdefault(number, (name, images))
    return found


def _said(used: pd.DataFrame) -> Links:
    """Return links between images of which the user says that they belong together."""
    return _chained(used["group"].to_numpy(dtype=object))


def _copies(used: pd.DataFrame) -> Links:
    """Return links between images of equal bytes."""
    return _chained(used["sha256"].to_numpy(dtype=object))


def _chained(values: npt.NDArray[np.object_]) -> Links:
    """Return a link between each image with a value and the first one with the same."""
    first: dict[Any, int] = {}
    rows = [
        (first.setdefault(value, row), row)
        for row, value in enumerate(values)
        if value is not None and not pd.isna(value)
    ]
    one, other = np.array([pair for pair in rows if pair[0] != pair[1]], np.int64).reshape(-1, 2).T
    return one, other


def _check_pattern(content: Mapping[str, Any], manifest: str | Path, said: Links) -> None:
    pattern = content.get("options", {}).get("group")
    if pattern is not None and not len(said[0]):
        raise UserError(
            f"{manifest}: group is {pattern!r}, and finds in no two names of images the same; the "
            r"names look as the column member there: correct the pattern, as in "
            r"'(?P<group>patient\d+)_'"
        )


def _near(
    content: Mapping[str, Any],
    manifest: str | Path,
    archives: Sequence[str | Path],
    table: pd.DataFrame,
    used: pd.DataFrame,
    how: Decoding,
    threads: int,
) -> tuple[Pairs, int]:
    """Return the near copies among the usable images, and how many show too little to tell."""
    numbers, hashes, windows = [], [], []
    plain = 0
    images = _usable(content, manifest, archives, table, used)
    for number, seen in in_order(partial(_look, how), images, threads):
        if seen is None:
            plain += 1
            continue
        numbers.append(number)
        hashes.append(seen.hashes)
        windows.append(seen.windows)
    if not numbers:
        return _NONE, plain
    of = np.array(numbers, dtype=np.int64)
    labels = np.unique(used["class"].to_numpy(dtype=str)[of], return_inverse=True)[1]
    found = find(np.stack(hashes), np.stack(windows), labels, threads)
    return Pairs(of[found.one], of[found.other], found.alike, found.own), plain


def _look(how: Decoding, task: tuple[int, Sample]) -> tuple[int, Look | None]:
    return task[0], look(task[1].data, how)


def _usable(
    content: Mapping[str, Any],
    manifest: str | Path,
    archives: Sequence[str | Path],
    table: pd.DataFrame,
    used: pd.DataFrame,
) -> Iterator[tuple[int, Sample]]:
    """Yield the usable images, each with its number among them.

    Raises:
        UserError: where the archives hold something else than the manifest says.
    """
    number = {key: i for i, key in enumerate(used["key"].tolist())}
    rows = zip(table["key"].tolist(), table["member"].tolist(), strict=True)
    # The manifest has a row for each sample, in the order of the archives.
    for row, sample in zip_longest(rows, read_samples(content, archives)):
        if not row or not sample or row[1] != sample.member:
            raise UserError(
                f"{manifest}: {row[1] if row else 'its end'} is not what the archives hold there; "
                "remove the manifest: it is made again"
            )
        if row[0] in number:
            yield number[row[0]], sample


def _facts(
    used: pd.DataFrame,
    said: Links,
    copies: Links,
    near: Pairs,
    together: Numbers,
    plain: int,
    duplicates: str,
) -> dict[str, Any]:
    """Return what there is to know of the groups.

    ``images`` and ``groups``; ``largest``, the images of the largest group; ``said``: how many
    images the user has given a group; ``copies``: of equal bytes with another; ``near``: that are a
    near copy of another; ``pairs`` of near copies, and ``conflicts``, those of different classes;
    ``plain``: images with too little detail to be compared; ``looked``: whether near copies were
    looked for. `find_groups` adds ``tightened``, where not all of them are believed, ``torn``, what
    `_torn` finds, where splits are given, and ``told``, all that in lines.
    """
    classes = used["class"].to_numpy(dtype=str)
    return {
        "images": len(used),
        "groups": len(np.unique(together)),
        "largest": int(np.bincount(together).max()) if len(used) else 0,
        "said": int(used["group"].notna().sum()),
        "copies": len(np.unique(np.concatenate(copies))),
        "near": len(np.unique(np.concatenate(near[:2]))),
        "pairs": len(near.one),
        "conflicts": int((classes[near.one] != classes[near.other]).sum()),
        "plain": plain,
        "looked": duplicates == "together",
        "tightened": [],
        "torn": None,
    }


def _torn(members: Sequence[str], together: Numbers) -> dict[str, Any] | None:
    """Return what given splits tear apart: ``groups``, ``images``, ``example`` (two members).

    None, where every group stands in one split. Members begin with their splits.
    """
    table = pd.DataFrame({"member": members, "group": together})
    table["split"] = table["member"].str.partition("/")[0]
    torn = table[table.groupby("group")["split"].transform("nunique") > 1]
    if torn.empty:
        return None
    first = torn[torn["group"] == torn["group"].iloc[0]].drop_duplicates("split")
    example = [" ".join(str(name).split()) for name in first["member"].tolist()[:2]]
    return {"groups": torn["group"].nunique(), "images": len(torn), "example": example}


def _told(found: Mapping[str, Any], tightened: Sequence[Tightened]) -> Iterator[str]:
    if found["groups"] < found["images"]:
        yield (
            f"{found['images']:,} images are {found['groups']:,} groups of what belongs together; "
            f"the largest has {found['largest']:,}"
        )
    if found["said"]:
        yield f"of {found['said']:,} images a group was given"
    if found["pairs"]:
        conflicts = f", {found['conflicts']:,} of them of two classes" if found["conflicts"] else ""
        yield (
            f"{found['near']:,} images are near copies of others, in {found['pairs']:,} pairs"
            f"{conflicts}"
        )
    if torn := found["torn"]:
        one, other = torn["example"]
        yield (
            f"the given splits tear {torn['groups']:,} groups apart, {torn['images']:,} images, as "
            f"{one!r} and {other!r}: what is tested on them was seen in training"
        )
    if found["plain"]:
        yield f"{found['plain']:,} images show too little to be compared with others"
    for one in tightened:
        yield (
            f"{one.images:,} of {one.of:,} images of class {one.class_name!r} look so much alike "
            f"that they would be one group: there {_taken(one.alike)}; if they are frames of a "
            "video or pictures of one thing, say what belongs together by `group`"
        )


def _taken(alike: float) -> str:
    """Return what is taken for near copies where a class looks alike."""
    if not alike:
        return "what all of them have in common makes no near copies"
    if alike > 1:
        return "none are near copies"
    return f"near copies are only images alike by {alike:g} or more"


def _write_pairs(path: Path, used: pd.DataFrame, near: Pairs, together: Numbers) -> Numbers:
    """Write the pairs of near copies as CSV, and return their order: the least alike first."""
    order = np.argsort(near.alike, kind="stable")
    columns = {name: used[name].to_numpy(dtype=object) for name in ("member", "class")}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["member", "other", "class", "other_class", "alike", "group"])
        for k in order:
            i, j = near.one[k], near.other[k]
            names = [columns[name][row] for name in columns for row in (i, j)]
            writer.writerow([*names, f"{near.alike[k]:.3f}", together[i]])
    return order


_TILE, _TEXT = 160, 34  # pixels of the sheet: a picture's side, and the lines below a pair


def _draw_sheet(
    path: Path,
    content: Mapping[str, Any],
    archives: Sequence[str | Path],
    table: pd.DataFrame,
    used: pd.DataFrame,
    near: Pairs,
    order: Numbers,
    how: Decoding,
) -> None:
    """Draw the pairs that are least alike, at most one of what is linked, as a picture."""
    group = joined([near[:2]], len(used))
    _, first = np.unique(group[near.one[order]], return_index=True)
    chosen = order[np.sort(first)][:_SHOWN]
    wanted = {int(i) for k in chosen for i in (near.one[k], near.other[k])}
    pictures: dict[int, Image.Image] = {}
    if wanted:
        for number, sample in _usable(content, "manifest", archives, table, used):
            if number in wanted:
                pictures[number] = _tile(sample.data, how)
    font = ImageFont.load_default(11)
    across = 3
    width, height = 2 * _TILE + 24, _TILE + _TEXT + 12
    down = max(1, -(-len(chosen) // across))
    sheet = Image.new("RGB", (across * width, 30 + down * height), "white")
    draw = ImageDraw.Draw(sheet)
    title = f"{len(near.one):,} pairs of near copies" + (
        ": of each group the one that is least alike, such pairs first" if len(chosen) else ""
    )
    draw.text((12, 9), title, "black", ImageFont.load_default(13))
    members, classes = used["member"].tolist(), used["class"].tolist()
    for n, k in enumerate(chosen):
        left, top = 12 + n % across * width, 30 + n // across * height
        for side, i in enumerate((int(near.one[k]), int(near.other[k]))):
            sheet.paste(pictures[i], (left + side * _TILE, top))
            where = (left + side * _TILE, top + _TILE + 2)
            draw.text(where, _shortened(members[i]), "black", font)
        i, j = int(near.one[k]), int(near.other[k])
        named = classes[i] if classes[i] == classes[j] else f"{classes[i]} | {classes[j]}"
        text = f"alike by {near.alike[k]:.2f}; {_shortened(named, 36)}"
        colour = "black" if classes[i] == classes[j] else "#b00020"
        draw.text((left, top + _TILE + 16), text, colour, font)
    sheet.save(path, "PNG")


def _tile(data: bytes, how: Decoding) -> Image.Image:
    image = decode(data, how).convert("RGB")
    image.thumbnail((_TILE - 4, _TILE - 4))
    tile = Image.new("RGB", (_TILE, _TILE), "white")
    tile.paste(image, ((_TILE - image.width) // 2, (_TILE - image.height) // 2))
    return tile


def _shortened(text: str, most: int = 26) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"…{plain[1 - most :]}"
