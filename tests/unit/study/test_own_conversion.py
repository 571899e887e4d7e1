"""The configuration of a conversion: what it is, and one line for each mistake."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from jpegprep.common.errors import UserError
from jpegprep.images.preserving import NOTHING, giving
from jpegprep.study.own_conversion import own_conversion

ROOT = Path(__file__).parents[3]


def asked(**given: Any) -> dict[str, Any]:
    """Return config/convert.yaml with what stands on a command line."""
    shipped = yaml.safe_load((ROOT / "config" / "convert.yaml").read_text(encoding="utf-8"))
    return {**shipped, "images": "/data/x", "to": "/data/y", "quality": "50", **given}


def test_what_the_command_line_says_has_its_type() -> None:
    """All of it comes as text; names of folders stay text, whatever they look like."""
    words = {"depth": "8", "range": "0,4095", "alpha": "white", "frames": "first"}
    words["metadata"] = "strip"
    given = asked(images="2024", to="1e3", allow_larger="true", **words)
    found = own_conversion(given, "config/x.yaml")
    assert found == {
        "images": "2024",
        "to": "1e3",
        "quality": 50,
        "store": None,
        "allow_larger": True,
        "job_minutes": 5,
        **words,
        "columns": {},
    }


def test_nothing_is_given_up_unless_it_is_said() -> None:
    """The shipped file copies what JPEG cannot hold."""
    found = own_conversion(asked(), "config/convert.yaml")
    words = {key: found[key] for key in ("depth", "range", "alpha", "frames", "metadata")}
    assert giving(**words) == (NOTHING, False)


def test_what_is_said_of_columns_stays_text() -> None:
    """Also what looks like a number; false is none."""
    found = own_conversion(asked(label_column="12", split_column="false"), "config/x.yaml")
    assert found["columns"] == {"label": "12", "split": False}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"quality": "100"},
            "quality is 100; quality is that of JPEG, a whole number",
        ),
        ({"quality": "q50"}, 'quality is "q50"; quality is that of JPEG'),
        ({"quality": "50.5"}, "quality is 50.5; quality is that of JPEG"),
        ({"to": ""}, 'to is ""; to is the folder that is written'),
        ({"job_minutes": "0"}, "job_minutes is 0; job_minutes is about how long a job takes"),
        ({"depth": 16}, 'depth is "16"; depth is keep'),
        ({"alpha": "green"}, 'alpha is "green"; alpha is copy'),
        ({"allow_larger": "maybe"}, 'allow_larger is "maybe"; allow_larger is true (every'),
        ({"qualty": "50"}, "the key qualty is unknown; did you mean quality?"),
    ],
)
def test_a_mistake_is_one_line(given: dict[str, Any], message: str) -> None:
    """It names the key, the value and what is right."""
    with pytest.raises(UserError) as error:
        own_conversion(asked(**given), "config/convert.yaml")
    assert str(error.value).startswith(f"config/convert.yaml: {message}")


@pytest.mark.parametrize("missing", ["images", "to"])
def test_what_is_missing_is_named(missing: str) -> None:
    """As the command line spells it."""
    config = asked()
    del config[missing]
    with pytest.raises(UserError, match=f"convert.yaml: {missing} is missing; say images=PATH to="):
        own_conversion(config, "config/convert.yaml")


def test_a_store_takes_the_place_of_a_quality() -> None:
    """One of both is said; a store stays text."""
    given = asked(store="webp-q40")
    with pytest.raises(UserError, match="one of them"):
        own_conversion(given, "config/x.yaml")
    del given["quality"]
    found = own_conversion(given, "config/x.yaml")
    assert (found["quality"], found["store"]) == (None, "webp-q40")
    del given["store"]
    with pytest.raises(UserError, match="one of them"):
        own_conversion(given, "config/x.yaml")
