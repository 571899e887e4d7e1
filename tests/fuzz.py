"""Fuzzing: mutated image files through the manifest and through a conversion; `make fuzz` runs it.

Real pictures in twelve formats are damaged by a seeded mutator: bits, lengths, giant sizes, swapped
and missing parts. Batches of them go through `build_manifest`, `convert` and `verify` in processes
of their own. A batch that dies, or takes too long or too much memory, is run again file by file, so
that each finding has a file, which its number makes anew:

    python tests/fuzz.py --count 10000
    python tests/fuzz.py --first 4711 --count 1 --keep /tmp/found
"""

import argparse
import io
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pandas as pd
import skimage
from image_files import HEIC, profile, tiff
from PIL import Image

from jpegprep.common.files import sha256_of
from jpegprep.datasets.listing import LISTING, digest_of, scan, write_listing
from jpegprep.datasets.manifest import build_manifest
from jpegprep.images.images import decode, encode_jpeg
from jpegprep.shards.conversion import convert
from jpegprep.shards.conversion_record import RECORD
from jpegprep.shards.verification import verify

QUALITY = 50
SECONDS = 10  # of a core, for a file
MEMORY = 2 << 30  # bytes beyond what the process has before
_BATCH = 50
_WALL = 600  # seconds after which a batch hangs, even where the machine has no time for it


@cache
def originals() -> dict[str, list[bytes]]:
    """Return real pictures by the ending of their format, in the kinds that it has."""
    with Image.open(Path(skimage.data_dir, "astronaut.png")) as photograph:
        rgb = photograph.convert("RGB").resize((96, 80))
    gray, palette, rgba = rgb.convert("L"), rgb.convert("P"), rgb.convert("RGBA")
    rgba.putalpha(gray)
    deep = gray.convert("I;16").point(lambda value: value * 257)
    frames = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    turned = Image.Exif()
    turned[274] = 6
    kinds: dict[str, list[tuple[Image.Image, str, dict[str, Any]]]] = {
        "jpg": [
            (rgb, "JPEG", {"quality": 90}),
            (rgb, "JPEG", {"quality": 90, "progressive": True, "exif": turned}),
            (rgb, "JPEG", {"quality": 90, "icc_profile": profile(), "xmp": b"<x/>"}),
            (gray, "JPEG", {"quality": 90, "restart_marker_rows": 1}),
            (rgb.convert("CMYK"), "JPEG", {"quality": 90}),
            (rgb, "MPO", frames),
        ],
        "png": [
            (rgb, "PNG", {}),
            (rgba, "PNG", {}),
            (palette, "PNG", {"transparency": 0}),
            (deep, "PNG", {}),
            (gray.convert("1"), "PNG", {}),
            (rgb, "PNG", frames),
        ],
        "gif": [(palette, "GIF", {}), (palette, "GIF", {**frames, "duration": 50})],
        "bmp": [(rgb, "BMP", {}), (palette, "BMP", {}), (gray.convert("1"), "BMP", {})],
        "tif": [
            (rgb, "TIFF", {}),
            (rgb, "TIFF", {"compression": "tiff_lzw"}),
            (rgb, "TIFF", {"compression": "jpeg"}),
            (deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
            (gray.convert("F"), "TIFF", {}),
            (gray.convert("1"), "TIFF", {"compression": "group4"}),
            (rgb.convert("CMYK"), "TIFF", frames),
        ],
        "webp": [
            (rgb, "WEBP", {}),
            (rgba, "WEBP", {"lossless": True}),
            (rgb, "WEBP", {**frames, "exif": turned}),
        ],
        "ppm": [(rgb, "PPM", {}), (gray, "PPM", {}), (gray.convert("1"), "PPM", {})],
        "ico": [(rgba, "ICO", {}), (rgba, "ICO", {"bitmap_format": "bmp"})],
        "jp2": [(rgb, "JPEG2000", {}), (rgba, "JPEG2000", {"tile_size": (32, 32)})],
        "avif": [(rgb, "AVIF", {"max_threads": 1}), (rgba, "AVIF", {"max_threads": 1})],
    }
    files: dict[str, list[bytes]] = {}
    for ending, images in kinds.items():
        for image, form, settings in images:
            buffer = io.BytesIO()
            if "append_images" in settings:
                # Pillow keeps in an image how it was encoded last.
                pages = [page.convert(image.mode).copy() for page in settings["append_images"]]
                settings = {**settings, "append_images": pages}
            image.copy().save(buffer, form, **settings)
            files.setdefault(ending, []).append(buffer.getvalue())
    values = np.asarray(rgb)
    files["tif"] += [
        tiff((values / 255).astype(np.float32), photometric="rgb", compression="zlib"),
        tiff(values.astype(np.uint16) * 257, photometric="rgb", tile=(32, 32)),
        tiff(np.dstack([values] * 4).astype(np.uint16), planarconfig="contig"),
    ]
    files["png"].append(imagecodecs.png_encode(values.astype(np.uint16) * 257))
    files["heic"] = [path.read_bytes() for path in sorted(HEIC.glob("*.heic"))]
    files["jxl"] = [
        imagecodecs.jpegxl_encode(values),
        imagecodecs.jpegxl_encode(np.asarray(rgba), lossless=True),
        imagecodecs.jpegxl_encode(values.astype(np.uint16) * 257, lossless=True),
        imagecodecs.jpegxl_encode(np.stack([values, values[::-1]]), lossless=True),
        imagecodecs.jpegxl_encode_jpeg(files["jpg"][1]),
    ]
    return files


_SIDES = (96, 80)
_GIANT = (0, 1, 255, 9_000, 13_000, 30_000, 65_500, 65_535, 1 << 20, (1 << 31) - 1, (1 << 32) - 1)


def mutated(number: int) -> tuple[str, bytes]:
    """Return the name and the bytes of a mutated file; the same ones for a number."""
    rng = random.Random(number)
    endings = list(originals())
    ending = endings[number % len(endings)]
    data = bytearray(rng.choice(originals()[ending]))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(_MUTATIONS)(data, rng)
    if ending == "png" and rng.random() < 0.7:  # or what stands behind the checksums is never seen
        _mend_checksums(data)
    if rng.random() < 0.05:
        ending = rng.choice(endings)
    return f"{number:07}.{ending}", bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    """Return a random place, as often as not among the headers."""
    end = min(len(data), 200) if rng.random() < 0.5 else len(data)
    return rng.randrange(max(1, end))


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 4, 32)) if data else 0):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    place, size = _place(data, rng), rng.choice((1, 2, 4, 16, 200))
    data[place : place + size] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    place = _place(data, rng)
    del data[place : place + rng.choice((1, 4, 12, 100))]


def _swap(data: bytearray, rng: random.Random) -> None:
    if len(data) > 64:
        size = rng.choice((4, 16, 30))
        first = rng.randrange(len(data) // 2 - size)
        second = rng.randrange(len(data) // 2, len(data) - size)
        one, other = data[first : first + size], data[second : second + size]
        data[first : first + size], data[second : second + size] = other, one


def _repeat(data: bytearray, rng: random.Random) -> None:
    place, size = _place(data, rng), rng.choice((4, 12, 100, 1000))
    data[place:place] = data[place : place + size] * rng.choice((1, 2, 50))


def _length(data: bytearray, rng: random.Random) -> None:
    """Give a field of two or four bytes another number, as lengths, counts and offsets have."""
    size = rng.choice((2, 4))
    value = rng.choice((0, 1, 2, 127, 255, 32_767, 65_535, (1 << 31) - 1, (1 << 32) - 1, len(data)))
    place = _place(data, rng)
    data[place : place + size] = (value % (1 << 8 * size)).to_bytes(
        size, rng.choice(("big", "little"))
    )


def _giant(data: bytearray, rng: random.Random) -> None:
    """Let the picture be of another size, wherever its own may be written."""
    if data[:1] == b"P" and data[1:2].isdigit():
        sides = f"{rng.choice(_GIANT)} {rng.choice(_GIANT)}".encode()
        data[:] = re.sub(rb"\A(P\d\s)\d+ \d+", rb"\g<1>" + sides, bytes(data))
    for side in _SIDES:
        if rng.random() < 0.3:
            continue
        new = rng.choice(_GIANT)
        for size, order in ((4, "big"), (4, "little"), (2, "big"), (2, "little"), (1, "big")):
            written = side.to_bytes(size, order)  # type: ignore[arg-type]
            place = data.find(written, 4, 400)
            if place >= 0:
                value = (new % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
                data[place : place + size] = value
                break


_MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    *(_flip, _flip, _overwrite, _truncate, _remove, _swap, _repeat, _length, _giant, _giant),
]


def _mend_checksums(data: bytearray) -> None:
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(data):
            return
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4


class Outcome(NamedTuple):
    """What became of a batch.

    Attributes:
        handlings: by number the format, the manifest's handling and its problems.
        wrong: by number what is not as it should be.
        seconds: of a core.
        memory: bytes at the most, beyond what there was before.
    """

    handlings: dict[int, tuple[str, str, str]]
    wrong: dict[int, str]
    seconds: float
    memory: int


def examine(numbers: Sequence[int], folder: Path) -> tuple[dict[int, Any], dict[int, str]]:
    """Take mutated files through manifest, conversion and verification.

    Returns:
        What became of each file, and what is not as it should be, as of `Outcome`.
    """
    source, target = folder / "source", folder / "target"
    (source / "class").mkdir(parents=True)
    names = {}
    for number in numbers:
        name, data = mutated(number)
        (source / "class" / name).write_bytes(data)
        names[name] = number
    (source / "class" / "good.png").write_bytes(originals()["png"][0])
    write_listing(source, digest_of(scan(source)), folder / LISTING)
    content = {"adapter": "image_folder", "classes": 1, "class_names": ["class"], "images": 0}
    build_manifest(content, [folder / LISTING], folder / "manifest.parquet")
    manifest = pd.read_parquet(folder / "manifest.parquet").set_index("member")
    convert(source, target, QUALITY)
    record = pd.read_parquet(target / RECORD).set_index("source")
    wrong = {}
    verified = verify(target)
    handlings = {}
    for name, number in names.items():
        member = f"class/{name}"
        inspected, done = manifest.loc[member], record.loc[member]
        handlings[number] = name[8:], inspected["handling"], inspected["problems"]
        usable = inspected["handling"] != "set aside"
        if problem := _wrong(source / member, target, usable, done):
            wrong[number] = problem
    if verified.count:
        wrong[numbers[0]] = f"verify: {verified.shown}"
    return handlings, wrong


def _wrong(path: Path, target: Path, usable: bool, done: Any) -> str | None:
    """Return what is not as it should be with a file."""
    written = target / done["target"]
    if usable != (done["done"] in ("converted", "kept")):
        return f"the manifest says usable: {usable}; it was {done['done']} ({done['why']})"
    if done["done"] != "converted":
        same = sha256_of(path) == sha256_of(written)
        return None if same else f"{done['done']}, and its bytes differ"
    image = decode(path.read_bytes())
    if _without_metadata(encode_jpeg(image, QUALITY)) != _without_metadata(written.read_bytes()):
        return "its JPEG is not the one that Pillow writes"
    return None


def _without_metadata(jpeg: bytes) -> bytes:
    """Return a JPEG file that Pillow wrote, without what is taken along of its source.

    That is the density in JFIF, and the segments of EXIF, XMP, profile and IPTC behind it.
    """
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    head, place = jpeg[:13] + bytes(5) + jpeg[18:end], end
    if jpeg[2:4] != b"\xff\xe0":  # no JFIF, as of CMYK
        head, place = jpeg[:2], 2
    while jpeg[place] == 0xFF and jpeg[place + 1] in (0xE1, 0xE2, 0xED):
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return head + jpeg[place:]


def run(numbers: Sequence[int]) -> Outcome | str:
    """Examine files in a process of their own; return what became of them, or how it died."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(numbers, sender))
    process.start()
    sender.close()
    found: Outcome | str | None = None
    if receiver.poll(_WALL):
        try:
            found = receiver.recv()
        except EOFError:
            found = None
        process.join()
    else:
        process.kill()
        process.join()
        return f"no answer in {_WALL} s"
    if found is None:
        return f"the process died ({-process.exitcode if process.exitcode else 0})"
    return found


def _child(numbers: Sequence[int], sender: Any) -> None:
    """Examine files within limits, and send what became of them."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    warnings.simplefilter("ignore")
    before, held = _peak(), _virtual()
    limit = held + 2 * MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (_BATCH * SECONDS, _BATCH * SECONDS))
    began = time.process_time()
    try:
        with tempfile.TemporaryDirectory(prefix="jpegprep-fuzz-") as folder:
            handlings, wrong = examine(numbers, Path(folder))
        seconds = time.process_time() - began
        sender.send(Outcome(handlings, wrong, seconds, max(0, _peak() - before)))
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        sender.send(f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
    os._exit(0)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _virtual() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def findings(numbers: Sequence[int]) -> tuple[dict[int, str], Outcome | None]:
    """Return what was found among a batch, by number, and what became of the batch."""
    outcome = run(numbers)
    if isinstance(outcome, str):
        problem = outcome
    else:
        found = dict(outcome.wrong)
        problem = ""
        if outcome.seconds > SECONDS:
            problem = f"{outcome.seconds:.1f} s of a core"
        if outcome.memory > MEMORY:
            problem = f"{outcome.memory / 2**20:,.0f} MiB"
        if not problem:
            return found, outcome
    if len(numbers) == 1:
        return {numbers[0]: problem}, None if isinstance(outcome, str) else outcome
    found = {}
    for number in numbers:
        found |= findings([number])[0]
    if isinstance(outcome, str) and not found:
        found[numbers[0]] = f"{problem}, of {len(numbers)} files from this one on, together alone"
    return found, None if isinstance(outcome, str) else outcome


def fuzz(count: int, first: int = 0, keep: Path | None = None) -> dict[int, str]:
    """Examine that many files; tell what became of them; return the findings by number."""
    found: dict[int, str] = {}
    became: Counter[tuple[str, str, str]] = Counter()
    seconds, memory = 0.0, 0
    for start in range(first, first + count, _BATCH):
        numbers = range(start, min(start + _BATCH, first + count))
        problems, outcome = findings(numbers)
        found |= problems
        for number, problem in problems.items():
            print(f"{number}: {mutated(number)[0]}: {problem}", flush=True)
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / mutated(number)[0]).write_bytes(mutated(number)[1])
        if outcome:
            became.update(outcome.handlings.values())
            seconds += outcome.seconds
            memory = max(memory, outcome.memory)
    _tell(became)
    print(
        f"{count:,} files from number {first} on: {len(found)} findings; {seconds:.0f} s of a "
        f"core, {memory / 2**20:,.0f} MiB at the most"
    )
    return found


def _tell(became: Counter[tuple[str, str, str]]) -> None:
    """Print how many files of each format were usable, and why others were not."""
    endings = sorted({ending for ending, _, _ in became})
    print(f"{'format':8}{'files':>7}{'usable':>8}  set aside")
    for ending in endings:
        of_ending = {key[1:]: n for key, n in became.items() if key[0] == ending}
        aside = {p: n for (handling, p), n in of_ending.items() if handling == "set aside"}
        told = ", ".join(f"{problem} {n}" for problem, n in sorted(aside.items()))
        total = sum(of_ending.values())
        print(f"{ending:8}{total:7,}{total - sum(aside.values()):8,}  {told}")


def main() -> None:
    """Fuzz; status 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files of findings")
    arguments = parser.parse_args()
    sys.exit(bool(fuzz(arguments.count, arguments.first, arguments.keep)))


if __name__ == "__main__":
    main()
