"""The six adapters on small archives of real images in their publishers' layouts; no training."""

import collections
import http.server
import os
import pickle
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from project import ROOT, Project

MIRROR = ROOT.parent / "shared" / "mirror"
STUDY = "tests/workflow/mirror.yaml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MIRROR.is_dir(), reason="needs ../shared/mirror: small archives of the six data sets"
    ),
]


class MirrorProject(Project):
    """A copy of the project with the mirror's study at three ratios."""

    def __init__(self, folder: Path) -> None:
        """Copy the study and its registry, which then names the archives by their whole paths."""
        super().__init__(folder)
        for name in ("mirror.yaml", "mirror"):
            source, target = ROOT / "tests/workflow" / name, folder / "tests/workflow" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        self.edit(STUDY, _fewer_ratios)
        self.archives(lambda archive: archive.update(path=str(MIRROR / archive["name"])))

    def archives(self, change):
        """Change every archive's entry in the mirror's registry."""

        def each(registry):
            for dataset in registry.values():
                for archive in dataset["archives"]:
                    change(archive)

        self.edit("tests/workflow/mirror/datasets.yaml", each)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a Snakemake with the mirror's study."""
        return [*super().command(*arguments), "--configfile", STUDY]


def _fewer_ratios(study):
    study["ratios"] = [1.0, 0.3, 0.1]
    for learner in study["learners"].values():
        learner.pop("ratios", None)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return a project in which everything but training has been run."""
    project = MirrorProject(tmp_path_factory.mktemp("mirror"))
    run = project.snakemake("storage")
    assert run.returncode == 0, run.stderr
    return project


def counted(name: str) -> collections.Counter:
    """Count the images of each class by a plain walk through an archive, without the package."""
    count: collections.Counter = collections.Counter()
    patterns = {
        "256_ObjectCategories.tar": r"256_ObjectCategories/([^/]+)/[^/]+\.jpg",
        "images.tar.gz": r"images/(\w+)_\d+\.jpg",
        "SUN397.tar.gz": r"SUN397/(.+)/[^/]+\.jpg",
        "dtd-r1.0.1.tar.gz": r"dtd/images/([^/]+)/[^/]+\.jpg",
    }
    with tarfile.open(MIRROR / name) as tar:
        if name in patterns:
            for member in tar.getnames():
                if match := re.fullmatch(patterns[name], member):
                    count[match[1]] += 1
            return count
        read = {
            Path(member.name).name: pickle.load(tar.extractfile(member), encoding="bytes")
            for member in tar
            if re.search(r"/(data_batch_\d|test_batch|batches\.meta|train|test|meta)$", member.name)
        }
    meta = read.pop("batches.meta", None) or read.pop("meta")
    names = meta.get(b"label_names") or meta[b"fine_label_names"]
    for batch in read.values():
        for label in batch.get(b"labels") or batch[b"fine_labels"]:
            count[names[label].decode()] += 1
    return count


@pytest.mark.parametrize(
    ("dataset", "archive"),
    [
        ("cifar10", "cifar-10-python.tar.gz"),
        ("cifar100", "cifar-100-python.tar.gz"),
        ("caltech256", "256_ObjectCategories.tar"),
        ("oxford-iiit-pets", "images.tar.gz"),
        ("sun397", "SUN397.tar.gz"),
        ("dtd", "dtd-r1.0.1.tar.gz"),
    ],
)
def test_every_image_of_an_archive_is_in_the_shards(stored, dataset, archive):
    """Images per class in the shards of every variant equal a plain count of the archive."""
    split = pd.read_parquet(stored.path(f"results/splits/{dataset}.parquet"))
    expected = counted(archive)
    assert split["class"].value_counts().to_dict() == dict(expected)
    names = sorted(expected)
    for variant in ("original", "jpeg-q30", "jpeg-q10"):
        labels: collections.Counter = collections.Counter()
        for path in stored.path(f"results/shards/{dataset}/{variant}").glob("*.tar"):
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.name.endswith(".cls"):
                        labels[names[int(tar.extractfile(member).read())]] += 1
        assert labels == expected


def test_original_shards_hold_the_publishers_bytes(stored):
    """A photograph goes through manifest, split and shard byte for byte."""
    with tarfile.open(MIRROR / "dtd-r1.0.1.tar.gz") as tar:
        published = {
            tar.extractfile(member).read() for member in tar if member.name.endswith(".jpg")
        }
    sharded = set()
    for path in stored.path("results/shards/dtd/original").glob("*.tar"):
        with tarfile.open(path) as tar:
            sharded |= {tar.extractfile(m).read() for m in tar if m.name.endswith(".jpg")}
    assert sharded == published


def test_cifar_saves_what_the_paper_says(stored):
    """At ratio 0.3 CIFAR's lossless pixels shrink to the paper's share, within half a point."""
    table = pd.read_csv(stored.path("results/mirror/tables/size_vs_ratio.csv"))
    table = table[table["ratio"] == 0.3].set_index("dataset")["relative_size"]
    assert table["cifar10"] == pytest.approx(0.3426, abs=0.005)
    assert table["cifar100"] == pytest.approx(0.3469, abs=0.005)


def test_what_was_set_aside_is_listed(stored):
    """Caltech's two strays are told apart; the table counts every file of the archives."""
    table = pd.read_csv(stored.path("results/mirror/tables/problems.csv"))
    files = table.set_index(["dataset", "problem"])["files"]
    assert files["caltech256", "all files"] == 1282
    assert files["caltech256", "outside"] == 1  # greg/vision309/note.m
    assert files["caltech256", "not an image"] == 1  # RENAME2
    assert files["oxford-iiit-pets", "outside"] == 1  # Abyssinian_100.mat


class Faulty(http.server.BaseHTTPRequestHandler):
    """Serves the mirror; what goes wrong first depends on the archive."""

    asked: collections.Counter = collections.Counter()
    sent: collections.Counter = collections.Counter()

    def do_GET(self):
        """Cut, lie or serve wrong bytes at the first request of an archive, then serve it well."""
        mirror, name = self.path.strip("/").split("/")
        data = (MIRROR / name).read_bytes()
        Faulty.asked[name] += 1
        first = Faulty.asked[name] == 1
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if mirror == "dead":
            self.send_error(404)
            return
        if asked and name != "SUN397.tar.gz":  # that server knows no Range
            start = int(asked[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        body = data[start:]
        if first and name == "images.tar.gz":
            body = bytes(len(body))  # as many bytes, but wrong ones
        length = len(body) // 3 if first and name == "dtd-r1.0.1.tar.gz" else len(body)
        self.send_header("ETag", f'"{name}"')
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if first and name in (
            "cifar-10-python.tar.gz",
            "256_ObjectCategories.tar",
            "SUN397.tar.gz",
        ):
            body = body[: len(body) // 2]
        Faulty.sent[name] += self.wfile.write(body[:length]) or len(body[:length])
        self.close_connection = True

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def server():
    """Yield the address of a faulty server."""
    Faulty.asked.clear(), Faulty.sent.clear()
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()


def test_archives_arrive_whole_from_a_faulty_server(tmp_path, server):
    """Cut connections, no Range, false lengths, wrong bytes, a dead mirror: all arrive verified."""
    project = MirrorProject(tmp_path / "project")

    def served(archive):
        name = archive["name"]
        del archive["path"]
        archive |= {"source": "url", "urls": [f"{server}/dead/{name}", f"{server}/good/{name}"]}
        if name in ("images.tar.gz", "dtd-r1.0.1.tar.gz"):
            archive["urls"] = [f"{server}/first/{name}", f"{server}/second/{name}"]
        if name == "dtd-r1.0.1.tar.gz":
            del archive["bytes"]  # so that the false length is not seen at once

    project.archives(served)
    Faulty.asked.update({path.name: -1 for path in MIRROR.iterdir()})  # the dead mirror's request
    for name in ("images.tar.gz", "dtd-r1.0.1.tar.gz"):
        Faulty.asked[name] = 0
    targets = [
        f"resources/archives/{dataset}/{archive['name']}"
        for dataset, entry in _registry(project).items()
        for archive in entry["archives"]
    ]
    run = project.snakemake(*targets)
    assert run.returncode == 0, run.stderr
    for target in targets:
        assert project.path(target).read_bytes() == (MIRROR / Path(target).name).read_bytes()
    size = {name: (MIRROR / name).stat().st_size for name in Faulty.sent}
    for name in ("cifar-10-python.tar.gz", "256_ObjectCategories.tar"):
        assert Faulty.sent[name] == size[name], "the second request goes on where the first was cut"
    assert Faulty.sent["SUN397.tar.gz"] > size["SUN397.tar.gz"]
    assert not list(project.path("resources").rglob(".*"))


def _registry(project):
    found = {}
    project.edit("tests/workflow/mirror/datasets.yaml", found.update)
    return found


def test_a_folder_of_archives_comes_before_any_url(tmp_path):
    """What a person has already is taken, verified, and nothing is asked of a server."""
    project = MirrorProject(tmp_path / "project")

    def dead(archive):
        del archive["path"]
        archive |= {"source": "url", "urls": [f"http://127.0.0.1:9/{archive['name']}"]}

    project.archives(dead)
    target = "resources/archives/dtd/dtd-r1.0.1.tar.gz"
    run = project.snakemake(target)
    assert run.returncode == 1
    lines = {line for line in run.stderr.splitlines() if line.startswith("error: ")}
    assert all("archives=FOLDER" in line and "127.0.0.1:9" in line for line in lines) and lines
    project.edit(STUDY, lambda study: study.update(archives=str(MIRROR)))
    assert project.snakemake(target).returncode == 0
    assert project.path(target).read_bytes() == (MIRROR / "dtd-r1.0.1.tar.gz").read_bytes()


@pytest.mark.parametrize("rule", ["build_manifest", "shard_originals", "shard_variant"])
def test_a_killed_job_leaves_nothing_half_written(stored, tmp_path, rule):
    """SIGKILL to everything while a rule works: the next start makes the same files."""
    project = MirrorProject(tmp_path / "project")
    shutil.copytree(stored.path("resources"), project.path("resources"))
    wanted = {
        "build_manifest": "results/manifests/cifar10.parquet",
        "shard_originals": "results/shards/cifar10/original",
        "shard_variant": "results/shards/cifar10/jpeg-q30",
    }[rule]
    process = subprocess.Popen(
        project.command(wanted),
        cwd=project.folder,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # A manifest is written at the end of its job's work, a shard all along.
    sign = "shards/cifar10/.*.part/.train-0.tar.part"
    if rule == "build_manifest":
        sign = "logs/build_manifest/*.log"
    deadline = time.monotonic() + 120
    while not list(project.path("results").glob(sign)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    if rule == "build_manifest":
        time.sleep(0.5)  # Python starts, and works
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not project.path(wanted).exists()
    assert project.snakemake("--unlock").returncode == 0
    run = project.snakemake(wanted)
    assert run.returncode == 0, run.stderr
    made, before = project.path(wanted), stored.path(wanted)
    files = [f for f in before.iterdir() if f.suffix != ""] if before.is_dir() else [before]
    for file in files:
        name = file.relative_to(stored.folder)
        assert project.path(str(name)).read_bytes() == file.read_bytes(), name
    assert not made.is_dir() or len(files) == 2 * 6
    assert not list(project.path("results").rglob(".*.part"))
