"""The study of a user's own images: what a path and the configuration become."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from jpegprep.common.errors import UserError
from jpegprep.study.own_study import own_study

ROOT = Path(__file__).parents[3]


@pytest.fixture
def what(tmp_path: Path, patches: Any) -> dict[str, Any]:
    """Return the shipped configuration for a folder of two classes of twenty images."""
    for name, photograph in (("brick", "brick.png"), ("chelsea", "chelsea.png")):
        folder = tmp_path / "My photos" / name
        folder.mkdir(parents=True)
        for i, data in enumerate(patches(photograph, 20)):
            (folder / f"{i}.png").write_bytes(data)
    config = yaml.safe_load((ROOT / "config" / "recommend.yaml").read_text(encoding="utf-8"))
    return {**config, "images": str(tmp_path / "My photos")}


def study_of(what: dict[str, Any], tmp_path: Path) -> Any:
    """Return the study and the checked configuration."""
    return own_study(what, "config/recommend.yaml", ROOT / "config", tmp_path / "names")


def test_the_study_probes_all_stores(what: dict[str, Any], tmp_path: Path) -> None:
    """Four repeats of the probe on ten; of which networks are fine-tuned, the probe will say."""
    study, checked = study_of(what, tmp_path)
    assert study.name == "recommend/my-photos"
    assert checked["name"] == "my-photos"
    assert len(study.runs()) == 40
    assert {run.learner for run in study.runs()} == {"probe"}
    assert set(study.learners) == {"probe", "tf_efficientnet_lite0"}
    assert study.variants()[:2] == ["original", "jpeg-q90-opt-smaller"]
    entry = study.datasets["own-my-photos"]
    assert (entry["classes"], entry["images"]) == (2, 40)
    assert entry["split"]["duplicates"] == "together"


def test_the_command_lines_text_is_read(what: dict[str, Any], tmp_path: Path) -> None:
    """Snakemake hands on some values as text: lists, numbers and false."""
    text = {
        "stores": "jpeg-q50, s48-webp-q40",
        "codecs": "jpeg webp",
        "confirm": "false",
        "margin": "0.02",
        "name": "holiday",
    }
    study, checked = study_of({**what, **text}, tmp_path)
    assert study.name == "recommend/holiday"
    assert study.margin == 0.02
    assert checked["confirm"] is False and checked["codecs"] == ["jpeg", "webp"]
    assert study.variants() == ["original", "jpeg-q50-smaller", "s48-webp-q40-smaller"]
    assert {run.learner for run in study.runs()} == {"probe"}


def test_every_learner_sees_the_images_at_the_size_asked_for(
    what: dict[str, Any], tmp_path: Path
) -> None:
    """One key for all of them."""
    study, _ = study_of({**what, "image_size": "224"}, tmp_path)
    assert {study.recipe(name)["image_size"] for name in study.learners} == {224}


def test_a_network_that_takes_one_size_alone_is_asked_at_it(
    what: dict[str, Any], tmp_path: Path
) -> None:
    """Another size is one line; at its own size it is not looked at once more at a larger one."""
    swin = "swin_base_patch4_window7_224"
    for learner in what["learners"].values():
        learner["weights"] = swin
    with pytest.raises(UserError, match=f"image_size is 160; {swin} in .* 224 pixels alone"):
        study_of(what, tmp_path)
    _, checked = study_of({**what, "image_size": 224}, tmp_path)
    assert checked["larger_size"] is False


def test_one_size_and_one_network_are_asked_about(what: dict[str, Any], tmp_path: Path) -> None:
    """A learner's own size, and a confirming network that is another one, are one line each."""
    name = "tf_efficientnet_lite0"
    recipe = what["learners"][name]["recipe"]
    recipe["image_size"] = 224
    with pytest.raises(UserError, match="image_size is 160, and a learner's recipe says another"):
        study_of(what, tmp_path)
    del recipe["image_size"]
    what["learners"][name]["weights"] = "tf_efficientnet_lite1"
    with pytest.raises(UserError, match=f"{name} has other weights than probe; give both"):
        study_of(what, tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"margin": 1.5}, "margin is 1.5; the margin is the loss of accuracy"),
        ({"margni": 0.02}, "the key margni is unknown; did you mean margin?"),
        ({"probe": "tf_efficientnet_lite0"}, "probe is 'tf_efficientnet_lite0'; name a learner"),
        ({"confirm": "b0"}, "confirm is 'b0'; name a learner of framework timm"),
        ({"stores": ["jpeg-q500"]}, "stores: variant 'jpeg-q500' is unknown; a variant is"),
        ({"stores": ["original-opt"]}, "stores has 'original-opt'; name stores that change"),
        ({"stores": []}, "stores is []; stores is ladder, or names of stores"),
        ({"codecs": ["gif"]}, 'codecs[0] is "gif"'),
        ({"images": "/nowhere/at/all"}, "is neither a folder, nor an archive, nor a CSV"),
        ({"minutes": 0}, "minutes is 0; the time budget is"),
        ({"pairs": 3}, "pairs is 3; pairs is how many pairs of networks"),
        ({"rare": "keep"}, 'rare is "keep"; rare is stop'),
        ({"image_size": 8}, "image_size is 8; the image size is"),
    ],
)
def test_a_mistake_is_one_line(
    what: dict[str, Any], tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    """File, key, value and what is right."""
    with pytest.raises(UserError) as error:
        study_of({**what, **changed}, tmp_path)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def patients(tmp_path: Path, patches: Any, header: str = "image_id;class;who") -> Path:
    """Write a CSV of twenty images, four a patient."""
    folder = tmp_path / "table"
    folder.mkdir()
    for i, data in enumerate(patches("brick.png", 20)):
        (folder / f"{i}.png").write_bytes(data)
    rows = "".join(f"{i}.png;{i % 2};p{i // 4}\n" for i in range(20))
    (folder / "labels.csv").write_text(f"{header}\n{rows}")
    return folder / "labels.csv"


def test_a_group_is_a_column_where_there_is_one(
    what: dict[str, Any], tmp_path: Path, patches: Any
) -> None:
    """By either key; what was found is told, for the start and the page."""
    images = str(patients(tmp_path, patches))
    for said in ({"group": "who"}, {"group_column": "who"}):
        study, checked = study_of({**what, "images": images, **said}, tmp_path)
        (archive,) = study.datasets["own-labels"]["archives"]
        assert archive["columns"]["group"] == "who"
        assert "group" not in study.datasets["own-labels"]["options"]
        assert checked["told"] == "path from 'image_id', label from 'class', group from 'who'"
    _, checked = study_of({**what, "images": images}, tmp_path)
    assert checked["told"] == "path from 'image_id', label from 'class'"


def test_a_group_is_else_a_pattern(what: dict[str, Any], tmp_path: Path) -> None:
    """Over the paths; what looks like a number or false stays what it is."""
    pattern = r"(?P<group>\d)\d*\.png"
    study, _ = study_of({**what, "group": pattern}, tmp_path)
    assert study.datasets["own-my-photos"]["options"]["group"] == pattern
    study, _ = study_of({**what, "group": "12"}, tmp_path)
    assert study.datasets["own-my-photos"]["options"]["group"] == "12"
    with pytest.raises(UserError, match=r"group is '\(x', which is no column .* no pattern"):
        study_of({**what, "group": "(x"}, tmp_path)


def test_one_way_to_say_what_belongs_together(
    what: dict[str, Any], tmp_path: Path, patches: Any
) -> None:
    """Two are one line; so are columns of what is no table."""
    images = str(patients(tmp_path, patches))
    with pytest.raises(UserError, match="group is 'who', and group_column 'class'; give one"):
        study_of({**what, "images": images, "group": "who", "group_column": "class"}, tmp_path)
    with pytest.raises(UserError, match="label_column is given, and it is no table"):
        study_of({**what, "label_column": "class"}, tmp_path)
