"""Which column of a table of images says what: as the user says, or by the names that are usual."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jpegprep.common.errors import UserError

# Of path, label, split and group the column that the user names; False: there is none.
Columns = Mapping[str, Any]

# What people call the columns, the surest names first: of each list the first one with a name that
# the table has is taken, and there it must be the only one.
_NAMES: dict[str, list[list[str]]] = {
    "path": [
        ["path"],
        [
            *("filepath", "file_path", "image_path", "img_path", "filename", "file_name", "fname"),
            *("file", "image", "img", "image_id", "img_id", "image_name", "img_name"),
            *("image_file", "image_filename", "image_index"),
        ],
        ["id"],
    ],
    "label": [
        ["label"],
        [
            *("labels", "class", "class_name", "class_label", "category", "category_name"),
            *("target", "species", "breed", "diagnosis", "dx"),
        ],
        ["class_id", "category_id", "label_id", "y"],
    ],
    "split": [["split"], ["set", "subset", "fold", "partition", "phase"]],
    "group": [
        ["group"],
        [
            *("group_id", "patient", "patient_id", "subject", "subject_id", "participant"),
            *("participant_id", "person_id", "individual", "individual_id", "lesion_id"),
            *("case_id", "video", "video_id", "burst", "burst_id", "sequence_id"),
        ],
    ],
}


class Contents(NamedTuple):
    """What files of many images hold, by their labels.

    Attributes:
        rows: of each image with a label its split (or an empty one), its class, and its bytes, in
            Parquet about.
        splits: whether the splits are given.
        columns: what is found where: of ``image``, ``label``, ``split`` and ``group``.
        told: what was found, in words.
    """

    rows: list[tuple[str, str, int]]
    splits: bool
    columns: dict[str, str]
    told: str


def choose(
    path: str | Path, header: Sequence[str], columns: Columns, needs: Sequence[str]
) -> dict[str, int]:
    """Return the place of each column that says something of the images.

    Args:
        path: of the table, for messages.
        header: the names of its columns.
        columns: what the user says: of ``path``, ``label``, ``split`` and ``group`` a name, or
            False.
        needs: which of them there must be.

    Returns:
        Of ``path``, ``label``, ``split`` and ``group`` those that there are.

    Raises:
        UserError: where one is missing, or may be one of several.
    """
    names = [_plain(name) for name in header]
    places: dict[str, int] = {}
    for what in _NAMES:
        found = columns.get(what)
        if found:
            places[what] = _given(path, header, what, str(found))
        elif found is not False and (place := _usual(path, header, names, what)) is not None:
            places[what] = place
    for what in needs:
        if what not in places:
            raise UserError(
                f"{path}: the column {what} is missing; it has "
                f"{', '.join(map(repr, header)) or 'no columns'}: name the one that says it "
                f"({option(what)}=NAME)"
            )
    taken: dict[int, str] = {}
    for what, place in places.items():
        if place in taken:
            raise UserError(
                f"{path}: the column {header[place]!r} cannot be both {taken[place]} and {what}; "
                f"say which another is ({option(what)}=NAME)"
            )
        taken[place] = what
    return places


def option(what: str) -> str:
    """Return how a user names a column: the key of recommend; of make it is in capitals."""
    return f"{what}_column"


def told(names: Mapping[str, str], without: int = 0) -> str:
    """Return which column says what, in words.

    Args:
        names: of ``path``, ``label``, ``split`` and ``group`` the names of columns.
        without: how many images have no label.
    """
    text = ", ".join(f"{what} from {name!r}" for what, name in names.items())
    return text + (f"; {without:,} images have no label and are left out" if without else "")


def _plain(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def _given(path: str | Path, header: Sequence[str], what: str, name: str) -> int:
    if name in header:
        return list(header).index(name)
    alike = [i for i, column in enumerate(header) if _plain(column) == _plain(name)]
    if len(alike) != 1:
        raise UserError(
            f"{path}: {option(what)} is {name!r}, and its columns are "
            f"{', '.join(map(repr, header)) or 'none'}; name one of them"
        )
    return alike[0]


def _usual(path: str | Path, header: Sequence[str], names: Sequence[str], what: str) -> int | None:
    for tier in _NAMES[what]:
        found = [i for i, name in enumerate(names) if name in tier]
        if len(found) > 1:
            which = " or ".join(repr(header[i].strip()) for i in found)
            raise UserError(
                f"{path}: {what} may stand in {which}; say which: "
                f"{option(what)}={header[found[0]].strip()}"
            )
        if found:
            return found[0]
    return None
