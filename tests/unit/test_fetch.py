"""Fetching: from packages, files, URLs and a hub; verified, and whole or absent."""

import gzip
import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jpegprep.errors import UserError
from jpegprep.fetch import fetch

CONTENT = b"what the publisher ships\n" * 50_000
REVISION = "0123456789abcdef0123456789abcdef01234567"
SAFETENSORS = b"what the hub ships\n" * 1000


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """A web server with a good file, several ways to fail, and a model hub."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.answer()

    def do_GET(self) -> None:
        """Answer with the body that the path asks for."""
        body = self.answer()
        self.wfile.write(body[: len(body) // 3] if "short" in self.path else body)
        self.wfile.flush()
        self.close_connection = True

    def answer(self) -> bytes:
        """Send the headers; return the body."""
        match self.path.strip("/").split("/"):
            case ["good" | "short"]:
                status, headers, body = 200, {}, CONTENT
            case ["gzipped"]:
                status, headers = 200, {"Content-Encoding": "gzip"}
                body = gzip.compress(CONTENT, mtime=0)
            case ["moved"]:
                status, headers, body = 302, {"Location": "/good"}, b""
            case ["broken"]:
                status, headers, body = 500, {}, b"Internal Server Error"
            case ["owner", "name" | "short", "resolve", commit, "folder", "model.safetensors"] if (
                commit == REVISION
            ):
                status, body = 200, SAFETENSORS
                headers = {"ETag": f'"{sha256(body)}"', "X-Repo-Commit": REVISION}
            case ["owner", *_]:
                status, headers, body = 404, {"X-Error-Code": "RevisionNotFound"}, b""
            case _:
                status, headers, body = 404, {}, b"Not Found"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, format: str, *arguments: Any) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the address of a web server on this machine."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    web.server_close()


@pytest.fixture(scope="module")
def dead() -> str:
    """Return an address of this machine where nothing answers."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = web.server_port
    web.server_close()
    return f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach this machine directly, also where the network is behind a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_photograph_comes_from_its_package(
    tmp_path: Path, photos: Path, datasets: dict[str, Any]
) -> None:
    """The demo's source `package` gives the file that the installed package holds."""
    entry = next(a for a in datasets["photo-patches"]["archives"] if a["name"] == "chelsea.png")
    fetch(entry, tmp_path / "chelsea.png")
    assert (tmp_path / "chelsea.png").read_bytes() == (photos / "chelsea.png").read_bytes()


def test_every_archive_of_the_demo_can_be_had_offline(
    tmp_path: Path, datasets: dict[str, Any]
) -> None:
    """All twelve photographs lie in the locked packages, with the registered checksums."""
    for archive in datasets["photo-patches"]["archives"]:
        target = tmp_path / archive["name"]
        fetch(archive, target)
        assert sha256(target.read_bytes()) == archive["sha256"]


@pytest.mark.parametrize(
    ("distribution", "path", "message"),
    [
        ("no-such-package", "x", r"package no-such-package is not installed; install"),
        ("scikit-image", "no/such.png", r"package scikit-image holds no no/such\.png"),
    ],
)
def test_a_package_without_the_file_is_named(
    tmp_path: Path, distribution: str, path: str, message: str
) -> None:
    """A package that is absent, or another version without the file, is named."""
    with pytest.raises(UserError, match=message):
        fetch({"source": "package", "distribution": distribution, "path": path}, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_local_file_is_copied(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source `file` copies a file; ``~`` is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copyfile(photos / "rocket.jpg", tmp_path / "my rocket.jpg")
    fetch({"source": "file", "path": "~/my rocket.jpg"}, tmp_path / "new" / "rocket.jpg")
    assert (tmp_path / "new" / "rocket.jpg").read_bytes() == (photos / "rocket.jpg").read_bytes()


def test_a_missing_local_file_is_named(tmp_path: Path) -> None:
    """A path that is wrong is an error that shows it."""
    path = tmp_path / "typo.tar"
    with pytest.raises(UserError, match=re.escape(str(path))):
        fetch({"source": "file", "path": str(path)}, tmp_path / "x.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_file_url_is_read(tmp_path: Path, photos: Path) -> None:
    """A file:// URL works, with characters that URLs escape."""
    folder = tmp_path / "a folder, žluťoučký"
    folder.mkdir()
    shutil.copyfile(photos / "rocket.jpg", folder / "rocket.jpg")
    url = (folder / "rocket.jpg").as_uri()
    assert "%20" in url
    fetch({"source": "url", "urls": [url]}, tmp_path / "rocket.jpg")
    assert (tmp_path / "rocket.jpg").read_bytes() == (photos / "rocket.jpg").read_bytes()


@pytest.mark.parametrize("path", ["good", "moved"])
def test_a_url_is_downloaded(tmp_path: Path, server: str, path: str) -> None:
    """A URL's file comes whole, also behind a redirection."""
    source = {"source": "url", "urls": [f"{server}/{path}"], "sha256": sha256(CONTENT)}
    fetch(source, tmp_path / "new" / "x.tar")
    assert (tmp_path / "new" / "x.tar").read_bytes() == CONTENT
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["x.tar"]


def test_a_compressed_archive_stays_compressed(tmp_path: Path, server: str) -> None:
    """A .tar.gz that a server announces as Content-Encoding gzip is kept as the file it is."""
    fetch({"source": "url", "urls": [f"{server}/gzipped"]}, tmp_path / "x.tar.gz")
    assert (tmp_path / "x.tar.gz").read_bytes() == gzip.compress(CONTENT, mtime=0)


@pytest.mark.parametrize("first", ["dead", "missing", "broken", "short", "file"])
def test_the_next_url_is_tried(tmp_path: Path, server: str, dead: str, first: str) -> None:
    """Where the first URL is dead, gone, broken, or breaks off, the mirror's file is taken."""
    urls = {"dead": f"{dead}/good", "file": (tmp_path / "gone.tar").as_uri()}
    source = {"source": "url", "urls": [urls.get(first, f"{server}/{first}"), f"{server}/good"]}
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.tar"]


@pytest.mark.parametrize("path", ["missing", "broken", "short"])
def test_where_all_urls_fail_nothing_is_left(
    tmp_path: Path, server: str, dead: str, path: str
) -> None:
    """The error is one line with every URL and a way out; no part of a file remains."""
    urls = [f"{dead}/good", f"{server}/{path}"]
    with pytest.raises(UserError, match=r"x\.tar: no URL answered") as error:
        fetch({"source": "url", "urls": urls}, tmp_path / "x.tar")
    assert all(url in str(error.value) for url in urls)
    assert "source: file" in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_keeps_the_older_file(tmp_path: Path, server: str) -> None:
    """Fetching again without success leaves the file from before as it was."""
    target = tmp_path / "x.tar"
    target.write_bytes(b"from before")
    with pytest.raises(UserError):
        fetch({"source": "url", "urls": [f"{server}/missing"]}, target)
    assert target.read_bytes() == b"from before"


@pytest.mark.parametrize("kind", ["url", "file", "package"])
def test_a_wrong_checksum_leaves_nothing(
    tmp_path: Path, server: str, photos: Path, kind: str
) -> None:
    """Another file than the registered one is refused: both digests are named, nothing stays."""
    expected = "0" * 64
    source, content = {
        "url": ({"urls": [f"{server}/good"]}, CONTENT),
        "file": ({"path": str(photos / "coffee.png")}, (photos / "coffee.png").read_bytes()),
        "package": (
            {"distribution": "scikit-image", "path": "skimage/data/coffee.png"},
            (photos / "coffee.png").read_bytes(),
        ),
    }[kind]
    with pytest.raises(UserError, match=r"x\.tar") as error:
        fetch({"source": kind, **source, "sha256": expected}, tmp_path / "x.tar")
    assert expected in str(error.value)
    assert sha256(content) in str(error.value)
    assert list(tmp_path.iterdir()) == []


FROM_HUB = """
import json, sys
from jpegprep.errors import UserError
from jpegprep.fetch import fetch
try:
    fetch(json.loads(sys.argv[1]), sys.argv[2])
except UserError as error:
    sys.exit(f"UserError: {error}")
"""


def from_hub(
    python: Callable[..., Any], server: str, folder: Path, **changes: str
) -> tuple[int, str]:
    """Fetch from the hub in a new process, since its address is read at import."""
    source = {
        "source": "hub",
        "repo": "owner/name",
        "revision": REVISION,
        "path": "folder/model.safetensors",
        "sha256": sha256(SAFETENSORS),
        **changes,
    }
    done = python(
        FROM_HUB,
        json.dumps(source),
        folder / "target" / "x.safetensors",
        HF_ENDPOINT=server,
        HF_HOME=str(folder / "hf"),
    )
    return done.returncode, done.stderr


def test_a_hub_serves_a_pinned_revision(
    tmp_path: Path, server: str, python: Callable[..., Any]
) -> None:
    """The hub's client gets a file of a repository at a commit; no cache stays beside it."""
    assert from_hub(python, server, tmp_path) == (0, "")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["x.safetensors"]
    assert (tmp_path / "target" / "x.safetensors").read_bytes() == SAFETENSORS


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "f" * 40},
        {"path": "no/such.safetensors"},
        {"repo": "owner/short"},
        {"sha256": "0" * 64},
    ],
    ids=["other revision", "no such file", "connection cut short", "other checksum"],
)
def test_what_a_hub_does_not_have_is_named(
    tmp_path: Path, server: str, python: Callable[..., Any], changes: dict[str, str]
) -> None:
    """A wrong revision, path or checksum, or a broken connection, is one line; nothing stays."""
    status, terminal = from_hub(python, server, tmp_path, **changes)
    assert status == 1
    last = terminal.strip().splitlines()[-1]
    assert last.startswith("UserError: ")
    assert changes.get("revision", changes.get("path", changes.get("sha256", "owner/"))) in last
    assert list((tmp_path / "target").iterdir()) == []
