"""`snakemake recommend` on images of a user: an answer, the same one again, and refusals."""

import io
import json
import shutil
import zipfile

import pandas as pd
import pytest
import skimage.data
from PIL import Image
from project import Project
from test_bad_input import one_line

# The answer takes a study of its own: probe, fine-tuning, reading.
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Return a project, and 2 x 45 patches of photographs in class folders, asked about."""
    images = tmp_path_factory.mktemp("own") / "Mine & yours (é)"
    for name in ("brick", "grass"):
        photograph = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        folder = images / name
        folder.mkdir(parents=True)
        for i in range(45):
            x, y = 64 * (i % 8), 64 * (i // 8)
            photograph.crop((x, y, x + 64, y + 64)).save(folder / f"it's {i}.png")
    (images / "brick" / "broken.jpg").write_bytes(b"not a picture")
    project = Project(tmp_path_factory.mktemp("project"))
    project.edit("config/recommend.yaml", _quick)
    run = project.snakemake("recommend", "--config", f"images={images}")
    assert run.returncode == 0, run.stdout + run.stderr
    return project, images


def _quick(config):
    config["stores"] = ["jpeg-q50-opt", "jpeg-q10-opt"]
    config["margin"] = 0.1  # what 90 images can show
    config |= {"image_size": 64, "larger_size": 96}
    config["learners"]["tf_efficientnet_lite0"]["recipe"] |= {"epochs": 3, "batch_size": 16}


@slow
def test_the_answer_is_there_in_words_numbers_and_pictures(asked):
    """Two textures that any network tells apart may be compressed, and the page says how."""
    project, images = asked
    folder = project.path("results/recommend/mine-yours")
    facts = json.loads((folder / "recommendation.json").read_text(encoding="utf-8"))
    assert facts["verdict"] in ("use", "use-probe")
    assert facts["quality"] in (10, 50)
    assert facts["saved"] > 0.3
    # Ninety images in five folds: each is tested once, by the probe and by the pairs.
    assert facts["probe"]["n"] == facts["fine_tuned"]["difference"]["n"] == 90
    assert facts["pairs"] == 5
    assert facts["fine_tuned"]["train_images"] == 72
    assert (facts["larger"]["image_size"], facts["larger"]["n"]) == (96, 90)
    assert facts["plan"]["images"] == facts["plan"]["of"] == 90
    assert facts["manifest"]["problems"] == [
        {"problem": "not an image", "handling": "set aside", "files": 1}
    ]
    assert len(facts["runs"]) == 2 * 4 + 3 * 5
    for record in facts["runs"] + facts["larger"]["runs"]:
        assert project.path(record).exists()
    text = (folder / "recommendation.md").read_text(encoding="utf-8")
    assert text.startswith("# mine-yours: ")
    assert f"jpegprep convert '{images}' /" in text
    for kind in ("svg", "png", "html"):
        assert (folder / f"recommendation.{kind}").stat().st_size > 1000


@slow
def test_more_minutes_train_the_pairs_that_were_left_out(asked):
    """Where a new plan has pairs and the old one had none, they are trained and judged."""
    project, images = asked
    folder = project.path("results/recommend/mine-yours")
    kept = (folder / "plan.json").read_bytes()
    shutil.copytree(folder / "pairs", folder / "kept")
    shutil.rmtree(folder / "pairs")
    plan = json.loads(kept)
    (folder / "plan.json").write_text(json.dumps(plan | {"minutes": plan["minutes"] - 1}))
    jobs = project.planned("recommend", "--config", f"images={images}")
    assert {"judge_pairs", "make_recommendation"} <= set(jobs)
    (folder / "plan.json").write_bytes(kept)
    (folder / "kept").rename(folder / "pairs")


@slow
def test_asked_again_nothing_runs_and_a_changed_image_is_noticed(asked):
    """The images are known by names, sizes and times; other margins train nothing anew."""
    project, images = asked
    about = ("recommend", "--config", f"images={images}")
    assert project.planned(*about) == {}
    jobs = project.planned(*about, "margin=0.25")
    assert not {"train_timm", "shard_variants", "extract_features", "train_probe"} & set(jobs)
    assert "propose_store" in jobs
    # 0.05 is the least saving, too, and the margin was that of a class.
    assert "propose_store" in project.planned(*about, "margin=0.05")
    later = {"plan_minutes", "judge_pairs", "make_recommendation", "make_page", "recommend"}
    assert "plan_minutes" in project.planned(*about, "minutes=16")
    assert not set(project.planned(*about, "minutes=16")) - later
    image = images / "brick" / "it's 0.png"
    content = image.read_bytes()
    image.write_bytes(content + b"\0")
    assert project.planned(*about)["build_manifest"] == 1
    image.write_bytes(content)


def test_columns_are_found_and_said_and_a_patient_is_a_group(tmp_path, fresh):
    """A CSV with semicolons, Windows' paths and other names; nothing was said of it."""
    photograph = Image.fromarray(skimage.data.coffee())
    rows = ["image_id;class;patient"]
    for i in range(24):
        x, y = 64 * (i % 8), 64 * (i // 8)
        path = tmp_path / "scans" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        photograph.crop((x, y, x + 64, y + 64)).save(path)
        rows.append(f"scans\\{i}.png;{'ab'[i % 2]};p{i // 4}")
    (tmp_path / "labels.csv").write_text("\r\n".join(rows), encoding="utf-16")
    target = "results/groups/own-labels.parquet"
    run = fresh.snakemake(target, "--config", f"images={tmp_path / 'labels.csv'}")
    assert run.returncode == 0, run.stdout + run.stderr
    said = "path from 'image_id', label from 'class', group from 'patient'"
    assert said in run.stdout + run.stderr
    groups = pd.read_parquet(fresh.path(target))
    manifest = pd.read_parquet(fresh.path("results/manifests/own-labels.parquet"))
    number = manifest["member"].str.extract(r"(\d+)\.png", expand=False).astype(int)
    assert groups.groupby(number // 4)["split_group"].nunique().tolist() == [1] * 6
    assert groups["split_group"].nunique() == 6
    assert fresh.path("results/groups/own-labels.pairs.png").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "is neither a folder, nor an archive, nor a CSV"),
        (lambda folder: folder.mkdir(), "images"),
        (lambda folder: _zip(folder, {"cat/1.png": b"", "dog/1.png": b""}), "3 or more, for train"),
    ],
)
def test_images_that_will_not_do_are_one_line(tmp_path, fresh, make, message):
    """Before anything runs: what is wrong with them, and nothing is written."""
    path = tmp_path / "pictures"
    make(path)
    run = fresh.snakemake("recommend", "--config", f"images={path}")
    assert message in one_line(run)
    assert str(path) in one_line(run)
    assert not fresh.path("results").exists()


def _zip(path, members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())


def test_without_images_it_says_how_to_name_them(fresh):
    """`snakemake recommend` alone is a question without its object."""
    run = fresh.snakemake("recommend")
    assert run.returncode == 1
    assert "error: name your images: snakemake --cores 8 recommend --config images=PATH" in (
        run.stdout + run.stderr
    )
