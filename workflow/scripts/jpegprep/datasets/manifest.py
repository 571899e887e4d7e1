"""The manifest: one row for each file of a data set, with what it is and what is wrong with it."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import write_parquet
from jpegprep.datasets.adapters import Sample, read_samples
from jpegprep.datasets.listing import class_of
from jpegprep.datasets.problems import KEPT, OK, PROBLEMS, RARE, REPAIRED, RESPELLED, SET_ASIDE
from jpegprep.images.images import JPEG_SIDE, decode, orientation
from jpegprep.images.quality import chroma_subsampling, estimate_quality

# Extensions under which each format goes; under another one it is `mislabelled`.
_EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},  # JPEG with a second picture behind it, as telephones write
    "PNG": {".png"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
}


def build_manifest(
    content: Mapping[str, Any],
    archives: Sequence[str | Path],
    manifest: str | Path,
    threads: int = 1,
) -> None:
    """Inspect every file of a data set and write the manifest as parquet.

    Columns: key (unique, WebDataset-safe), class, member, format (by content; None where there is
    none), width and height in pixels, mode (Pillow's), bytes, sha256, quality (of a JPEG, estimated
    from its tables), standard_tables (whether they are libjpeg's of that quality), subsampling
    (4:2:0 and the like), orientation (EXIF; 1 is upright), problems (those of `PROBLEMS` that it
    has, the gravest first, or ``ok``), duplicate_of (the key of the first image with the same
    bytes), handling (kept, repaired, set aside).

    Args:
        content: the data set's entry in the registry; the images of the classes that its option
            ``rare`` lists are set aside.
        archives: its archives, in the order of the registry.
        manifest: the file to write.
        threads: how many threads decode.

    Raises:
        UserError: where the classes or the number of images differ from the registry's.
    """
    chunks = _chunks(read_samples(content, archives))
    rows = [row for rows in in_order(_inspect_all, chunks, threads) for row in rows]
    table = pd.DataFrame(rows, columns=[*_SAMPLE, *_FACTS])
    if content["adapter"] == "image_folder":
        _unite_spellings(table)
    _set_rare_aside(table, content.get("options", {}).get("rare", []))
    table.insert(0, "key", _unique_keys(table["class"].tolist(), table["member"].tolist()))
    _mark_duplicates(table)
    table["handling"] = table["problems"].map(_handling)
    _compare(content, table, " and ".join(str(archive) for archive in archives[:2]))
    table["problems"] = [", ".join(problems) or OK for problems in table["problems"]]
    print(table.groupby(["handling", "problems"]).size().to_string())
    with replacing(manifest) as part:
        write_parquet(table.astype(_TYPES), part)


_SAMPLE = ["class", "member", "bytes", "sha256"]
_FACTS = ["format", "width", "height", "mode", "quality", "standard_tables", "subsampling"]
_FACTS += ["orientation", "problems"]
_TYPES = {
    **dict.fromkeys(("width", "height"), "int32"),
    **dict.fromkeys(("quality", "orientation"), "Int16"),
    "standard_tables": "boolean",
}
_CHUNK_BYTES, _CHUNK_FILES = 4 << 20, 512


def _chunks(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Gather samples until they are many or large; a single one may be larger."""
    chunk: list[Sample] = []
    held = 0
    for sample in samples:
        chunk.append(sample)
        held += len(sample.data)
        if held >= _CHUNK_BYTES or len(chunk) == _CHUNK_FILES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _inspect_all(samples: list[Sample]) -> list[tuple[Any, ...]]:
    return [_inspect(sample) for sample in samples]


def _inspect(sample: Sample) -> tuple[Any, ...]:
    """Return the row of one file, without key and handling; its problems as a list."""
    digest = hashlib.sha256(sample.data).hexdigest()
    about = sample.class_name, sample.member, len(sample.data), digest
    nothing = None, 0, 0, None, None, None, None, None
    gravest = sample.problem or (None if sample.class_name else "outside")
    try:
        with Image.open(io.BytesIO(sample.data)) as image:
            estimate = estimate_quality(getattr(image, "quantization", {}))
            facts = (
                *(image.format, image.width, image.height, image.mode),
                *(estimate or (None, None)),
                *(chroma_subsampling(image), orientation(image)),
            )
    except Image.DecompressionBombError:
        return *about, *nothing, [gravest or "too large"]
    except Exception:  # Pillow's parsers raise whatever comes to a damaged file
        return *about, *nothing, [gravest or "not an image"]
    if gravest is None and max(facts[1:3]) > JPEG_SIDE:
        gravest = "too large"
    if gravest is None:
        try:
            decode(sample.data)
        except ValueError:
            gravest = "truncated"
    return *about, *facts, [gravest] if gravest else _harmless_problems(sample)


def _harmless_problems(sample: Sample) -> list[str]:
    """Return the problems of an image that can be decoded, in the order of `PROBLEMS`."""
    with Image.open(io.BytesIO(sample.data)) as image:
        suffix = PurePosixPath(sample.member).suffix.lower()
        of_format = _EXTENSIONS.get(str(image.format), {suffix})
        has = {
            "mislabelled": "[" not in sample.member and suffix not in of_format,
            "rotated": orientation(image) != 1,
            # Pillow opens colour PNGs of 16 bits as if they had 8.
            "16-bit": image.mode.startswith("I") or _png_depth(sample.data) == 16,
            "cmyk": image.mode == "CMYK",
            "palette": image.mode in ("P", "PA"),
            "transparent": image.has_transparency_data,
            "animated": _is_animated(image),
            "grayscale": image.mode in ("1", "L", "LA") or image.mode.startswith("I"),
        }
    return [problem for problem in PROBLEMS if has.get(problem)]


def _png_depth(data: bytes) -> int:
    """Return the bits a channel of a PNG, 0 of another file."""
    return data[24] if data.startswith(b"\x89PNG") else 0


def _is_animated(image: Image.Image) -> bool:
    try:
        # The second picture of an MPO file is a preview.
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # a later frame is damaged
        return True


def _handling(problems: Sequence[str]) -> str:
    handlings = {PROBLEMS[problem].handling for problem in problems}
    return next((h for h in (SET_ASIDE, REPAIRED) if h in handlings), KEPT)


def _unite_spellings(table: pd.DataFrame) -> None:
    """Give a class one name, however its folders spell it, and mark what stands in another one."""
    spelled = table["class"].dropna()
    united = spelled.map(class_of)
    several = spelled.groupby(united).transform("nunique") > 1
    table.loc[united.index, "class"] = united
    for name, spellings in spelled[several].groupby(united):
        print(f"class {name!r} has {spellings.nunique()} Unicode spellings: they are one class")
    for i in spelled.index[several & (spelled != united)]:
        if _handling(table["problems"][i]) != SET_ASIDE:
            table["problems"][i].append(RESPELLED)


def _set_rare_aside(table: pd.DataFrame, rare: Sequence[str]) -> None:
    """Mark the images of the classes that are too small for the splits."""
    for i in table.index[table["class"].isin(list(rare))]:
        if _handling(table["problems"][i]) != SET_ASIDE:
            table["problems"][i][:] = [RARE]


def _mark_duplicates(table: pd.DataFrame) -> None:
    """Add the column duplicate_of, and the problem to all but the first of each group."""
    usable = table[table["problems"].map(_handling) != SET_ASIDE]
    first = usable.groupby("sha256")["key"].transform("first")
    again = first[first != usable["key"]]
    table["duplicate_of"] = again.reindex(table.index)
    for i in again.index:
        table["problems"][i].append("duplicate")


def _unique_keys(classes: Iterable[str | None], members: Iterable[str]) -> list[str]:
    keys: dict[str, None] = {}
    for class_name, member in zip(classes, members, strict=True):
        key = sample_key(class_name, member)
        again = 0
        while key in keys:  # members with the same slug, or even the same name
            again += 1
            digest = hashlib.sha256(f"{member}\0{again}".encode()).hexdigest()
            key = f"{sample_key(class_name, member)[:_KEY_STEM]}-{digest[:8]}"
        keys[key] = None
    return list(keys)


def sample_key(class_name: str | None, member: str) -> str:
    """Return a sample's key: its class and name, with nothing that WebDataset or a shell reads.

    Keys are ASCII without dots (WebDataset ends a key at the first one) and at most 89 characters,
    so that a tar member's name needs no extension header.
    """
    path = PurePosixPath(member)
    # A patch of a photograph has its place as its name: astronaut.png[0,64].
    match = re.fullmatch(r"(.+)\.\w+\[(\d+),(\d+)\]", path.name)
    stem = f"{match[2]}-{match[3]}" if match else path.stem
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{class_name or 'outside'}-{stem}")
    if len(slug) > _KEY_STEM:
        slug = f"{slug[:_KEY_STEM]}-{hashlib.sha256(member.encode()).hexdigest()[:8]}"
    return slug


_KEY_STEM = 80


def _compare(dataset: Mapping[str, Any], table: pd.DataFrame, archive: str) -> None:
    """Compare what the archives hold with what the registry says of them."""
    usable = table[table["handling"] != SET_ASIDE]
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
    if dataset["adapter"] == "image_folder":
        return  # a user's own, counted by their names
    images = sum(map(_is_image_file, table["member"], table["problems"]))
    if images != dataset["images"]:
        raise UserError(
            f"{archive}: {images} image files found ({len(usable)} of them usable), the registry "
            f"says {dataset['images']}; restore what is missing, or correct images in the registry"
        )


def _is_image_file(member: str, problems: Sequence[str]) -> bool:
    """Tell whether a publisher would count a file: readable or not, it lies and is named as one."""
    if {"outside", "link", "unlisted"} & set(problems):
        return False
    return "not an image" not in problems or PurePosixPath(member).suffix.lower() in _SUFFIXES


_SUFFIXES = {suffix for suffixes in _EXTENSIONS.values() for suffix in suffixes}
