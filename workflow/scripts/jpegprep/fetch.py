"""Fetching one file from where a registry says it is: a package, a URL, a hub or a local path.

A source is a mapping with the key ``source`` and what that type needs (described in the schemas):

- ``package``: ``distribution``, ``path``: a file inside an installed Python distribution;
- ``url``: ``urls``: tried in turn; ``http(s)://`` or ``file://``;
- ``file``: ``path``: a local file;
- ``hub``: ``repo``, ``revision``, ``path``: a file of a Hugging Face model repository at a pinned
  revision (a commit, so that it cannot change).

Whatever the type, the file has its SHA-256 compared (where the source gives one) before it gets
its name.
"""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from urllib3.exceptions import HTTPError

from jpegprep.errors import UserError
from jpegprep.files import replacing, sha256_of

_BLOCK = 1 << 20
_TIMEOUT_S = 60


def fetch(source: Mapping[str, Any], target: str | Path) -> None:
    """Bring a source's file to `target`, verified; `target` is whole or absent.

    Raises:
        UserError: where the file is nowhere to be had, or its SHA-256 is another.
    """
    with replacing(target) as part:
        _TYPES[source["source"]](source, part)
        expected = source.get("sha256")
        if expected and (found := sha256_of(part)) != expected:
            raise UserError(
                f"{target}: sha256 of what {describe(source)} gave is {found}, the registry says "
                f"{expected}; fetch it again, or correct the registry if the new file is right"
            )


def describe(source: Mapping[str, Any]) -> str:
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


def _from_package(source: Mapping[str, Any], part: Path) -> None:
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


def _from_file(source: Mapping[str, Any], part: Path) -> None:
    path = Path(source["path"]).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such file; correct the registry's path")
    shutil.copyfile(path, part)


def _from_urls(source: Mapping[str, Any], part: Path) -> None:
    failures = []
    for url in source["urls"]:
        try:
            _from_url(url, part)
            return
        except (OSError, HTTPError) as error:  # what requests itself raises is an OSError
            failures.append(f"{url} ({' '.join(str(error).split())[:200]})")
            print(failures[-1], file=sys.stderr)
    raise UserError(
        f"{part.name[1 : -len('.part')]}: no URL answered: {'; '.join(failures)}; "
        "download it by hand and give the registry its path as source: file"
    )


def _from_url(url: str, part: Path) -> None:
    if urlsplit(url).scheme == "file":
        shutil.copyfile(url2pathname(urlsplit(url).path), part)
        return
    import requests

    with requests.get(url, stream=True, timeout=_TIMEOUT_S) as answer:
        answer.raise_for_status()
        # Raw bytes as sent: requests would undo a Content-Encoding, and checksums are of the file.
        answer.raw.decode_content = False
        with part.open("wb") as file:
            shutil.copyfileobj(answer.raw, file, _BLOCK)
        announced = answer.headers.get("Content-Length")
        if announced is not None and part.stat().st_size != int(announced):
            raise OSError(f"{part.stat().st_size} of {announced} bytes came")


def _from_hub(source: Mapping[str, Any], part: Path) -> None:
    import httpx
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    with tempfile.TemporaryDirectory(dir=part.parent, prefix=".hub-") as cache:
        try:
            found = hf_hub_download(
                source["repo"], source["path"], revision=source["revision"], cache_dir=cache
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{source['repo']}: {source['path']} at revision {source['revision']} cannot be "
                f"had from the hub ({reason}); check the network and the registry's revision"
            ) from None
        shutil.copyfile(found, part)


_TYPES = {"package": _from_package, "url": _from_urls, "file": _from_file, "hub": _from_hub}
