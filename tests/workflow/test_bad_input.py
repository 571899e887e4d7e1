"""Bad input ends with one line that names the file, the value and the fix, and exit status 1."""

import hashlib
import io
import os
import re
import tarfile

import pytest
import skimage.data
from PIL import Image


def one_line(run) -> str:
    """Return the error that a failed Snakemake printed; there is just one, without a traceback."""
    assert run.returncode == 1, run.stdout + run.stderr
    output = run.stdout + run.stderr
    # A failed job says it at once, and Snakemake repeats it at the end with the job's log.
    said = [line for line in output.splitlines() if line.startswith("error: ")]
    lines = {line.partition(" (log: ")[0] for line in said}
    assert len(lines) == 1, output
    assert "Traceback" not in output
    return lines.pop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda study: study["ratios"].__setitem__(1, 1.3),
            "error: config/config.yaml: ratios[1] is 1.3; a ratio lies in (0, 1]",
        ),
        (
            lambda study: study.update(ratio=[1.0]),
            "error: config/config.yaml: the key ratio is unknown; did you mean ratios?",
        ),
        (
            lambda study: study["learners"]["autogluon"].update(framework="keras"),
            'error: config/config.yaml: learners.autogluon.framework is "keras"; a framework is',
        ),
        (
            lambda study: study["learners"]["autogluon"].update(weights="efficientnet_b9"),
            "error: config/config.yaml: learners.autogluon.weights is 'efficientnet_b9', which is "
            "not in config/weights.yaml; did you mean efficientnet_b4?",
        ),
    ],
)
def test_a_mistake_in_the_study_is_the_only_line(fresh, change, message):
    """Before anything runs, the mistake is all that is printed."""
    fresh.edit("config/config.yaml", change)
    run = fresh.snakemake("--dry-run")
    assert one_line(run).startswith(message)
    said = (run.stdout + run.stderr).splitlines()
    assert [line for line in said if not line.startswith("Using workflow specific profile")] == [
        one_line(run)
    ]
    assert not fresh.path("results").exists()


def test_a_mistake_on_the_command_line_names_it(fresh):
    """A value given with --config is checked like the file's."""
    run = fresh.snakemake("--dry-run", "--config", "seeds=[-1]")
    assert "seeds[0] is -1; a seed is a whole number from 0" in one_line(run)


def photographs_in_folders(path, leave_out=()):
    """Write a tar with two classes of twelve crops of real photographs."""
    with tarfile.open(path, "w") as tar:
        for name in ("chelsea", "coffee"):
            if name in leave_out:
                continue
            with Image.open(f"{skimage.data_dir}/{name}.png") as photograph:
                for i in range(12):
                    buffer = io.BytesIO()
                    crop = photograph.crop((i * 24, 60, i * 24 + 64, 124))
                    crop.save(buffer, "JPEG", quality=95)
                    info = tarfile.TarInfo(f"photos/{name}/{i}.jpg")
                    info.size = buffer.tell()
                    buffer.seek(0)
                    tar.addfile(info, buffer)


@pytest.fixture
def folders(fresh, tmp_path):
    """Return a project whose data set is a tar of class folders, and the tar."""
    archive = tmp_path / "animals.tar"
    photographs_in_folders(archive)

    def register(registry):
        entry = registry.pop("photo-patches")
        entry |= {
            "adapter": "class_folders",
            "options": {"root": "photos"},
            "classes": 2,
            "class_names": ["chelsea", "coffee"],
            "images": 24,
            "split": entry["split"] | {"strategy": "stratified"},
            "shards": {"train": 1, "val": 1, "test": 1},
            "archives": [
                {
                    "name": "animals.tar",
                    "source": "url",
                    "urls": [archive.as_uri()],
                    "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
                }
            ],
        }
        registry["animals"] = entry

    def of_animals(study):
        study["datasets"] = study["noise"]["datasets"] = ["animals"]

    fresh.edit("config/datasets.yaml", register)
    fresh.edit("config/config.yaml", of_animals)
    return fresh, archive


SHARDS = "results/shards/animals/jpeg-q30"


def test_class_folders_become_shards(folders):
    """Without a mistake the archive becomes shards."""
    project, _ = folders
    run = project.snakemake(SHARDS)
    assert run.returncode == 0, run.stderr
    with tarfile.open(project.path(f"{SHARDS}/test-0.tar")) as tar:
        assert len(tar.getnames()) == 2 * 5  # a fifth of 24, and a label for each


def test_a_wrong_checksum_leaves_no_archive(folders):
    """The registry's sha256 is compared before the file gets its name."""
    project, archive = folders
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    wrong = "0" * 64

    def lie(registry):
        registry["animals"]["archives"][0]["sha256"] = wrong

    project.edit("config/datasets.yaml", lie)
    line = one_line(project.snakemake(SHARDS))
    assert "resources/archives/animals/animals.tar" in line and right in line and wrong in line
    assert not any(project.path("resources").rglob("*animals*tar*"))


def test_a_truncated_archive_is_named(folders):
    """Where no checksum is known, reading tells."""
    project, archive = folders
    archive.write_bytes(archive.read_bytes()[:-12_000])

    def unknown(registry):
        del registry["animals"]["archives"][0]["sha256"]

    project.edit("config/datasets.yaml", unknown)
    line = one_line(project.snakemake(SHARDS))
    assert "resources/archives/animals/animals.tar: " in line and "truncated" in line
    assert not project.path("results/manifests/animals.parquet").exists()


def test_a_missing_class_folder_is_named(folders):
    """A class that the registry lists and the archive lacks is not passed over."""
    project, archive = folders
    photographs_in_folders(archive, leave_out=["coffee"])

    def unknown(registry):
        del registry["animals"]["archives"][0]["sha256"]

    project.edit("config/datasets.yaml", unknown)
    line = one_line(project.snakemake(SHARDS))
    assert "animals.tar: class folder 'coffee' is missing or holds no image" in line


def test_a_class_of_two_images_is_named(folders):
    """Two images cannot be in three splits."""
    project, archive = folders
    with tarfile.open(archive) as tar:
        kept = [m for m in tar if not re.search(r"coffee/([2-9]|1\d)\.jpg", m.name)]
        members = [(member, tar.extractfile(member).read()) for member in kept]
    with tarfile.open(archive, "w") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))

    def register(registry):
        registry["animals"]["images"] = 14
        del registry["animals"]["archives"][0]["sha256"]

    project.edit("config/datasets.yaml", register)
    line = one_line(project.snakemake(SHARDS))
    assert "results/manifests/animals.parquet: class 'coffee' has 2 images, too few for" in line
    assert not project.path("results/splits/animals.parquet").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("classes", 1, "animals.classes is 1; the number of classes is a whole number from 2"),
        ("split.val", 0, "animals.split.val is 0; a fraction of the images, in (0, 0.5]"),
        ("split.test", 0.0, "animals.split.test is 0.0; a fraction of the images, in (0, 0.5]"),
    ],
)
def test_a_data_set_that_cannot_be_is_refused(folders, key, value, message):
    """One class, no validation or no test images: refused before anything runs."""
    project, _ = folders

    def change(registry):
        place = registry["animals"]
        *path, last = key.split(".")
        for step in path:
            place = place[step]
        place[last] = value

    project.edit("config/datasets.yaml", change)
    assert message in one_line(project.snakemake("--dry-run"))


def test_one_failing_run_leaves_the_others_alone(folders):
    """Of two runs one meets a damaged shard: the other ends, and the error names the run."""
    project, _ = folders

    def only_lite0(study):
        study["ratios"] = [1.0, 0.3]
        study["learners"] = {"lite0": study["learners"]["tf_efficientnet_lite0"]}
        study["learners"]["lite0"]["recipe"] |= {"image_size": 32, "epochs": 2}
        for experiment in ("noise", "tabular", "train_test", "reading"):
            del study[experiment]

    project.edit("config/config.yaml", only_lite0)
    damaged = f"{SHARDS}/train-0.tar"
    assert project.snakemake(SHARDS).returncode == 0
    content = bytearray(project.path(damaged).read_bytes())
    content[len(content) // 2] ^= 1
    time = project.path(damaged).stat()
    project.path(damaged).write_bytes(content)
    os.utime(project.path(damaged), ns=(time.st_atime_ns, time.st_mtime_ns))
    runs = [f"results/runs/animals/{v}/lite0/seed0/run.json" for v in ("original", "jpeg-q30")]
    run = project.snakemake(*runs)
    line = one_line(run)
    assert damaged in line and "is damaged (its CRC-32 differs" in line
    assert f"remove {SHARDS}: its shards are made again" in line
    assert "(log: results/logs/train_timm/animals/jpeg-q30/lite0/seed0.log)" in run.stderr
    assert "run 1 of 2 done: animals/original/lite0/seed0" in run.stderr
    assert not project.path("results/runs/animals/jpeg-q30/lite0/seed0/run.json").exists()
