"""The manifest: one row for each file of a data set, with what it is and what is wrong with it."""

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from PIL import Image

from jpegprep.adapters import Sample, read_samples
from jpegprep.errors import UserError
from jpegprep.files import replacing
from jpegprep.images import decode, image_format

# Extensions under which each format goes; another one is reported as `mislabelled`.
_EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},  # JPEG with a second picture behind it, as telephones write
    "PNG": {".png"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
}
# What keeps an image out of the splits; every other problem is only reported.
SET_ASIDE = {"outside", "not an image", "truncated"}


def build_manifest(
    dataset: Mapping[str, Any], archives: Sequence[str | Path], manifest: str | Path
) -> None:
    """Inspect every file of a data set and write the manifest as parquet.

    Columns: key (unique, WebDataset-safe), class, member, format (by content; None where there is
    none), width and height in pixels, mode (Pillow's), bytes, sha256, problem (``ok``,
    ``mislabelled``: named for another format; set aside: ``outside`` any class folder,
    ``truncated``, ``not an image``).

    Raises:
        UserError: where the classes or the number of images differ from the registry's.
    """
    table = pd.DataFrame(_rows(read_samples(dataset, archives)), columns=_COLUMNS)
    _compare(dataset, table, " and ".join(str(archive) for archive in archives[:2]))
    print(table["problem"].value_counts().to_string())
    with replacing(manifest) as part:
        table.to_parquet(part, index=False)


_COLUMNS = ["key", "class", "member", "format", "width", "height", "mode", "bytes", "sha256"]
_COLUMNS += ["problem"]


def _rows(samples: Iterable[Sample]) -> Iterable[tuple[Any, ...]]:
    keys: set[str] = set()
    for sample in samples:
        key = sample_key(sample)
        again = 0
        while key in keys:  # members with the same slug, or even the same name
            again += 1
            digest = hashlib.sha256(f"{sample.member}\0{again}".encode()).hexdigest()
            key = f"{sample_key(sample)[:_KEY_STEM]}-{digest[:8]}"
        keys.add(key)
        found, width, height, mode, problem = _inspect(sample)
        digest = hashlib.sha256(sample.data).hexdigest()
        yield (
            *(key, sample.class_name, sample.member, found, width, height, mode),
            *(len(sample.data), digest, problem),
        )


def sample_key(sample: Sample) -> str:
    """Return a sample's key: its class and name, with nothing that WebDataset or a shell reads.

    Keys are ASCII without dots (WebDataset ends a key at the first one) and at most 89 characters,
    so that a tar member's name needs no extension header.
    """
    path = PurePosixPath(sample.member)
    # A patch of a photograph has its place as its name: astronaut.png[0,64].
    match = re.fullmatch(r"(.+)\.\w+\[(\d+),(\d+)\]", path.name)
    stem = f"{match[2]}-{match[3]}" if match else path.stem
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{sample.class_name or 'outside'}-{stem}")
    if len(slug) > _KEY_STEM:
        slug = f"{slug[:_KEY_STEM]}-{hashlib.sha256(sample.member.encode()).hexdigest()[:8]}"
    return slug


_KEY_STEM = 80


def _inspect(sample: Sample) -> tuple[str | None, int, int, str | None, str]:
    """Return format, width, height, mode and problem of one file."""
    found = image_format(sample.data)
    if found is None:
        return None, 0, 0, None, "not an image" if sample.class_name else "outside"
    with Image.open(io.BytesIO(sample.data)) as image:
        facts = found, image.width, image.height, image.mode
    if sample.class_name is None:
        return *facts, "outside"
    try:
        decode(sample.data)
    except ValueError:
        return *facts, "truncated"
    suffix = PurePosixPath(sample.member).suffix.lower()
    mislabelled = "[" not in sample.member and suffix not in _EXTENSIONS.get(found, {suffix})
    return *facts, "mislabelled" if mislabelled else "ok"


def _compare(dataset: Mapping[str, Any], table: pd.DataFrame, archive: str) -> None:
    """Compare what the archives hold with what the registry says of them."""
    usable = table[~table["problem"].isin(SET_ASIDE)]
    found = sorted(set(usable["class"]))
    for name in dataset.get("class_names", []):
        if name not in found:
            raise UserError(
                f"{archive}: class folder {name!r} is missing or holds no image; restore it, or "
                "take it from class_names in the registry"
            )
    if len(found) != dataset["classes"]:
        listed = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        raise UserError(
            f"{archive}: {len(found)} class folders hold images ({listed}), the registry says "
            f"{dataset['classes']}; restore what is missing (a list class_names in the registry "
            "would name it), or correct classes there"
        )
    if len(usable) != dataset["images"]:
        raise UserError(
            f"{archive}: {len(usable)} usable images found, the registry says "
            f"{dataset['images']}; restore what is missing, or correct images in the registry"
        )
