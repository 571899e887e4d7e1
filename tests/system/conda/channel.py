"""Turn the environment of the Python that runs this into a conda channel: channel.py FOLDER.

Every installed distribution becomes a package of its real name, version and dependencies, whose
files are links into that environment; Python itself is a real copy.
"""

import bz2
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PLATFORM = "linux-64"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
# PyPI's name, conda-forge's name, where they differ.
NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
    "huggingface-hub": "huggingface_hub",
    "typing-extensions": "typing_extensions",
    "msgpack": "msgpack-python",
}
# A file of a package: bytes, a path to copy, or a link's target.
Content = bytes | Path | str
Record = tuple[str, dict[str, Any]]


def conda_name(name: str) -> str:
    """Return a distribution's name on conda-forge."""
    return NAMES.get(canonicalize_name(name), canonicalize_name(name))


def write_package(
    channel: Path,
    platform: str,
    name: str,
    version: str,
    depends: list[str],
    files: dict[str, Content],
    commands: list[str],
) -> Record:
    """Write one package, and return its file's name and its entry in the channel's index."""
    index: dict[str, Any] = {
        **{"name": name, "version": version, "build": "0", "build_number": 0, "license": "test"},
        **{"depends": depends, "constrains": [], "subdir": platform, "timestamp": 1700000000000},
    }
    index |= (
        {"noarch": "python"} if platform == "noarch" else {"arch": "x86_64", "platform": "linux"}
    )
    target = channel / platform / f"{name}-{version}-0.tar.bz2"
    target.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    with tarfile.open(target, "w:bz2", compresslevel=1) as tar:

        def add(path: str, data: bytes) -> None:
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(info, io.BytesIO(data))

        for path, content in files.items():
            if isinstance(content, str):
                info = tarfile.TarInfo(path)
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
                data, kind = b"", "softlink"
            else:
                data = content.read_bytes() if isinstance(content, Path) else content
                add(path, data)
                kind = "hardlink"
            checksum = hashlib.sha256(data).hexdigest()
            paths.append(
                {"_path": path, "path_type": kind, "sha256": checksum, "size_in_bytes": len(data)}
            )
        add("info/index.json", json.dumps(index).encode())
        add("info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode())
        add("info/files", "".join(f"{path}\n" for path in files).encode())
        add("info/about.json", b"{}")
        if platform == "noarch":
            link = {"noarch": {"type": "python", "entry_points": commands}}
            add("info/link.json", json.dumps({**link, "package_metadata_version": 1}).encode())
    data = target.read_bytes()
    sums = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest()}
    return target.name, {**index, "size": len(data), **sums}


def python_package(channel: Path) -> Record:
    """Write Python itself: its program and its standard library."""
    base = Path(sys.base_prefix)
    files: dict[str, Content] = {
        f"bin/python{MINOR}": base / "bin" / f"python{MINOR}",
        "bin/python3": f"python{MINOR}",
        "bin/python": f"python{MINOR}",
        f"lib/python{MINOR}/site-packages/README.txt": b"a channel for tests\n",
    }
    library = base / "lib" / f"python{MINOR}"
    skipped = {"site-packages", "dist-packages", "test", "tests", "idlelib", "__pycache__"}
    for folder, folders, names in os.walk(library):
        folders[:] = [f for f in folders if f not in skipped and not f.startswith("config-")]
        for name in names:
            path = Path(folder, name)
            files[f"lib/python{MINOR}/{path.relative_to(library)}"] = path.resolve()
    shared = base / "lib" / f"libpython{MINOR}.so.1.0"
    if shared.exists():
        files[f"lib/{shared.name}"] = shared
    version = ".".join(map(str, sys.version_info[:3]))
    return write_package(channel, PLATFORM, "python", version, [], files, [])


def dependencies(
    distribution: metadata.Distribution, installed: dict[str, metadata.Distribution]
) -> list[str]:
    """Return what a distribution needs, of what is installed; conda has no extras."""
    found = [f"python >={MINOR},<{MINOR}.99"]
    todo = [(Requirement(text), "") for text in distribution.requires or []]
    seen: set[tuple[str, str]] = set()
    environment = {str(key): str(value) for key, value in default_environment().items()}
    while todo:
        requirement, extra = todo.pop(0)
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if name not in installed or (
            marker and not marker.evaluate({**environment, "extra": extra})
        ):
            continue
        for wanted in requirement.extras:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                needs = installed[name].requires or []
                todo += [(Requirement(text), wanted) for text in needs if "extra" in text]
        versions = ",".join(sorted(map(str, requirement.specifier))) or "*"
        found.append(f"{conda_name(name)} {versions}")
    return found


def main(channel: Path) -> None:
    """Write the channel."""
    shutil.rmtree(channel, ignore_errors=True)
    installed = {canonicalize_name(d.metadata["Name"]): d for d in metadata.distributions()}
    files_of = {
        name: [
            file
            for file in map(str, distribution.files or [])
            if not file.startswith("..") and "__pycache__" not in file and not file.endswith(".pyc")
        ]
        for name, distribution in installed.items()
    }
    owners: dict[str, set[str]] = defaultdict(set)
    for name, files in files_of.items():
        for file in files:
            parts = file.split("/")
            for depth in range(1, len(parts) + 1):
                owners["/".join(parts[:depth])].add(name)
    records = [python_package(channel)]
    for name, distribution in installed.items():
        site = Path(str(distribution.locate_file("")))
        links: dict[str, Content] = {}
        for file in files_of[name]:
            parts = file.split("/")
            for depth in range(1, len(parts) + 1):  # the shortest path that is this one's alone
                path = "/".join(parts[:depth])
                if owners[path] == {name}:
                    links[f"site-packages/{path}"] = str(site / path)
                    break
        commands = [
            f"{entry.name} = {entry.value}"
            for entry in distribution.entry_points
            if entry.group == "console_scripts"
        ]
        version = distribution.version.replace("-", "_")
        needs = dependencies(distribution, installed)
        records.append(
            write_package(channel, "noarch", conda_name(name), version, needs, links, commands)
        )
    for platform in (PLATFORM, "noarch"):
        packages = {file: entry for file, entry in records if entry["subdir"] == platform}
        index = {"info": {"subdir": platform}, "packages": packages, "packages.conda": {}}
        folder = channel / platform
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**index, "removed": [], "repodata_version": 1})
        (folder / "repodata.json").write_text(text, encoding="utf-8")
        (folder / "repodata.json.bz2").write_bytes(bz2.compress(text.encode()))
    print(len(records), "packages")


main(Path(sys.argv[1]).resolve())
