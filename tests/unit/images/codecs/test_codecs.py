"""Codecs: each keeps what it says of itself, and stores are what their names say."""

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import skimage
import yaml
from PIL import Image

from jpegprep.images.codecs import jxl
from jpegprep.images.codecs.registry import CODECS
from jpegprep.images.images import decode, image_format
from jpegprep.images.opencv import decode_rgb
from jpegprep.images.recompress import encoder, transcoded, treat
from jpegprep.images.variants import parse_variant
from jpegprep.shards.shards import pack, writing_shard

ROOT = Path(__file__).parents[4]
STORES = [
    *("jpeg-q30", "jpeg-q30-opt", "jpeg-q75-444", "webp-q40", "webp-lossless", "avif-q30"),
    *("avif-q30-444", "jxl-d2", "jxl-lossless", "jpegli-q50", "s48-jpeg-q60-opt", "original-opt"),
    "original-jxl",
]
FORMATS = {"jpeg": "JPEG", "jpegli": "JPEG", "webp": "WEBP", "avif": "AVIF", "jxl": "JXL"}


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def patch(i: int = 0, side: int = 96) -> Image.Image:
    """Return a piece of a photograph."""
    with Image.open(Path(skimage.data_dir) / "coffee.png") as photograph:
        pixels = np.asarray(photograph.convert("RGB"))[20 * i :, 30 * i :]
    return Image.fromarray(np.ascontiguousarray(pixels[: side - 9, :side]))


SOURCES = [encoded(patch(i), "JPEG", quality=90) for i in range(3)]
SOURCES += [encoded(patch(3), "PNG"), encoded(patch(4).convert("L"), "PNG")]


@pytest.mark.parametrize("store", STORES)
def test_the_same_bytes_twice_and_on_two_threads(store: str) -> None:
    """Bytes depend on the image alone: no run, no thread beside, no order changes them."""
    steps = parse_variant(store)

    def stored(data: bytes) -> bytes:
        return treat(data, steps)

    alone = [stored(data) for data in SOURCES]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(stored, [*SOURCES, *reversed(SOURCES)])) == [
            *alone,
            *reversed(alone),
        ]


SHARDS_OF = """
import hashlib, sys
from pathlib import Path
from jpegprep.shards.treatments import treat_shard
for store in sys.argv[3:]:
    target = Path(sys.argv[2]) / f"{store}.tar"
    treat_shard(sys.argv[1], store, target, threads=int(Path(sys.argv[2]).name))
    print("sha256", store, hashlib.sha256(target.read_bytes()).hexdigest())
"""


def test_the_same_shards_in_two_runs_on_one_thread_and_on_two(tmp_path: Path) -> None:
    """Of every store: what a process writes does not depend on the process, nor on its threads."""
    shard = tmp_path / "original.tar"
    with writing_shard(shard, "original", "none") as writer:
        writer.append(pack([(f"k{i}", 0, data, data) for i, data in enumerate(SOURCES * 4)]))
    told = []
    for threads in ("1", "2"):
        (tmp_path / threads).mkdir()
        command = [sys.executable, "-c", SHARDS_OF, shard, tmp_path / threads, *STORES]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        told.append({line[1]: line[2] for line in lines if line[0] == "sha256"})
    assert told[0] == told[1] and list(told[0]) == STORES
    assert len(set(told[0].values())) == len(STORES)  # and no two stores are the same


# What each library writes when it is called with nothing but its own words.
BARE: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg-q30": lambda image: encoded(image, "JPEG", quality=30),
    "jpeg-q30-opt": lambda image: encoded(image, "JPEG", quality=30, optimize=True),
    "jpeg-q75-444": lambda image: encoded(image, "JPEG", quality=75, subsampling=0),
    "webp-q40": lambda image: encoded(image, "WEBP", quality=40),
    "webp-lossless": lambda image: encoded(image, "WEBP", lossless=True),
    "avif-q30": lambda image: encoded(image, "AVIF", quality=30, max_threads=1),
    "avif-q30-444": lambda image: encoded(
        image, "AVIF", quality=30, max_threads=1, subsampling="4:4:4"
    ),
    "jxl-d2": lambda image: bytes(
        imagecodecs.jpegxl_encode(np.asarray(image), distance=2.0, numthreads=1)
    ),
}


@pytest.mark.parametrize("store", BARE)
def test_a_store_is_what_the_library_writes(store: str) -> None:
    """Quality and chroma reach the encoder, and nothing else does."""
    for i in range(2):
        image = patch(i)
        assert treat(encoded(image, "PNG"), parse_variant(store)) == BARE[store](image)


@pytest.mark.parametrize("store", STORES)
def test_what_is_stored_is_read(store: str) -> None:
    """`decode` opens what each codec writes, upright, of its size, in colours near the source's."""
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    turned = encoded(patch().rotate(90, expand=True), "JPEG", quality=95, exif=exif)
    before = decode_rgb(turned).astype(int)
    steps = parse_variant(store)
    found = decode_rgb(treat(turned, steps))
    if store.startswith("s48"):
        assert found.shape == (48, 53, 3)  # 96 x 87, the shorter side 48
        return
    assert found.shape == before.shape == (87, 96, 3)
    assert np.abs(found - before).mean() < 12


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_is_what_it_says_of_itself(codec: str) -> None:
    """Its files are of its format and ending, its example is a setting, its packages are there."""
    about = CODECS[codec].ABOUT
    store = f"{codec}-{about.example}"
    assert image_format(treat(SOURCES[0], parse_variant(store))) == FORMATS[codec]
    pinned = yaml.safe_load((ROOT / "envs/shards.yaml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in pinned["dependencies"] if isinstance(entry, dict))
    named = {line.partition("==")[0] for line in pip}
    assert {*about.packages, "mozjpeg-lossless-optimization"} <= named
    assert CODECS[codec].library() in encoder(parse_variant(store))


@pytest.mark.parametrize("codec", ["webp", "jpegli"])
def test_of_an_image_that_is_too_long_the_codec_is_named(codec: str) -> None:
    """WebP ends at 16,383 pixels, JPEG at 65,500: one line, not a crash of a library."""
    long = encoded(Image.new("RGB", (65_501, 1)), "PNG")
    with pytest.raises(ValueError, match=f"{CODECS[codec].ABOUT.title} holds at most"):
        treat(long, parse_variant(f"{codec}-q50"))


def test_optimized_is_the_same_image_in_fewer_bytes() -> None:
    """`-opt` changes no pixel: not of a JPEG, not of the source."""
    for data in SOURCES:
        plain, opt = (treat(data, parse_variant(f"jpeg-q30{end}")) for end in ("", "-opt"))
        assert len(opt) < len(plain)
        assert (decode_rgb(opt) == decode_rgb(plain)).all()
        lossless = treat(data, parse_variant("original-opt"))
        assert len(lossless) <= len(data)
        assert (decode_rgb(lossless) == decode_rgb(data)).all()


def test_a_size_is_the_shorter_side_and_never_larger() -> None:
    """An image is made smaller as Pillow's Lanczos does it; a small one is as without a size."""
    for data in (SOURCES[0], SOURCES[3], SOURCES[4]):
        image = decode(data)
        small = image.resize((53, 48), Image.Resampling.LANCZOS)
        found = treat(data, parse_variant("s48-jpeg-q60"))
        assert found == encoded(small, "JPEG", quality=60)
        same = treat(data, parse_variant("s87-jpeg-q60"))
        assert same == treat(data, parse_variant("jpeg-q60"))
        assert same == treat(data, parse_variant("s500-jpeg-q60"))


def test_the_source_stays_where_a_store_inflates() -> None:
    """Bytes alone decide: also a smaller image goes where it takes more of them."""
    flat = encoded(Image.new("L", (64, 64), 7), "PNG")
    assert treat(flat, parse_variant("s48-jpeg-q60-smaller")) == flat
    assert len(treat(flat, parse_variant("s48-jpeg-q60"))) > len(flat)
    large = SOURCES[0]
    assert treat(large, parse_variant("webp-q40-smaller")) == treat(
        large, parse_variant("webp-q40")
    )


@pytest.mark.parametrize("store", ["jxl-lossless", "webp-lossless"])
@pytest.mark.parametrize("k", [3, 4])
def test_lossless_is_without_loss(store: str, k: int) -> None:
    """Colour and gray come back pixel for pixel."""
    found = decode_rgb(treat(SOURCES[k], parse_variant(store)))
    assert (found == decode_rgb(SOURCES[k])).all()


def test_transcoding_a_jpeg_gives_it_back_byte_for_byte() -> None:
    """`original-jxl` of a JPEG holds that very file; a PNG has identical pixels; others stay."""
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    jpeg = encoded(patch(side=250), "JPEG", quality=90, exif=exif, comment=b"kept")
    new = transcoded(jpeg)
    assert image_format(new) == "JXL"
    assert len(new) < len(jpeg)
    assert jxl.restored(new) == jpeg
    assert decode(new).size == decode(jpeg).size == (241, 250)
    assert transcoded(SOURCES[0]) == SOURCES[0]  # 2 KB: the boxes around it cost more
    png = transcoded(SOURCES[3])
    assert image_format(png) == "JXL"
    assert (decode_rgb(png) == decode_rgb(SOURCES[3])).all()
    for other in (
        encoded(patch().convert("CMYK"), "JPEG"),
        encoded(patch().convert("RGBA"), "PNG"),
        encoded(patch(), "WEBP"),
    ):
        assert transcoded(other) == other
    with pytest.raises(ValueError, match="made of no JPEG"):
        jxl.restored(png)
