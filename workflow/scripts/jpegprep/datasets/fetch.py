"""Fetching one file from where a registry says it is: a package, a URL, a hub or a local path.

A source is a mapping with the key ``source`` and what that type needs (described in the schemas):

- ``package``: ``distribution``, ``path``: a file inside an installed Python distribution;
- ``url``: ``urls``: tried in turn; ``http(s)://`` or ``file://``;
- ``file``: ``path``: a local file; with ``digest``, which changes with it, a symbolic link to it;
- ``folder``: ``path``, ``digest``: a user's own images, but for an archive of them: their listing
  (``columns``: what is said of those of a CSV);
- ``hub``: ``repo``, ``revision``, ``path``: a file of a Hugging Face model repository at a pinned
  revision (a commit, so that it cannot change).

Any of them may give ``sha256`` (or the beginning of it), ``md5`` and ``bytes`` (the file's size);
the file has what is given compared before it gets its name.

What came of a download stays beside the target as ``.NAME.part``, with its origin in
``.NAME.part.json``, and the next attempt or the next job goes on from there.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing, write_json
from jpegprep.datasets.sources import list_source

_BLOCK = 1 << 20
_TIMEOUT_S = 60
# After each attempt that came no farther than those before it; then the URL is given up.
_PAUSES_S = (1, 2, 4, 8)
_LOG_EVERY_S = 30
_CHECKSUMS = ("sha256", "md5")

Source = Mapping[str, Any]


class _Cut(Exception):
    """An attempt at a URL failed in a way that another attempt may mend."""


class _Refused(Exception):
    """Why a place does not give the file, with the place's name."""


class _Wrong(_Refused):
    """A place gave another file than the registry describes."""


def fetch(
    source: Source,
    target: str | Path,
    *,
    local: str | Path | None = None,
    terminal: TextIO | None = None,
) -> None:
    """Bring a source's file to `target`, verified; `target` is whole or as it was before.

    Args:
        source: where the file is, and its checksums and size as far as they are known.
        target: where it comes to; a download that failed stays beside it, to be continued.
        local: a folder on this machine; a file of the target's name in it, or in its folder of the
            name of the target's folder, is taken instead.
        terminal: where progress is drawn, if it is a terminal; otherwise the log tells it.

    Raises:
        UserError: where the file is nowhere to be had, is another than the registry describes, or
            does not fit on the disk.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source["source"] == "folder":
            with replacing(target) as part:
                list_source(source, part)
        elif source["source"] == "file" and "digest" in source:
            _link(Path(source["path"]).expanduser(), target)
        elif local and (found := _in_folder(Path(local).expanduser(), target)):
            _take(found, source, target, terminal)
        elif source["source"] == "file":
            _take(Path(source["path"]).expanduser(), source, target, terminal)
        elif source["source"] == "url":
            _from_urls(source, target, terminal)
        else:
            with replacing(target) as copy:
                (_from_hub if source["source"] == "hub" else _from_package)(source, copy)
                checks = _Checks(source)
                for block in _blocks(copy):
                    checks.update(block)
                checks.verify(describe(source), copy.stat().st_size)
    except _Refused as error:
        raise UserError(f"{target}: {error}; get the right file, or correct the registry") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{target.parent}: the disk or your quota is full, {target.name} does not fit; free "
            "space there and run again (what came of a download is kept)"
        ) from None
    for stale in _part_and_note(target):
        stale.unlink(missing_ok=True)


def describe(source: Source) -> str:
    """Return where a source's file comes from, in words."""
    match source["source"]:
        case "package":
            return f"{source['path']} in the package {source['distribution']}"
        case "url":
            return " or ".join(source["urls"])
        case "hub":
            return f"{source['path']} of {source['repo']} at {source['revision']}"
        case _:
            return str(source["path"])


class _Checks:
    """The checksums that a source gives, of blocks as they come."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digests = {
            name: hashlib.new(name, usedforsecurity=False)
            for name in _CHECKSUMS
            if source.get(name)
        }

    def __bool__(self) -> bool:
        return bool(self._digests)

    def update(self, block: bytes) -> None:
        for digest in self._digests.values():
            digest.update(block)

    def verify_size(self, where: str | Path, size: int) -> None:
        expected = self._source.get("bytes", size)
        if size != expected:
            raise _Wrong(f"{where} gave {size} bytes, the registry says {expected}")

    def verify(self, where: str | Path, size: int) -> None:
        self.verify_size(where, size)
        for name, digest in self._digests.items():
            # Some publishers give only the beginning of a sha256.
            if not digest.hexdigest().startswith(self._source[name]):
                raise _Wrong(
                    f"{name} of what {where} gave is {digest.hexdigest()}, the registry says "
                    f"{self._source[name]}"
                )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _part_and_note(target: Path) -> tuple[Path, Path]:
    """Return the names of what came of a file, and of the note from where it came."""
    return target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.part.json")


def _place(whole: Path, target: Path) -> None:
    with whole.open("rb") as file:
        os.fsync(file.fileno())
    whole.replace(target)


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _check_space(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise UserError(
            f"{target.parent}: {target.name} needs {_amount(needed)} more, {_amount(free)} are "
            "free; free space there, or make it a link to a folder on a larger disk"
        )


class _Lines:
    """The log as a file for tqdm: a line for each state, which a terminal draws over."""

    def write(self, text: str) -> None:
        if line := text.strip():
            print(line, file=sys.stderr)

    def flush(self) -> None:
        """Do nothing: print has flushed."""


def _bar(name: str, total: int | None, initial: int, terminal: TextIO | None) -> "tqdm[Any]":
    on_terminal = terminal is not None and terminal.isatty()
    return tqdm(
        desc=name,
        total=total,
        initial=initial,
        unit="B",
        unit_scale=True,
        leave=False,
        miniters=1,
        dynamic_ncols=on_terminal,
        file=terminal if on_terminal else _Lines(),
        mininterval=0.5 if on_terminal else _LOG_EVERY_S,
        delay=0 if on_terminal else _LOG_EVERY_S,
    )


def _tell(target: Path, what: str, size: int, begin: float, where: str | Path) -> None:
    seconds = time.monotonic() - begin
    rate = size / seconds / 1e6
    print(f"{target}: {what} in {seconds:.1f} s ({rate:.1f} MB/s) from {where}", file=sys.stderr)


def _in_folder(folder: Path, target: Path) -> Path | None:
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; archives is the folder of files that you have already: "
            "correct it, or leave it out"
        )
    # Under the data set's own folder first: others, too, call an archive images.tar.gz.
    for found in (folder / target.parent.name / target.name, folder / target.name):
        # A link to nowhere is a mistake to be told, not a reason to download.
        if found.exists() or found.is_symlink():
            return found
    return None


def _take(found: Path, source: Source, target: Path, terminal: TextIO | None) -> None:
    """Link a file of this machine, or copy it where that is not possible."""
    if not (found.is_file() and os.access(found, os.R_OK)):
        raise _Refused(f"{found} (no file that can be read)")
    begin, size, checks = time.monotonic(), found.stat().st_size, _Checks(source)
    checks.verify_size(found, size)
    # Not the name of what came from a URL: that is kept until there is a right file.
    copy = target.with_name(f".{target.name}.copy")
    try:
        linked = _linked(found, copy)
        if not linked:
            _check_space(target, size)
        with (
            nullcontext() if linked else copy.open("wb") as file,
            _bar(target.name, size, 0, terminal) as bar,
        ):
            for block in _blocks(found) if checks or file else ():
                checks.update(block)
                if file:
                    file.write(block)
                bar.update(len(block))
        checks.verify(found, copy.stat().st_size)
        _place(copy, target)
    finally:
        copy.unlink(missing_ok=True)
    _tell(target, f"{size} bytes {'linked' if linked else 'copied'}", size, begin, found)


def _link(found: Path, target: Path) -> None:
    """Make `target` a symbolic link: what is the user's own keeps its time stamp."""
    if not (found.is_file() and os.access(found, os.R_OK)):
        raise _Refused(f"{found} (no file that can be read)")
    link = target.with_name(f".{target.name}.copy")
    link.unlink(missing_ok=True)
    link.symlink_to(found.resolve())
    link.replace(target)


def _linked(found: Path, copy: Path) -> bool:
    """Make `copy` a hard link to `found`; tell whether that is possible."""
    copy.unlink(missing_ok=True)
    try:
        os.link(found.resolve(), copy)
        # Snakemake will do so with each output; it fails where the file is another person's.
        os.utime(copy)
    except OSError:
        copy.unlink(missing_ok=True)
        return False
    return True


def _from_urls(source: Source, target: Path, terminal: TextIO | None) -> None:
    refusals: list[_Refused] = []
    part = _Part(source, target, terminal)
    for url in source["urls"]:
        try:
            if urlsplit(url).scheme == "file":
                _take(Path(url2pathname(urlsplit(url).path)), source, target, terminal)
            else:
                _download(url, part)
            return
        except _Refused as refusal:
            refusals.append(refusal)
            print(refusal, file=sys.stderr)
    if not part.size:
        part.discard()
    reasons = "; ".join(map(str, refusals))
    if all(isinstance(refusal, _Wrong) for refusal in refusals):
        raise _Wrong(reasons)
    size = source.get("bytes", source.get("about_bytes"))
    facts = [_amount(size)] if size else []
    facts += [f"{name} {source[name]}" for name in _CHECKSUMS if source.get(name)]
    wanted = f"{target.name} ({', '.join(facts)})" if facts else target.name
    raise UserError(
        f"{target}: no URL gave it: {reasons}; get {wanted} by other means, put it into a folder "
        "and run again with --config archives=FOLDER (weights: name it in the registry, as source: "
        "file)"
    )


class _Part:
    """What came of a URL's file, which stays for the next attempt, URL or job.

    Attributes:
        size: the bytes that are there.
        new: how many of them this job fetched.
        begin: when it began to fetch.
        checks: the checksums of what is there.
        resumed: whether not all of it came in one answer.
        origin: what the note beside it says: the ``url``, its ``validator`` (ETag or date) and the
            ``total`` size announced.
    """

    def __init__(self, source: Source, target: Path, terminal: TextIO | None) -> None:
        self.source, self.target, self.terminal = source, target, terminal
        self.path, self._note = _part_and_note(target)
        self.size = self.path.stat().st_size if self.path.exists() else 0
        self.new, self.resumed, self.checks = 0, True, _Checks(source)
        try:
            self.origin = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.origin = {}
        if self.size and self.checks:
            with _bar(f"{target.name} (what came before)", self.size, 0, terminal) as bar:
                for block in _blocks(self.path):
                    self.checks.update(block)
                    bar.update(len(block))
        self.begin = time.monotonic()

    def validator(self, url: str) -> str | None:
        """Return what tells the version of the file at a URL, where the part came from there."""
        return self.origin["validator"] if self.origin.get("url") == url else None

    def usable(self, url: str) -> int:
        """Return how many of the bytes that are there a URL can be asked to continue."""
        # A checksum proves the result, whatever the beginning came from.
        return self.size if self.checks or self.validator(url) else 0

    def whole(self) -> bool:
        """Tell whether all bytes are there."""
        return self.size == self.source.get("bytes", self.origin.get("total"))

    def note(self, url: str, validator: str | None, total: int | None) -> None:
        """Write down where the bytes come from, for those who continue."""
        self.origin = {"url": url, "validator": validator, "total": total}
        write_json(self._note, self.origin)

    def add(self, block: bytes) -> None:
        """Count bytes that have been written."""
        self.size += len(block)
        self.new += len(block)
        self.checks.update(block)

    def discard(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.size, self.new, self.resumed = 0, 0, False
        self.checks, self.origin = _Checks(self.source), {}


def _download(url: str, part: _Part, once_more: bool = True) -> None:
    """Bring a URL's file to the part's target, verified."""
    _until_whole(url, part)
    try:
        part.checks.verify(url, part.size)
    except _Wrong as wrong:
        once_more &= part.resumed
        part.discard()
        if not once_more:
            raise
        print(f"{wrong}; once more from the start", file=sys.stderr)
        _download(url, part, once_more=False)
        return
    _place(part.path, part.target)
    what = f"{part.new} of {part.size} bytes downloaded"
    _tell(part.target, what, part.new, part.begin, url)


def _until_whole(url: str, part: _Part) -> None:
    """Attempt a URL again as long as there is progress, and a few times without."""
    farthest, failures = part.usable(url), 0
    while True:
        try:
            return _attempt(url, part)
        except _Cut as cut:
            failures = 1 if part.size > farthest else failures + 1
            farthest = max(farthest, part.size)
            if failures > len(_PAUSES_S):
                raise _Refused(f"{url} ({cut})") from None
            pause = _PAUSES_S[failures - 1]
            print(f"{url} ({cut}); again in {pause} s", file=sys.stderr)
            time.sleep(pause)


def _attempt(url: str, part: _Part) -> None:
    """Ask a URL once for the bytes that are missing."""
    start = part.usable(url)
    if start and part.whole():
        return
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator := part.validator(url):
            headers["If-Range"] = validator
    try:
        answer = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S)
    except OSError as error:  # what requests itself raises is an OSError
        raise _Cut(_brief(error)) from None
    with answer:
        total = _accept(answer, url, part, start)
        with (
            part.path.open("ab") as file,
            _bar(part.target.name, total, part.size, part.terminal) as bar,
        ):
            while total is None or part.size < total:
                try:
                    # Raw bytes as sent: checksums are of the file, whatever Content-Encoding says.
                    block = answer.raw.read1(_BLOCK, decode_content=False)
                except HTTPError as error:
                    raise _Cut(_brief(error.args[0])) from None
                if not block:
                    break
                file.write(block)
                part.add(block)
                bar.update(len(block))
    expected = part.source.get("bytes", 0) if total is None else total
    if part.size < expected:
        raise _Cut(f"{part.size} of {expected} bytes came")


def _accept(answer: requests.Response, url: str, part: _Part, start: int) -> int | None:
    """Make the part ready for the bytes of an answer; return the total size that it announces."""
    status, reason = answer.status_code, f"{answer.status_code} {answer.reason}"
    if status not in (200, 206, 416):
        if status >= 500 or status in (408, 429):
            raise _Cut(reason)
        raise _Refused(f"{url} ({reason})")
    first, total = _extent(answer)
    if not _agree(total, part.source.get("bytes")):
        raise _Refused(f"{url} (has {total} bytes, the registry says {part.source['bytes']})")
    # A weak ETag does not promise the same bytes, and HTTP allows none in If-Range.
    etag = answer.headers.get("ETag", "W/")
    validator = answer.headers.get("Last-Modified") if etag.startswith("W/") else etag
    if status != 200:
        fits = (
            (total if status == 416 else first) == start
            and _agree(total, part.origin.get("total"))
            and _agree(validator, part.validator(url))  # not every server heeds If-Range
        )
        if not (start and fits):
            if start:
                part.discard()
            raise _Cut(f"{reason}, which does not fit what was asked for")
        validator = validator or part.validator(url)
        part.resumed = True
    _check_space(part.target, (total or part.source.get("bytes", 0)) - part.size)
    if status == 200:
        part.discard()
    part.note(url, validator, total)
    return total


def _extent(answer: requests.Response) -> tuple[int | None, int | None]:
    """Return where the bytes of an answer begin, and the total size, as far as it tells."""
    if answer.status_code == 200:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    match = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", answer.headers.get("Content-Range", "")
    )
    first, total = match.groups() if match else (None, None)
    return int(first) if first else None, int(total) if total else None


def _agree(one: object, other: object) -> bool:
    """Tell whether two values are the same, as far as both are known."""
    return one is None or other is None or one == other


def _brief(error: object) -> str:
    return " ".join(str(error).split())[:200]


def _from_package(source: Source, part: Path) -> None:
    name = source["distribution"]
    try:
        found = Path(str(distribution(name).locate_file(source["path"])))
    except PackageNotFoundError:
        raise UserError(
            f"package {name} is not installed; install requirements.lock, or run with --use-conda"
        ) from None
    if not found.is_file():
        raise UserError(f"package {name} holds no {source['path']}; install requirements.lock")
    shutil.copyfile(found, part)


def _from_hub(source: Source, part: Path) -> None:
    import httpx
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    with tempfile.TemporaryDirectory(dir=part.parent, prefix=".hub-") as cache:
        try:
            found = hf_hub_download(
                source["repo"], source["path"], revision=source["revision"], cache_dir=cache
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
            raise UserError(
                f"{source['repo']}: {source['path']} at revision {source['revision']} cannot be "
                f"had from the hub ({_brief(error)}); check the network and the registry's revision"
            ) from None
        shutil.copyfile(found, part)
