"""What tests of conversions share: folders of real images of all kinds, and what became of them."""

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import skimage
from PIL import Image

ROOT = Path(__file__).parents[1]


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder, each with a time of its own."""
    for i, (name, data) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(1_600_000_000_123_456_789 + 10**9 * i,) * 2)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder but what the conversion keeps for itself."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".jpegprep.")
    }


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return all there is below a folder: contents, times and inodes."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.lstat().st_mtime_ns,
            path.lstat().st_ino,
        )
        for path in [folder, *folder.rglob("*")]
    }


def checksums(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the SHA-256 and the time of every file below a folder, links unfollowed."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def encoded(data: bytes, form: str, **settings: Any) -> bytes:
    """Return an image file in another format."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, form, **settings)
    return buffer.getvalue()


def all_kinds(folder: Path, images: int, side: int = 96) -> Path:
    """Write real images of every kind that a conversion tells apart, and what else lies about.

    Of twenty files twelve become JPEG, from six formats; two are kept, as JPEG makes them no
    smaller; three are damaged, one is text, one is hidden and one is empty. There is a link, too.
    """
    names = ("astronaut", "coffee", "brick", "chelsea", "gravel", "grass")
    photos = [Image.open(Path(skimage.data_dir, f"{name}.png")) for name in names]
    files = {}
    for i in range(images):
        photo = photos[i % len(photos)].convert("RGB")
        x, y = 7 * i % (photo.width - side), 11 * i % (photo.height - side)
        buffer = io.BytesIO()
        photo.crop((x, y, x + side, y + side)).save(buffer, "PNG")
        files |= _of_kind(i, buffer.getvalue())
    tree(folder, files)
    (folder / "class0" / "link.png").symlink_to("00000.png")
    return folder


def _of_kind(i: int, png: bytes) -> dict[str, bytes]:
    place, kind = f"class{i % 5}/{i:05}", i % 20
    if kind < 12:
        form, suffix, settings = [
            ("PNG", "png", {}),
            ("JPEG", "jpg", {"quality": 95}),
            ("WEBP", "webp", {"lossless": True}),
            ("BMP", "bmp", {}),
            ("GIF", "gif", {}),
            ("TIFF", "tif", {}),
        ][kind % 6]
        return {f"{place}.{suffix}": encoded(png, form, **settings)}
    return {
        12: {f"{place}.jpeg": encoded(png, "JPEG", quality=5)},
        13: {f"{place}.jpg": encoded(png, "JPEG", quality=10)},
        14: {f"{place}.jpg": encoded(png, "JPEG", quality=95)[:-200]},
        15: {f"{place}.png": png[: len(png) // 2]},
        16: {f"{place}.webp": encoded(png, "WEBP")[:100]},
        17: {f"{place}.txt": f"caption {i}".encode()},
        18: {f"class{i % 5}/.{i:05}.png": png},
        19: {f"{place}.png": b""},
    }[kind]


def command(*arguments: object) -> list[str]:
    """Return the command line of a conversion in a process of its own."""
    return [sys.executable, "-m", "jpegprep.shards.conversion", *map(str, arguments)]


def start(*arguments: object) -> "subprocess.Popen[str]":
    """Start a conversion."""
    return subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def environment() -> dict[str, str]:
    """Return the environment of a process that imports the package."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "scripts")}
