"""Columns: which one of a table says what, by its name or by what the user says."""

import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.columns import choose, told


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["path", "label"], {"path": 0, "label": 1}),
        (["image_id", "class"], {"path": 0, "label": 1}),  # Kaggle's
        (["Image Index", "Finding", "diagnosis"], {"path": 0, "label": 2}),
        (["lesion_id", "image_id", "dx", "age"], {"path": 1, "label": 2, "group": 0}),  # HAM10000
        (["filename", "label", "patient"], {"path": 0, "label": 1, "group": 2}),
        (["file_name", "label", "split", "Patient ID"], dict(path=0, label=1, split=2, group=3)),
        (["id", "breed"], {"path": 0, "label": 1}),  # a number only where nothing is surer
        (["id", "file", "breed"], {"path": 1, "label": 2}),
        (["path", "image", "label", "class"], {"path": 0, "label": 2}),  # the plain names first
    ],
)
def test_usual_names_are_found(header: list[str], expected: dict[str, int]) -> None:
    """Whatever their case, with blanks, hyphens or underscores."""
    for names in (header, [name.upper().replace("_", " ") for name in header]):
        assert choose("t.csv", names, {}, needs=("path", "label")) == expected


def test_what_the_user_says_comes_first() -> None:
    """A name, or that there is none."""
    header = ["path", "label", "true label", "patient"]
    asked = {"label": "true label", "group": False}
    assert choose("t.csv", header, asked, needs=("path", "label")) == {"path": 0, "label": 2}


@pytest.mark.parametrize(
    ("header", "asked", "message"),
    [
        (["path", "what"], {}, "label is missing.*'path', 'what'.*label_column=NAME"),
        (["path", "label"], {"label": "x"}, "label_column is 'x'.*'path', 'label'"),
        (["file", "image", "label"], {}, "path may stand in 'file' or 'image'; .*path_column=file"),
        (["path", "label"], {"group": "label"}, "'label' cannot be both label and group"),
    ],
)
def test_what_cannot_be_told_is_refused(
    header: list[str], asked: dict[str, str], message: str
) -> None:
    """In one line, with what to say."""
    with pytest.raises(UserError, match=f"t.csv: .*{message}"):
        choose("t.csv", header, asked, needs=("path", "label"))


def test_what_was_found_is_told() -> None:
    """And how many images have no label."""
    names = {"path": "image_id", "group": "patient"}
    assert told(names) == "path from 'image_id', group from 'patient'"
    assert told(names, 3).endswith("; 3 images have no label and are left out")
