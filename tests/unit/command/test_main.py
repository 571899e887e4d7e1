"""The command line: what it refuses, what it hands on, what it prints."""

import json
import re

import pytest

from jpegprep.command import api, doctor
from jpegprep.command.main import app, main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["recommend", "x", "--margn", "0.02"],
            "No such option: --margn. Did you mean --margin? See jpegprep recommend --",
        ),
        (["recomend", "x"], "No such command 'recomend'. Did you mean 'recommend'?"),
        (["recommend"], "Missing argument 'FOLDER'"),
        (["recommend", "x", "y"], "unexpected extra argument(s) (y)"),
        (["recommend", "x", "--minutes", "soon"], "--minutes"),
        (["convert", "x", "y"], "say --quality 50, or a store as --store s256-webp-q40: one"),
        (["convert", "x", "y", "--quality", "9", "--store", "webp-q9"], "one of them"),
        (["convert", "{tmp}", "{tmp}/to", "--store", "webp-q400"], "webp-q400"),
        (
            ["convert", "{tmp}", "{tmp}/to", "--store", "original-opt", "--alpha", "white"],
            "store is original-opt, which changes no pixel",
        ),
        (["convert", "x", "y", "--quality", "9", "--format", "zip"], "format is 'zip'; it is fold"),
        (["convert", "x", "y", "--qualty", "9"], "--qualty. Did you mean --quality? See "),
        (["convert", "{tmp}", "{tmp}/to", "--quality", "0"], "quality is 0; a JPEG quality"),
        (
            ["convert", "{tmp}", "{tmp}/to", "--quality", "9", "--alpha", "red"],
            "alpha is 'red'",
        ),
        (["convert", "{tmp}/none", "{tmp}/to", "--quality", "9"], "{tmp}/none"),
        (["verify", "{tmp}/none"], "{tmp}/none"),
        (["run", "mine.yaml"], "mine.yaml: is not there; name a study's YAML file"),
        (["plan", "mine.yaml"], "mine.yaml: is not there; name a study's YAML file"),
        (
            ["recommend", "x", "--out", "{tmp}/file/x"],
            "{tmp}/file/x: Not a directory; name",
        ),
        (["recommend", "."], "{tmp}/jpegprep-out: lies in {tmp}, which is only read; name another"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(words, says, tmp_path, monkeypatch, capsys):
    """It says what is right, or where that stands; nothing is made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main([word.replace("{tmp}", str(tmp_path)) for word in words]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"error: [^\n]+\n", shown.err), shown.err
    assert says.replace("{tmp}", str(tmp_path)) in shown.err
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "jpegprep-out"}
    assert words[:2] != ["recommend", "."] or not (tmp_path / "jpegprep-out").exists()


def test_help_has_examples_that_are_commands(capsys):
    """Every line of an example begins with a command that there is."""
    assert main([]) == main(["--help"]) == 0
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    for name in sorted(commands):
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        examples = re.findall(r"^  jpegprep (\w+)", shown, re.MULTILINE)
        assert name in examples and {*examples} <= commands


def options(command, *but):
    """Return the options of a command and its arguments, as keys of a configuration."""
    from typer.main import get_command

    known = get_command(app).commands[command].params
    names = {option for param in known for option in param.opts} - {"-q"}
    return {name.removeprefix("--").replace("-", "_") for name in names} - {*but}


def test_every_key_of_a_recommendation_and_of_a_conversion_is_an_option(root):
    """But for those that hold others, and how many jobs there are; and of make all words are."""
    from jpegprep.study.config import read_yaml

    own = {"folder", "out", "cores", "json", "quiet", "help"}
    schema = read_yaml(root / "workflow/schemas/recommend.schema.yaml")["properties"]
    assert options("recommend", *own) == {*schema} - {"images", "split", "learners", "probe"}
    schema = read_yaml(root / "workflow/schemas/conversion.schema.yaml")["properties"]
    keys = {*schema} - {"images", "to", "job_minutes"}
    assert options("convert", *own) == keys | {"target", "format"}
    exported = re.findall(
        r"^export (.*)$", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    words = {word.lower() for line in exported for word in line.split()}
    assert words == (keys | {"images", "to", "format", "group"}) - {"allow_larger"}


def test_options_reach_snakemake_as_values_of_the_configuration(monkeypatch, tmp_path, capsys):
    """As they would stand behind --config; what is not said is config/recommend.yaml's."""
    heard = []
    monkeypatch.setattr(api, "carry_out", lambda arguments, *more: heard.extend(arguments))
    words = ["recommend", "/data/photos", "--out", str(tmp_path), "--rare", "drop"]
    words += [
        "--stores",
        "jpeg-q50-opt,webp-q40",
        "--larger-size",
        "false",
        "--pairs",
        "7",
        "--depth",
        "0,4095",
    ]
    assert main(words) == 1  # nothing was made
    assert "ask for it by jpegprep recommend" in capsys.readouterr().err
    given = heard[heard.index("--config") + 1 :]
    assert {*given} == {
        *(
            "images=/data/photos",
            "rare=drop",
            "stores=[jpeg-q50-opt, webp-q40]",
            "larger_size=false",
        ),
        *("pairs=7", "depth=0,4095"),
    }


def test_what_follows_two_dashes_is_snakemakes(monkeypatch, tmp_path, capsys):
    """And a word without them is none of its targets."""
    heard = {}

    def recommend(folder, **said):
        heard.update(said, folder=folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "recommend", recommend)
    words = ["recommend", "x", "--margin", "0.02", "--", "--config", "rare=drop", "-n"]
    assert main(words) == 130
    assert (
        capsys.readouterr().err == "stopped; what is finished is kept: the same command goes on\n"
    )
    assert (heard["folder"], heard["margin"], heard["minutes"]) == ("x", 0.02, None)
    assert heard["more"] == ["--config", "rare=drop", "-n"]


def test_images_are_converted_and_verified(tmp_path, photos, capsys):
    """By the functions that `make convert` has; as JSON, too. A file that went is status 1."""
    from PIL import Image

    source, target = tmp_path / "photos", tmp_path / "smaller"
    for name in ("a", "b"):
        (source / name).mkdir(parents=True)
        with Image.open(photos / "coffee.png") as photograph:
            photograph.crop((0, 0, 64, 64)).save(source / name / "one.png")
    words = ["convert", str(source), str(target), "--quality", "30", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 2 and found["after"] < found["before"]
    assert main(["verify", str(target)]) == 0
    assert "2 images decode" in capsys.readouterr().out
    words = ["convert", str(source), str(tmp_path / "webp"), "--store", "s32-webp-q40"]
    assert main(words) == 0 and "images: 2" in capsys.readouterr().out
    with Image.open(tmp_path / "webp/a/one.webp") as written:
        assert (written.format, written.size) == ("WEBP", (32, 32))
    assert main(["verify", str(tmp_path / "webp")]) == 0
    assert "2 images decode" in capsys.readouterr().out
    (target / "a" / "one.jpg").unlink()
    assert main(["verify", str(target), "--json"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["count"] == 1
    assert shown.err.startswith("error: ") and shown.err.count("\n") == 1


def test_the_doctor_reads_the_lock_for_this_machine():
    """What is of another platform is none of its affair."""
    lock = (
        "one==1.2 ; python_full_version < '3.12' and sys_platform == 'linux' \\\n"
        "    --hash=sha256:00\n    # via two\n"
        "one==1.1 ; sys_platform == 'never'\n"
        "two==3.0\n"
    )
    assert doctor.locked_versions(lock)["two"] == "3.0"
    assert doctor.locked_versions(lock).get("one") in ("1.2", None)  # None: not on Linux


def test_the_doctor_knows_weights_that_need_no_network(tmp_path):
    """A package that is installed, a file that is there, what was fetched before."""
    hub = {"source": "hub"}
    assert not doctor.at_hand("resnet", hub, tmp_path)
    (tmp_path / "resources/weights").mkdir(parents=True)
    (tmp_path / "resources/weights/resnet.safetensors").touch()
    assert doctor.at_hand("resnet", hub, tmp_path)
    assert doctor.at_hand("x", {"source": "package", "distribution": "numpy"}, tmp_path)
    assert not doctor.at_hand("x", {"source": "package", "distribution": "no-such"}, tmp_path)
    assert not doctor.at_hand("x", {"source": "file", "path": str(tmp_path / "none")}, tmp_path)
