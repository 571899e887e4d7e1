"""The manifest: one row for each file of a data set, with what it is and what is wrong with it."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.datasets.adapters import OWN, read_samples
from jpegprep.datasets.archives import Sample
from jpegprep.datasets.listing import class_of
from jpegprep.datasets.problems import (
    ANIMATED,
    DEEP,
    KEPT,
    NO_READER,
    NOT_SRGB,
    OK,
    PROBLEMS,
    RARE,
    REPAIRED,
    RESPELLED,
    SET_ASIDE,
    TRANSPARENT,
)
from jpegprep.images import deep
from jpegprep.images.contents import has_extra_channel, has_several_frames, is_no_picture
from jpegprep.images.decoding import Decoding, decoding_of, recorded
from jpegprep.images.formats import not_read, opened
from jpegprep.images.images import JPEG_SIDE, is_transparent, orientation
from jpegprep.images.profiles import not_srgb
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
    "HEIF": {".heic", ".heif", ".hif", ".heics", ".heifs"},
    "AVIF": {".avif", ".avifs"},
    "JXL": {".jxl"},
}


def build_manifest(
    content: Mapping[str, Any],
    archives: Sequence[str | Path],
    manifest: str | Path,
    threads: int = 1,
) -> None:
    """Inspect every file of a data set and write the manifest as parquet.

    Columns: key (unique, WebDataset-safe), class, member, group (what it belongs together with, as
    a patient; None where nobody says), format (by content; None where there is none), width and
    height in pixels, mode (Pillow's), bytes, sha256, quality (of a JPEG, estimated from its
    tables), standard_tables (whether they are libjpeg's of that quality), subsampling (4:2:0 and
    the like), orientation (EXIF; 1 is upright), scale (integer or floating, of an image of more
    than 8 bits a channel), low and high (its 0.1st and 99.9th percentile, see
    `deep.Values.percentiles`), profile (what its colour profile calls itself, where it is not
    sRGB), problems (those of `PROBLEMS` that it has, the gravest first, or ``ok``), duplicate_of
    (the key of the first image with the same bytes), handling (kept, repaired, set aside). Beside
    the rows stands how the images are decoded, which `read_decoding` reads.

    Args:
        content: the data set's entry in the registry; the images of the classes that its option
            ``rare`` lists are set aside, and ``depth``, ``alpha`` and ``icc`` say how images are
            decoded (`decoding.decoding_of`).
        archives: its archives, in the order of the registry.
        manifest: the file to write.
        threads: how many threads decode.

    Raises:
        UserError: where the classes or the number of images differ from the registry's.
    """
    chunks = _chunks(read_samples(content, archives))
    rows = [row for rows in in_order(_inspect_all, chunks, threads) for row in rows]
    table = pd.DataFrame(rows, columns=[*_SAMPLE, *_FACTS])
    if content["adapter"] in OWN:
        _unite_spellings(table)
    _set_rare_aside(table, content.get("options", {}).get("rare", []))
    table.insert(0, "key", _unique_keys(table["class"].tolist(), table["member"].tolist()))
    _mark_duplicates(table)
    table["handling"] = table["problems"].map(_handling)
    _compare(content, table, " and ".join(str(archive) for archive in archives[:2]))
    table["problems"] = [", ".join(problems) or OK for problems in table["problems"]]
    print(table.groupby(["handling", "problems"]).size().to_string())
    write_manifest(table.astype(_TYPES), _decoding(content, table), manifest)


def write_manifest(table: pd.DataFrame, how: Decoding, manifest: str | Path) -> None:
    """Write the rows of a manifest, and how the images are decoded."""
    told = json.dumps(how.record()).encode()
    written = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {_DECODING: told, _DECODING_CRC32: b"%08x" % zlib.crc32(told)}
    with replacing(manifest) as part:
        write_parquet(
            written.replace_schema_metadata({**written.schema.metadata, **metadata}), part
        )


def read_decoding(manifest: str | Path) -> Decoding:
    """Return how the images of a data set are decoded, which its manifest has measured.

    Raises:
        UserError: where the manifest is damaged.
    """
    found = read_parquet(manifest, ["key"]).schema.metadata or {}
    told = found.get(_DECODING, b"")
    if found.get(_DECODING_CRC32) != b"%08x" % zlib.crc32(told):
        raise UserError(f"{manifest} is damaged; remove it: it is made again")
    return recorded(json.loads(told))


# Pages of Parquet have checksums, its metadata have none.
_DECODING, _DECODING_CRC32 = b"jpegprep.decoding", b"jpegprep.decoding.crc32"


def _decoding(content: Mapping[str, Any], table: pd.DataFrame) -> Decoding:
    """Return how the images that are used are decoded; print what that means for some."""
    used = table[table["handling"] != SET_ASIDE]
    measured = used.dropna(subset="low")[["scale", "low", "high"]]
    rows = [(str(scale), float(low), float(high)) for scale, low, high in measured.to_numpy()]
    how = decoding_of(content, rows)
    for scale in dict.fromkeys(scale for scale, _, _ in rows):
        low, high = how.range_of(scale)
        of_scale = [(least, most) for of, least, most in rows if of == scale]
        beyond = sum(least < low or most > high for least, most in of_scale)
        print(
            f"{len(of_scale)} images of more than 8 bits ({scale}): {low:g} … {high:g} becomes "
            f"0 … 255; {beyond} of them reach beyond"
        )
    return how


_SAMPLE = ["class", "member", "group", "bytes", "sha256"]
_FACTS = ["format", "width", "height", "mode", "quality", "standard_tables", "subsampling"]
_FACTS += ["orientation", "scale", "low", "high", "profile", "problems"]
_TYPES = {
    **dict.fromkeys(("width", "height"), "int32"),
    **dict.fromkeys(("quality", "orientation"), "Int16"),
    "standard_tables": "boolean",
    **dict.fromkeys(("low", "high"), "float64"),
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
    about = sample.class_name, sample.member, sample.group, len(sample.data), digest
    nothing = None, 0, 0, *[None] * 9
    gravest = sample.problem or (None if sample.class_name else "outside")
    try:
        image = opened(sample.data)
        estimate = estimate_quality(getattr(image, "quantization", {}))
        facts = (
            *(image.format, image.width, image.height, image.mode),
            *(estimate or (None, None)),
            *(chroma_subsampling(image), orientation(image)),
        )
    except Image.DecompressionBombError:
        return *about, *nothing, [gravest or "too large"]
    except Exception:  # parsers raise whatever comes to a damaged file
        unread = not_read(sample.member, sample.data, None)
        return *about, *nothing, [gravest or (NO_READER if unread else "not an image")]
    if not_read(sample.member, sample.data, image.format):
        return *about, *nothing, [gravest or NO_READER]
    if gravest is None and max(image.size) > JPEG_SIDE:
        gravest = "too large"
    if gravest is None and is_no_picture(image):
        gravest = "bands"
    values: tuple[Any, ...] = None, None, None
    if gravest is None:
        try:
            whole = opened(sample.data)  # anew: to look for EXIF may have read a damaged one
            if deep.is_deep(whole, sample.data):
                read = deep.read(whole, sample.data)
                values = read.scale, *(read.percentiles() or (None, None))
                transparent = read.alpha is not None and bool((read.alpha < 255).any())
            else:
                whole.load()
                transparent = is_transparent(whole)
        except MemoryError:
            raise
        except Image.DecompressionBombError:
            gravest = "too large"
        except Exception:
            gravest = "truncated"
    if gravest is not None:
        return *about, *facts, None, None, None, None, [gravest]
    icc = image.info.get("icc_profile")
    profile = not_srgb(icc) if icc else None
    suffix = PurePosixPath(sample.member).suffix.lower()
    has = {
        "mislabelled": "[" not in sample.member
        and suffix not in _EXTENSIONS.get(str(image.format), {suffix}),
        "rotated": facts[-1] != 1,
        DEEP: values[0] is not None,
        "cmyk": image.mode == "CMYK",
        "palette": image.mode in ("P", "PA"),
        TRANSPARENT: transparent,
        "extra channel": has_extra_channel(image),
        ANIMATED: has_several_frames(sample.data),
        NOT_SRGB: profile is not None,
        "grayscale": image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I"),
    }
    return *about, *facts, *values, profile, [problem for problem in PROBLEMS if has.get(problem)]


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
    if dataset["adapter"] in OWN:
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
