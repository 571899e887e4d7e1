"""Fetching: from packages, files, URLs and a hub; verified, and whole or absent."""

import errno
import fcntl
import gzip
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import jpegprep.datasets.fetch
from jpegprep.common.errors import UserError
from jpegprep.datasets.fetch import describe, fetch
from jpegprep.datasets.listing import digest_of, read_listing
from jpegprep.datasets.sources import scan

CONTENT = b"".join(b"%8d what the publisher ships\n" % line for line in range(40_000))
HALF = len(CONTENT) // 2
OTHER = CONTENT.replace(b"publisher", b"pretender")
NEWER = CONTENT.replace(b"ships", b"ships now")
REVISION = "0123456789abcdef0123456789abcdef01234567"
SAFETENSORS = b"what the hub ships\n" * 1000


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    """Return the MD5 of bytes."""
    return hashlib.md5(data).hexdigest()


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


@dataclass
class Answer:
    """What a publisher's server does with one request."""

    content: bytes = CONTENT
    etag: str | None = '"first"'
    modified: str | None = None
    status: int | None = None  # refuse, with this
    ranges: bool = True
    heeds_if_range: bool = True
    shift: int = 0  # of the range that is sent, against the one asked for
    announced: int | None = 0  # bytes more than there are, or none at all
    tells_total: bool = True
    cut: int | None = None  # close the connection when so much of the file has been sent
    hold: int | None = None  # stop, with the connection open, when so much has been sent


@dataclass
class Request:
    """What was asked of a publisher, and what came back."""

    path: str
    range: str | None
    if_range: str | None
    encoding: str | None
    status: int = 0
    sent: int = 0


class Publisher(ThreadingHTTPServer):
    """A server that answers each request for a path as planned; the last plan goes on."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on this machine."""
        super().__init__(("127.0.0.1", 0), Download)
        self.plans: dict[str, list[Answer]] = {}
        self.requests: list[Request] = []
        self.resume = threading.Event()

    def url(self, path: str, *answers: Answer) -> str:
        """Return the URL of a path that is answered so."""
        self.plans[f"/{path}"] = list(answers or [Answer()])
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def sent(self) -> int:
        """Return the bytes sent in all, of files."""
        return sum(request.sent for request in self.requests)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet where a client goes away."""


class Download(BaseHTTPRequestHandler):
    """One request to a publisher."""

    server: Publisher

    def do_GET(self) -> None:
        """Answer as planned, and write down what was asked and sent."""
        asked = (self.headers[name] for name in ("Range", "If-Range", "Accept-Encoding"))
        request = Request(self.path, *asked)
        self.server.requests.append(request)
        plan = self.server.plans[self.path]
        answer = plan.pop(0) if len(plan) > 1 else plan[0]
        size = len(answer.content)
        start = 0
        same = not (answer.heeds_if_range and request.if_range) or request.if_range in (
            answer.etag,
            answer.modified,
        )
        headers = {"ETag": answer.etag, "Last-Modified": answer.modified}
        status = answer.status or 200
        if status == 200 and request.range and answer.ranges and same:
            start = int(request.range.removeprefix("bytes=").removesuffix("-"))
            total = str(size) if answer.tells_total else "*"
            status = 206 if start < size else 416
            first = start + answer.shift
            extent = f"{first}-{size - 1}" if status == 206 else "*"
            headers["Content-Range"] = f"bytes {extent}/{total}"
        body = answer.content[start:] if status in (200, 206) else b""
        if answer.announced is not None:
            headers["Content-Length"] = str(len(body) + answer.announced)
        request.status = status
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        stop = answer.cut if answer.hold is None else answer.hold
        body = body if stop is None else body[: max(stop - start, 0)]
        for place in range(0, len(body), 1 << 16):
            block = body[place : place + (1 << 16)]
            request.sent += len(block)  # before the client can have it, and ask
            self.wfile.write(block)
        if answer.hold is not None:
            self.server.resume.wait()
            self.wfile.write(answer.content[answer.hold :])
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Yield a server whose answers a test plans."""
    web = Publisher()
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    yield web
    web.resume.set()
    web.shutdown()
    web.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and do not wait long for a server that is silent."""
    monkeypatch.setattr(jpegprep.datasets.fetch, "_TIMEOUT_S", 5)
    monkeypatch.setattr(
        jpegprep.datasets.fetch, "_PAUSES_S", (0,) * len(jpegprep.datasets.fetch._PAUSES_S)
    )


ATTEMPTS = len(jpegprep.datasets.fetch._PAUSES_S) + 1


def names(folder: Path) -> list[str]:
    """Return the names of a folder's files, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


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


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"source": "file", "path": "/x.tar"}, "/x.tar"),
        ({"source": "url", "urls": ["http://a", "http://b"]}, "http://a or http://b"),
        ({"source": "hub", "path": "x", "repo": "a/b", "revision": "c"}, "x of a/b at c"),
        ({"source": "package", "path": "x", "distribution": "d"}, "x in the package d"),
    ],
    ids=lambda value: value["source"] if isinstance(value, dict) else "",
)
def test_a_source_is_told_in_words(source: dict[str, Any], words: str) -> None:
    """Records name where a file came from."""
    assert describe(source) == words


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


@pytest.mark.parametrize("path", ["missing", "broken"])
def test_where_all_urls_fail_a_person_is_told_what_to_do(
    tmp_path: Path, server: str, dead: str, path: str
) -> None:
    """The error is one line with every URL, what to get and where to put it; nothing remains."""
    urls = [f"{dead}/good", f"{server}/{path}", (tmp_path / "gone.tar").as_uri()]
    source = {"source": "url", "urls": urls, "bytes": 39_100_000_000, "md5": "0" * 32}
    with pytest.raises(UserError) as error:
        fetch(source, tmp_path / "x.tar")
    line = str(error.value)
    assert line.startswith(f"{tmp_path / 'x.tar'}: no URL gave it: {dead}/good (")
    reason = {"missing": "404 Not Found", "broken": "500 Internal Server Error"}[path]
    assert f"; {server}/{path} ({reason}); {tmp_path / 'gone.tar'} (no file" in line
    assert f"get x.tar (39.1 GB, md5 {'0' * 32}) by other means" in line
    assert "--config archives=FOLDER" in line
    assert "\n" not in line
    assert names(tmp_path) == []


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


@pytest.mark.parametrize("checksum", [True, False])
def test_a_cut_download_goes_on_where_it_stopped(
    tmp_path: Path, publisher: Publisher, checksum: bool
) -> None:
    """After a cut only the missing bytes are asked for, of the same version, and sent."""
    source = {"source": "url", "urls": [publisher.url("x", Answer(cut=HALF), Answer())]}
    fetch(source | ({"sha256": sha256(CONTENT)} if checksum else {}), tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [(r.range, r.if_range) for r in publisher.requests] == [
        (None, None),
        (f"bytes={HALF}-", '"first"'),
    ]
    assert [r.sent for r in publisher.requests] == [HALF, len(CONTENT) - HALF]
    assert {r.encoding for r in publisher.requests} == {"identity"}
    assert names(tmp_path) == ["x.tar"]


def test_a_connection_that_falls_silent_is_opened_anew(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no byte comes for a while, what is missing is asked for again."""
    monkeypatch.setattr(jpegprep.datasets.fetch, "_TIMEOUT_S", 0.3)
    url = publisher.url("x", Answer(hold=HALF), Answer())
    fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [r.range for r in publisher.requests] == [None, f"bytes={HALF}-"]


def test_a_cut_that_no_one_announced_is_seen_by_the_registrys_size(
    tmp_path: Path, publisher: Publisher
) -> None:
    """Where the server tells no size, a short file is continued, as after any cut."""
    url = publisher.url("x", Answer(announced=None, cut=HALF), Answer(announced=None))
    fetch({"source": "url", "urls": [url], "bytes": len(CONTENT)}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert publisher.sent() == len(CONTENT)


def test_where_no_byte_came_nothing_is_left(tmp_path: Path, publisher: Publisher) -> None:
    """A server that promises a file and sends nothing of it leaves no empty part."""
    with pytest.raises(UserError, match="0 bytes read"):
        fetch({"source": "url", "urls": [publisher.url("x", Answer(cut=0))]}, tmp_path / "x.tar")
    assert len(publisher.requests) == ATTEMPTS
    assert names(tmp_path) == []


def test_cuts_do_not_matter_as_long_as_bytes_come(tmp_path: Path, publisher: Publisher) -> None:
    """A connection that breaks a hundred times brings the file, each byte once."""
    cuts = [Answer(cut=len(CONTENT) * k // 100) for k in range(1, 100)]
    fetch({"source": "url", "urls": [publisher.url("x", *cuts, Answer())]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert (len(publisher.requests), publisher.sent()) == (100, len(CONTENT))


def test_without_progress_pauses_grow_and_the_url_is_given_up(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts that come no farther are few; the pause starts anew where one came farther."""
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pauses: list[float] = []
    monkeypatch.setattr(jpegprep.datasets.fetch.time, "sleep", pauses.append)
    stuck = publisher.url("stuck", *[Answer(cut=10)] * 3, Answer(cut=20))
    fetch({"source": "url", "urls": [stuck, publisher.url("x")]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert pauses == [1, 2, 4, 1, 2, 4, 8]
    assert [r.path for r in publisher.requests] == ["/stuck"] * 8 + ["/x"]


@pytest.mark.parametrize(
    ("status", "attempts"),
    [(401, 1), (403, 1), (404, 1), (410, 1), (408, 2), (429, 2), (500, 2), (503, 2)],
)
def test_only_what_may_pass_is_tried_again(
    tmp_path: Path, publisher: Publisher, status: int, attempts: int
) -> None:
    """A server that is busy is asked again; one that has no such file is not."""
    busy = publisher.url("busy", Answer(status=status), Answer())
    fetch({"source": "url", "urls": [busy, publisher.url("mirror")]}, tmp_path / "x.tar")
    expected = ["/busy", "/busy" if attempts == 2 else "/mirror"]
    assert [r.path for r in publisher.requests] == expected
    assert (tmp_path / "x.tar").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(tmp_path: Path, publisher: Publisher) -> None:
    """Where a whole file answers the request for the rest, it replaces what came before."""
    cut, whole = Answer(cut=HALF, ranges=False), Answer(ranges=False)
    source = {"source": "url", "urls": [publisher.url("x", cut, whole)], "md5": md5(CONTENT)}
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [(r.status, r.sent) for r in publisher.requests] == [(200, HALF), (200, len(CONTENT))]


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_not_mixed(
    tmp_path: Path, publisher: Publisher, heeds_if_range: bool
) -> None:
    """Another version of the file is fetched whole, also from a server that ignores If-Range."""
    newer = Answer(OTHER, '"second"', heeds_if_range=heeds_if_range)
    url = publisher.url("x", Answer(cut=HALF), newer)
    fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == OTHER
    assert publisher.requests[1].if_range == '"first"'
    assert len(publisher.requests) == (2 if heeds_if_range else 3)


@pytest.mark.parametrize(
    ("etag", "modified", "validator"),
    [
        ('W/"weak"', "Wed, 01 Jan 2020 00:00:00 GMT", "Wed, 01 Jan 2020 00:00:00 GMT"),
        ('"strong"', "Wed, 01 Jan 2020 00:00:00 GMT", '"strong"'),
        ('W/"weak"', None, None),
        (None, None, None),
    ],
)
def test_what_cannot_be_told_apart_is_not_continued(
    tmp_path: Path, publisher: Publisher, etag: str | None, modified: str | None, validator: str
) -> None:
    """Without a checksum a download continues only where the server can name the version."""
    answer = Answer(etag=etag, modified=modified)
    url = publisher.url("x", replace(answer, cut=HALF), answer)
    fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    again = publisher.requests[1]
    assert again.if_range == validator
    assert again.range == (f"bytes={HALF}-" if validator else None)


def test_the_version_is_remembered_over_many_cuts(tmp_path: Path, publisher: Publisher) -> None:
    """A range need not name the file's version again: the one from the first answer counts."""
    silent = Answer(etag=None, heeds_if_range=False, cut=HALF + 1000)
    url = publisher.url("x", Answer(cut=HALF), silent, Answer())
    fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [r.if_range for r in publisher.requests] == [None, '"first"', '"first"']
    assert publisher.sent() == len(CONTENT)


@pytest.mark.parametrize("fault", [{"shift": 10}, {"shift": -10}], ids=str)
def test_a_range_that_was_not_asked_for_is_refused(
    tmp_path: Path, publisher: Publisher, fault: dict[str, Any]
) -> None:
    """A part that does not begin where the last one ended is not appended."""
    url = publisher.url("x", Answer(cut=HALF), Answer(**fault), Answer())
    fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [r.range for r in publisher.requests] == [None, f"bytes={HALF}-", None]


def test_a_range_of_an_unknown_total_is_taken(tmp_path: Path, publisher: Publisher) -> None:
    """A server that does not tell the total size in its ranges can be continued from."""
    url = publisher.url("x", Answer(cut=HALF), Answer(tells_total=False))
    fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert publisher.sent() == len(CONTENT)


def test_a_server_that_sends_only_ranges_is_given_up(tmp_path: Path, publisher: Publisher) -> None:
    """A 416 where no range was asked for ends after a few attempts, with the mirror's file."""
    odd = publisher.url("odd", Answer(status=416))
    fetch({"source": "url", "urls": [odd, publisher.url("x")]}, tmp_path / "x.tar")
    assert [r.path for r in publisher.requests] == ["/odd"] * ATTEMPTS + ["/x"]
    assert (tmp_path / "x.tar").read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", [True, False])
def test_the_next_url_continues_only_what_a_checksum_proves(
    tmp_path: Path, publisher: Publisher, checksum: bool
) -> None:
    """With a checksum a mirror sends the rest only; without one it sends the whole file."""
    urls = [publisher.url("x", Answer(cut=HALF), Answer(status=404)), publisher.url("mirror")]
    source = {"source": "url", "urls": urls}
    fetch(source | ({"md5": md5(CONTENT)} if checksum else {}), tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    mirror = publisher.requests[-1]
    assert (mirror.path, mirror.if_range) == ("/mirror", None)
    assert mirror.range == (f"bytes={HALF}-" if checksum else None)
    assert mirror.sent == len(CONTENT) - (HALF if checksum else 0)


def test_a_mirror_that_is_dead_does_not_cost_what_came(
    tmp_path: Path, publisher: Publisher
) -> None:
    """Without a checksum the part is kept until another URL really gives its own bytes."""
    url = publisher.url("x", Answer(cut=HALF), Answer(status=404))
    source = {"source": "url", "urls": [url, publisher.url("mirror", Answer(status=404))]}
    with pytest.raises(UserError):
        fetch(source, tmp_path / "x.tar")
    publisher.url("x", Answer())
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert publisher.sent() == len(CONTENT)


def test_a_right_rest_on_a_wrong_beginning_is_fetched_once_more(
    tmp_path: Path, publisher: Publisher
) -> None:
    """Where a continued download has a wrong checksum, the same URL is read from the start."""
    urls = [
        publisher.url("wrong", Answer(OTHER, cut=HALF), Answer(status=404)),
        publisher.url("right"),
    ]
    fetch({"source": "url", "urls": urls, "sha256": sha256(CONTENT)}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [(r.path, r.range) for r in publisher.requests[2:]] == [
        ("/right", f"bytes={HALF}-"),
        ("/right", None),
    ]


def test_after_a_wrong_checksum_the_next_url_is_tried(tmp_path: Path, publisher: Publisher) -> None:
    """A file of the right size with other bytes is thrown away, and fetched from the mirror."""
    urls = [publisher.url("wrong", Answer(OTHER)), publisher.url("right")]
    fetch({"source": "url", "urls": urls, "sha256": sha256(CONTENT)}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [(r.path, r.range) for r in publisher.requests] == [("/wrong", None), ("/right", None)]


def test_where_all_urls_have_another_file_both_digests_are_named(
    tmp_path: Path, publisher: Publisher
) -> None:
    """The error names each URL with its digest and the registry's; nothing stays."""
    urls = [publisher.url("a", Answer(OTHER)), publisher.url("b", Answer(NEWER))]
    with pytest.raises(UserError) as error:
        fetch({"source": "url", "urls": urls, "sha256": sha256(CONTENT)}, tmp_path / "x.tar")
    line = str(error.value)
    for url, content in zip(urls, (OTHER, NEWER), strict=True):
        assert f"sha256 of what {url} gave is {sha256(content)}, the registry says" in line
    assert sha256(CONTENT) in line
    assert "correct the registry" in line
    assert names(tmp_path) == []


def test_a_file_of_another_size_is_not_downloaded(
    tmp_path: Path, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the announced size is not the registry's, the mirror is asked at once."""
    urls = [publisher.url("long", Answer(NEWER, hold=0)), publisher.url("right")]
    fetch({"source": "url", "urls": urls, "bytes": len(CONTENT)}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    said = f"{urls[0]} (has {len(NEWER)} bytes, the registry says {len(CONTENT)})"
    assert said in capsys.readouterr().err


def test_fewer_bytes_than_announced_are_no_file(tmp_path: Path, publisher: Publisher) -> None:
    """A server that announces more than it has is given up, however often it is asked."""
    url = publisher.url("x", Answer(announced=100))
    with pytest.raises(UserError, match=r"no URL gave it") as error:
        fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
    assert str(url) in str(error.value)
    # With progress, pauses begin anew; the first attempt is the only one that makes any.
    assert len(publisher.requests) == ATTEMPTS


def test_more_bytes_than_announced_are_found_by_the_checksum(
    tmp_path: Path, publisher: Publisher
) -> None:
    """A server that announces less than it sends gives a wrong checksum; the mirror is taken."""
    urls = [publisher.url("less", Answer(announced=-100)), publisher.url("right")]
    fetch({"source": "url", "urls": urls, "sha256": sha256(CONTENT)}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [r.path for r in publisher.requests] == ["/less", "/right"]


@pytest.mark.parametrize("content", [CONTENT[:HALF], NEWER], ids=["less", "more"])
def test_without_an_announced_size_the_registrys_counts(
    tmp_path: Path, publisher: Publisher, content: bytes
) -> None:
    """Where the server announces nothing, too few and too many bytes are found all the same."""
    urls = [publisher.url("odd", Answer(content, announced=None)), publisher.url("right")]
    fetch({"source": "url", "urls": urls, "bytes": len(CONTENT)}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT


def test_an_empty_file_is_a_file(tmp_path: Path, publisher: Publisher) -> None:
    """No bytes, announced as none, are a whole file."""
    fetch({"source": "url", "urls": [publisher.url("x", Answer(b""))]}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == b""


def test_what_came_is_there_for_the_next_job(tmp_path: Path, publisher: Publisher) -> None:
    """A failed job leaves the older file and its part; the next job fetches the rest only."""
    target = tmp_path / "x.tar"
    target.write_bytes(b"from before")
    source = {"source": "url", "urls": [publisher.url("x", Answer(cut=HALF))]}
    with pytest.raises(UserError, match=r"IncompleteRead|bytes came"):
        fetch(source, target)
    assert target.read_bytes() == b"from before"
    publisher.url("x", Answer())
    fetch(source, target)
    assert target.read_bytes() == CONTENT
    assert publisher.sent() == len(CONTENT)
    assert names(tmp_path) == ["x.tar"]


def test_a_part_of_unknown_origin_is_not_continued(tmp_path: Path, publisher: Publisher) -> None:
    """Where the note beside a part cannot be read, and no checksum is known, all is fetched."""
    source = {"source": "url", "urls": [publisher.url("x", Answer(cut=HALF))]}
    with pytest.raises(UserError):
        fetch(source, tmp_path / "x.tar")
    note = next(path for path in tmp_path.iterdir() if path.suffix == ".json")
    note.write_text("{")
    publisher.url("x", Answer())
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert publisher.requests[-1].range is None


FETCH = """
import json, sys
from jpegprep.datasets.fetch import fetch
fetch(json.loads(sys.argv[1]), sys.argv[2])
"""


def kill_in_the_middle(publisher: Publisher, source: dict[str, Any], target: Path) -> int:
    """Kill a job that fetches when the server has stopped; return the bytes that it left."""
    job = subprocess.Popen(
        [sys.executable, "-c", FETCH, json.dumps(source), str(target)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    part = target.with_name(f".{target.name}.part")
    deadline = time.monotonic() + 30
    stop = next(answer.hold for answer in publisher.plans["/x"] if answer.hold)
    while not part.exists() or part.stat().st_size < stop - 8192:
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert not target.exists()
    return part.stat().st_size


@pytest.mark.parametrize("checksum", [True, False])
def test_a_killed_job_is_continued_by_the_next(
    tmp_path: Path, publisher: Publisher, checksum: bool
) -> None:
    """After SIGKILL the next job fetches what is missing, and the checksum covers both halves."""
    source = {"source": "url", "urls": [publisher.url("x", Answer(hold=HALF), Answer())]}
    source |= {"sha256": sha256(CONTENT)} if checksum else {}
    came = kill_in_the_middle(publisher, source, tmp_path / "x.tar")
    assert HALF - 8192 <= came <= HALF
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [r.range for r in publisher.requests] == [None, f"bytes={came}-"]
    assert publisher.requests[1].sent == len(CONTENT) - came
    assert names(tmp_path) == ["x.tar"]


def test_a_part_that_was_tampered_with_is_found(tmp_path: Path, publisher: Publisher) -> None:
    """The checksum covers what an earlier job left: a wrong beginning costs a second download."""
    source = {"source": "url", "urls": [publisher.url("x", Answer(cut=HALF))]}
    source |= {"sha256": sha256(CONTENT)}
    with pytest.raises(UserError):
        fetch(source, tmp_path / "x.tar")
    (tmp_path / ".x.tar.part").write_bytes(OTHER[:HALF])
    publisher.url("x", Answer())
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [r.range for r in publisher.requests[-2:]] == [f"bytes={HALF}-", None]


def test_a_whole_part_is_not_fetched_again(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a job ended between the last byte and the file's name, nothing more is asked for."""

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    source = {"source": "url", "urls": [publisher.url("x")], "sha256": sha256(CONTENT)}
    # The note about the part is synced to the disk as well, before the first byte.
    real, calls = os.fsync, iter([None, broken])
    monkeypatch.setattr(os, "fsync", lambda descriptor: (next(calls) or real)(descriptor))
    with pytest.raises(OSError, match="Input/output error"):
        fetch(source, tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
    monkeypatch.undo()
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert len(publisher.requests) == 1


def test_a_part_whose_end_nobody_announced_is_recognized_as_whole(
    tmp_path: Path, publisher: Publisher
) -> None:
    """A server that answers 416, as nothing is missing, completes the file."""
    hold = Answer(announced=None, hold=len(CONTENT))
    source = {"source": "url", "urls": [publisher.url("x", hold, Answer())]}
    assert kill_in_the_middle(publisher, source, tmp_path / "x.tar") == len(CONTENT)
    fetch(source, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert [(r.status, r.sent) for r in publisher.requests[1:]] == [(416, 0)]


def test_a_part_longer_than_the_file_is_fetched_anew(tmp_path: Path, publisher: Publisher) -> None:
    """A 416 for a part that cannot be of this file: it is thrown away."""
    urls = [publisher.url("x", Answer(cut=HALF), Answer(status=404)), publisher.url("short")]
    publisher.url("short", Answer(CONTENT[:100]))
    fetch({"source": "url", "urls": urls, "sha256": sha256(CONTENT[:100])}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == CONTENT[:100]
    assert [r.status for r in publisher.requests] == [200, 404, 416, 200]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of one MiB, less than the publisher's file."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here (that takes root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_file_that_does_not_fit_is_not_begun(small_disk: Path, publisher: Publisher) -> None:
    """Where the announced size is more than what is free, the line says both; no byte comes."""
    source = {"source": "url", "urls": [publisher.url("x", Answer(hold=HALF))]}
    with pytest.raises(UserError) as error:
        fetch(source, small_disk / "x.tar")
    needed = f"{len(CONTENT) / 1e6:.1f} MB"
    assert f"{small_disk}: x.tar needs {needed} more, 1.0 MB are free; free" in str(error.value)
    assert names(small_disk) == []


def test_a_local_file_that_does_not_fit_is_not_copied(small_disk: Path, tmp_path: Path) -> None:
    """The same for a file on another disk of this machine."""
    (tmp_path / "x.tar").write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"x\.tar needs 1\.4 MB more, 1\.0 MB are free"):
        fetch({"source": "file", "path": str(tmp_path / "x.tar")}, small_disk / "x.tar")
    assert names(small_disk) == []


def test_a_disk_that_becomes_full_keeps_what_came(small_disk: Path, publisher: Publisher) -> None:
    """Where no size was announced, a full disk is one line; with more space the rest is fetched."""
    url = publisher.url("x", Answer(announced=None))
    source = {"source": "url", "urls": [url], "sha256": sha256(CONTENT)}
    with pytest.raises(UserError) as error:
        fetch(source, small_disk / "x.tar")
    assert str(error.value).startswith(f"{small_disk}: the disk or your quota is full, x.tar")
    assert "\n" not in str(error.value)
    assert len(publisher.requests) == 1
    came = (small_disk / ".x.tar.part").stat().st_size
    assert came > 900_000
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    fetch(source, small_disk / "x.tar")
    assert (small_disk / "x.tar").read_bytes() == CONTENT
    assert publisher.requests[1].range == f"bytes={came}-"
    assert names(small_disk) == ["x.tar"]


def test_only_what_is_missing_must_fit(small_disk: Path, publisher: Publisher) -> None:
    """What came before counts: a file fits where its rest fits."""
    content = CONTENT[:900_000]
    url = publisher.url("x", Answer(content, cut=600_000), Answer(content))
    fetch({"source": "url", "urls": [url], "bytes": len(content)}, small_disk / "x.tar")
    assert (small_disk / "x.tar").read_bytes() == content
    assert publisher.sent() == len(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of archives on this machine that holds x.tar."""
    folder = tmp_path / "have"
    folder.mkdir()
    (folder / "x.tar").write_bytes(CONTENT)
    return folder


@pytest.mark.parametrize("how", ["file", "url", "local"])
def test_a_file_of_this_machine_takes_no_second_place(
    tmp_path: Path, folder: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Source `file`, a file:// URL and a folder of archives give a hard link, verified."""
    source = {
        "file": {"source": "file", "path": str(folder / "x.tar")},
        "url": {"source": "url", "urls": [(folder / "x.tar").as_uri()]},
        "local": {"source": "url", "urls": ["http://127.0.0.1:9/x.tar"]},
    }[how]
    local = folder if how == "local" else None
    checks = {"sha256": sha256(CONTENT), "bytes": len(CONTENT)}
    fetch(source | checks, tmp_path / "new" / "x.tar", local=local)
    assert (tmp_path / "new" / "x.tar").samefile(folder / "x.tar")
    assert (folder / "x.tar").read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["x.tar"]
    assert f"{len(CONTENT)} bytes linked in " in capsys.readouterr().err
    with pytest.raises(UserError, match=re.escape(str(folder / "x.tar"))):
        fetch({**source, "sha256": "0" * 64}, tmp_path / "new" / "x.tar", local=local)
    assert (tmp_path / "new" / "x.tar").read_bytes() == CONTENT


@pytest.mark.parametrize("call", ["link", "utime"])
@pytest.mark.parametrize("checks", [{}, {"md5": hashlib.md5(CONTENT).hexdigest()}], ids=str)
def test_what_cannot_be_linked_is_copied(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    checks: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From another file system, or where the file is another person's, a verified copy is made."""

    def refused(*arguments: Any, **keywords: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, call, refused)
    source = {"source": "file", "path": str(folder / "x.tar"), **checks}
    fetch(source, tmp_path / "new" / "x.tar")
    assert (tmp_path / "new" / "x.tar").read_bytes() == CONTENT
    assert not (tmp_path / "new" / "x.tar").samefile(folder / "x.tar")
    assert names(tmp_path / "new") == ["x.tar"]
    assert f"{len(CONTENT)} bytes copied in " in capsys.readouterr().err
    with pytest.raises(UserError, match="md5 of what"):
        fetch({**source, "md5": "0" * 32}, tmp_path / "other" / "x.tar")
    assert names(tmp_path / "other") == []


def test_a_link_in_the_folder_gives_the_file_itself(tmp_path: Path, folder: Path) -> None:
    """A relative symbolic link is followed, and never becomes a link that leads elsewhere."""
    (folder / "x.tar").rename(folder / "store")
    (folder / "x.tar").symlink_to("store")
    fetch({"source": "hub"}, tmp_path / "new" / "x.tar", local=folder)
    assert not (tmp_path / "new" / "x.tar").is_symlink()
    assert (tmp_path / "new" / "x.tar").samefile(folder / "store")


def test_the_folder_may_be_the_targets_own(folder: Path) -> None:
    """A file that lies where it shall come to stays, and nothing lies beside it."""
    fetch({"source": "url", "urls": ["http://127.0.0.1:9/"]}, folder / "x.tar", local=folder)
    assert names(folder) == ["x.tar"]
    assert (folder / "x.tar").read_bytes() == CONTENT


def test_what_the_folder_does_not_hold_is_downloaded(
    tmp_path: Path, folder: Path, publisher: Publisher
) -> None:
    """A folder without the file is no mistake."""
    source = {"source": "url", "urls": [publisher.url("x")]}
    fetch(source, tmp_path / "y.tar", local=folder)
    assert (tmp_path / "y.tar").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"sha256": "0" * 64}, f"sha256 of what {{}} gave is {sha256(CONTENT)}, the registry says"),
        ({"bytes": 7}, f"{{}} gave {len(CONTENT)} bytes, the registry says 7"),
    ],
    ids=["sha256", "bytes"],
)
def test_a_wrong_file_in_the_folder_is_named(
    tmp_path: Path,
    folder: Path,
    publisher: Publisher,
    checks: dict[str, Any],
    message: str,
) -> None:
    """It is neither taken nor passed over in silence, and costs nothing of a download begun."""
    target = tmp_path / "new" / "x.tar"
    source = {"source": "url", "urls": [publisher.url("x", Answer(cut=HALF))]}
    with pytest.raises(UserError):
        fetch(source, target)
    begun = names(target.parent)
    with pytest.raises(UserError, match=re.escape(message.format(folder / "x.tar"))):
        fetch(source | checks, target, local=folder)
    assert names(target.parent) == begun
    assert ".x.tar.part" in begun
    fetch(source, target, local=folder)
    assert names(target.parent) == ["x.tar"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A typo in `archives` does not lead to a download; a link to nowhere neither."""
    source = {"source": "url", "urls": ["http://127.0.0.1:9/x.tar"]}
    with pytest.raises(UserError, match=f"{tmp_path}/typo: no such folder; archives "):
        fetch(source, tmp_path / "x.tar", local=tmp_path / "typo")
    (tmp_path / "have").mkdir()
    (tmp_path / "have" / "x.tar").symlink_to("nowhere")
    with pytest.raises(UserError, match=f"{tmp_path}/have/x.tar .no file that can be read"):
        fetch(source, tmp_path / "x.tar", local=str(tmp_path / "have"))


@pytest.mark.parametrize("kind", ["url", "file", "package"])
@pytest.mark.parametrize(
    "name, digits", [("sha256", 8), ("sha256", 63), ("sha256", 64), ("md5", 32)]
)
def test_a_checksum_may_be_md5_or_a_beginning(
    tmp_path: Path, server: str, photos: Path, kind: str, name: str, digits: int
) -> None:
    """What a publisher gives suffices; a digit more or another digit is refused."""
    content = CONTENT if kind == "url" else (photos / "coffee.png").read_bytes()
    source = {
        "url": {"urls": [f"{server}/good"]},
        "file": {"path": str(photos / "coffee.png")},
        "package": {"distribution": "scikit-image", "path": "skimage/data/coffee.png"},
    }[kind]
    digest = hashlib.new(name, content).hexdigest()[:digits]
    fetch({"source": kind, **source, name: digest}, tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == content
    (tmp_path / "x.tar").unlink()
    wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    with pytest.raises(UserError, match=f"{name} of what .* gave is .*, the registry says {wrong}"):
        fetch({"source": kind, **source, name: wrong}, tmp_path / "x.tar")
    assert names(tmp_path) == []


def terminal_of(columns: int) -> tuple[int, Any]:
    """Return the two ends of a pseudo terminal: what is seen, and where it is drawn."""
    seen, drawn = pty.openpty()
    fcntl.ioctl(drawn, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return seen, os.fdopen(drawn, "w", buffering=1)


def test_a_terminal_shows_a_bar_that_goes_away(
    tmp_path: Path, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal a bar shows name, share, size and rate; the log has one closing line."""
    seen, terminal = terminal_of(80)
    with terminal:
        url = publisher.url("x", Answer(cut=HALF), Answer())
        fetch({"source": "url", "urls": [url]}, tmp_path / "x.tar", terminal=terminal)
        drawn = os.read(seen, 1 << 16).decode()
    os.close(seen)
    assert re.search(r"\rx\.tar:   0%\|.*\| 0\.00/1\.36M \[00:00<\?, \?B/s\]", drawn)
    assert re.search(r"\rx\.tar:  50%\|█+.*\| 680k/1\.36M \[", drawn)
    assert "\n" not in drawn
    assert 70 < max(map(len, drawn.split("\r"))) <= 80
    assert drawn.rpartition("]")[2].strip() == ""
    cut, closing = capsys.readouterr().err.splitlines()
    assert cut.endswith("; again in 0 s")
    number = r"\d+\.\d"
    told = f"{len(CONTENT)} of {len(CONTENT)} bytes downloaded"
    assert re.fullmatch(
        rf"{tmp_path}/x\.tar: {told} in {number} s \({number} MB/s\) from {url}", closing
    )


def test_a_terminal_that_goes_away_does_not_stop_a_download(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the window is closed, the bar ends and the download goes on."""
    seen, terminal = terminal_of(80)
    source = {"source": "url", "urls": [publisher.url("x", Answer(hold=HALF))]}

    def close() -> None:
        os.read(seen, 1)
        os.close(seen)
        publisher.resume.set()

    closing = threading.Thread(target=close)
    closing.start()
    fetch(source, tmp_path / "x.tar", terminal=terminal)
    closing.join()
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    with pytest.raises(OSError):
        print("anybody there?", file=terminal)
    with suppress(OSError):
        terminal.close()


@pytest.mark.parametrize("every_s", [30, 0])
def test_a_log_gets_lines_now_and_then(
    tmp_path: Path,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    every_s: int,
) -> None:
    """Without a terminal there are lines, none before some time has passed, and no bar."""
    monkeypatch.setattr(jpegprep.datasets.fetch, "_LOG_EVERY_S", every_s)
    source = {"source": "url", "urls": [publisher.url("x")]}
    with (tmp_path / "not a terminal").open("w") as terminal:
        fetch(source, tmp_path / "x.tar", terminal=terminal)
    assert (tmp_path / "not a terminal").read_text() == ""
    log = capsys.readouterr().err
    assert "\r" not in log
    *progress, closing = log.splitlines()
    assert f"{len(CONTENT)} of {len(CONTENT)} bytes downloaded in" in closing
    assert bool(progress) == (every_s == 0)
    assert all(re.match(r"x\.tar: +\d+%\|.*/1\.36M \[", line) for line in progress)


FROM_HUB = """
import json, sys
from jpegprep.common.errors import UserError
from jpegprep.datasets.fetch import fetch
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


def own_folder(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return a folder of files and its source, as a registry entry names it."""
    for name in ("a/1.png", "b/two\nlines.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(CONTENT[:100])
    return folder, {
        "source": "folder",
        "path": str(folder),
        "digest": digest_of(scan(folder)),
    }


def test_a_folder_becomes_its_listing(tmp_path: Path) -> None:
    """The listing says where the folder is and which files it has; no file is copied."""
    folder, source = own_folder(tmp_path / "own")
    target = tmp_path / "target" / "images.jsonl"
    fetch(source, target)
    found, files = read_listing(target)
    assert found == folder
    assert [(file.path, file.bytes) for file in files] == [
        ("a/1.png", 100),
        ("b/two\nlines.png", 100),
    ]
    assert [path.name for path in target.parent.iterdir()] == ["images.jsonl"]


def test_a_folder_that_changed_is_not_listed(tmp_path: Path) -> None:
    """Between the start and the listing nothing may change; the old listing stays."""
    folder, source = own_folder(tmp_path / "own")
    target = tmp_path / "target" / "images.jsonl"
    fetch(source, target)
    before = target.read_bytes()
    (folder / "a" / "2.png").write_bytes(b"x")
    with pytest.raises(UserError, match="changed since this run began; run again"):
        fetch(source, target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["images.jsonl"]


def test_ones_own_folder_is_not_looked_for_among_archives(tmp_path: Path) -> None:
    """A folder of archives (--config archives=) has no say in what the user names."""
    folder, source = own_folder(tmp_path / "own")
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / "images.jsonl").write_text("another")
    fetch(source, tmp_path / "target" / "images.jsonl", local=archives)
    assert read_listing(tmp_path / "target" / "images.jsonl")[0] == folder


def test_ones_own_archive_is_linked_and_keeps_its_time(tmp_path: Path) -> None:
    """A symbolic link: nothing of the user's file changes, and nothing is copied."""
    mine, target = tmp_path / "mine.zip", tmp_path / "target" / "mine.zip"
    mine.write_bytes(CONTENT)
    os.utime(mine, (1, 1))
    source = {"source": "file", "path": str(mine), "digest": "0" * 64}
    for _ in range(2):
        fetch(source, target)
        assert target.is_symlink()
        assert target.read_bytes() == CONTENT
        assert (mine.stat().st_mtime, mine.stat().st_nlink) == (1, 1)
        assert [path.name for path in target.parent.iterdir()] == ["mine.zip"]
    mine.unlink()
    with pytest.raises(UserError, match="mine.zip .no file that can be read"):
        fetch(source, target)
