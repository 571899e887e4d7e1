"""The Python API, and what it says of an answer that is there."""

import json
import shlex

import pytest

import jpegprep
from jpegprep.answers.recommend import _command, giving_up
from jpegprep.command.api import Recommendation
from jpegprep.common.errors import UserError
from jpegprep.datasets.problems import ANIMATED, DEEP, TRANSPARENT

# What a manifest of images of 12 bits, transparent ones and animations says.
HELD = {
    "decoding": {"integer": [0.0, 4095.0], "alpha": "black"},
    "scales": ["integer"],
    "held": [DEEP, TRANSPARENT, ANIMATED],
}


@pytest.fixture
def answer(tmp_path):
    """Return the folder of an answer, as `answers.recommend` lays it out."""
    facts = {
        "verdict": "use-probe",
        "quality": 50,
        "saved": 0.75,
        "margin": 0.01,
        "original_bytes": 2_000_000,
        "compressed_bytes": 500_000,
        "manifest": {"used": 90},
        "fine_tuned": None,
        "free": {"smaller": 0, "saved": 0.0, "command": "jpegprep convert …"},
        "command": _command(
            {"images": "/data/my photos", "label_column": "d x", "group_column": False},
            f"--quality 50 {giving_up(HELD)}",
        ),
    }
    (tmp_path / "recommendation.json").write_text(json.dumps(facts), encoding="utf-8")
    (tmp_path / "recommendation.md").write_text("# mine: JPEG quality 50\n\nIt saves\n")
    return tmp_path


def test_the_answer_is_said_in_few_lines(answer):
    """Verdict, bytes, the command that converts, the page: HTML where there is one."""
    found = Recommendation.read(answer)
    assert (found.verdict, found.quality, found.saved) == ("use-probe", 50, 0.75)
    lines = str(found).splitlines()
    assert lines[0] == "mine: JPEG quality 50"
    assert lines[1] == "  bytes:   2 MB → 500 kB, 75.0% saved (of the 90 images that were used)"
    assert lines[3:] == [f"  page:    {answer / 'recommendation.md'}"]
    free = {"smaller": 9, "sampled": 10, "saved": 0.066, "command": "jpegprep convert …"}
    (answer / "recommendation.json").write_text(json.dumps({**found.facts, "free": free}))
    assert Recommendation.read(answer).lines()[3] == (
        "  free:    6.6% saved with the same pixels (10 images tried): jpegprep convert …"
    )
    (answer / "recommendation.html").touch()
    assert found.page == answer / "recommendation.html"
    words = shlex.split(lines[2].removeprefix("  convert: "))
    assert words == [
        *("jpegprep", "convert", "/data/my photos", "/path/to/new/folder", "--quality", "50"),
        *("--depth", "8", "--range", "0.0,4095.0", "--alpha", "black", "--frames", "first"),
        *("--label-column", "d x", "--group-column", "false"),
    ]


def test_the_command_that_converts_is_understood(answer, tmp_path, capsys):
    """What the answer says may be typed as it stands: every option is one of the command."""
    from jpegprep.command.main import main

    words = shlex.split(Recommendation.read(answer).command or "")[1:]
    words[1:3] = [str(tmp_path / "none"), str(tmp_path / "new")]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "none is neither a folder" in error, error  # but for the images all is well


def test_without_a_quality_nothing_is_said_of_bytes_and_commands(answer):
    """Nobody is to take a number for an answer."""
    path = answer / "recommendation.json"
    facts = json.loads(path.read_text()) | {
        **{"verdict": "cannot-tell", "quality": None, "saved": None},
        **{"compressed_bytes": None, "command": None},
    }
    path.write_text(json.dumps(facts))
    found = Recommendation.read(answer)
    assert (found.quality, found.saved, found.command) == (None, None, None)
    assert len(found.lines()) == 2


def test_an_answer_that_is_missing_or_damaged_is_one_line(answer):
    """With what to do."""
    with pytest.raises(UserError, match=r"is not there; ask"):
        Recommendation.read(answer / "other")
    with pytest.raises(UserError, match=r"tables/differences.csv: is not there; ask"):
        Recommendation.read(answer).plot()
    (answer / "recommendation.json").write_text("{")
    with pytest.raises(UserError, match="is damaged; remove it"):
        Recommendation.read(answer)


def test_the_package_has_three_names_and_costs_nothing_before_they_are_used(python):
    """A job in an environment without typer imports the package, too."""
    code = (
        "import sys, jpegprep, jpegprep.common.errors\n"
        "print('typer' in sys.modules, 'jpegprep.command' in sys.modules)\n"
        "from jpegprep import Recommendation, convert, recommend\n"
        "print(recommend.__module__)"
    )
    done = python(code)
    assert done.stdout.split() == ["False", "False", "jpegprep.command.api"], done.stderr
    with pytest.raises(AttributeError, match="no attribute 'recomend'"):
        jpegprep.recomend  # noqa: B018
