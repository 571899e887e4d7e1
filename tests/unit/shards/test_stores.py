"""Converting to stores: other sizes and codecs, and the source in fewer bytes."""

import io
from pathlib import Path

import cv2
import datasets
import numpy as np
import pytest
import skimage
import webdataset
from PIL import Image
from torchvision.datasets import ImageFolder

from jpegprep.common.errors import UserError
from jpegprep.images.codecs.registry import CODECS
from jpegprep.images.opencv import decode_rgb
from jpegprep.shards.conversion import convert, main, variant_of
from jpegprep.shards.conversion_record import read_record, rows_of
from jpegprep.shards.verification import verify

SIDES = (120, 90)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two classes: JPEG with EXIF, PNG, and one that is small."""
    folder = tmp_path_factory.mktemp("photos")
    exif = Image.Exif()
    exif[271] = "maker"
    for name in ("coffee", "chelsea"):
        (folder / name).mkdir()
        with Image.open(Path(skimage.data_dir) / f"{name}.png") as image:
            pixels = Image.fromarray(np.asarray(image.convert("RGB").crop((0, 0, *SIDES))))
        pixels.save(folder / name / "a.jpg", quality=95, exif=exif)
        pixels.save(folder / name / "b.png")
        Image.new("RGB", (5, 5)).save(folder / name / "small.png")
    return folder


STORES = ["jpeg-q40-opt", "s64-jpeg-q60-opt", "webp-q40", "avif-q40", "jxl-d2", "jpegli-q50"]


def codec_of(store: str) -> str:
    """Return the codec of a store."""
    return store.removeprefix("s64-").partition("-")[0]


@pytest.mark.parametrize("store", STORES)
def test_a_store_is_written_recorded_and_verified(
    photos: Path, tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files have the codec's ending and the store's size; the record names it; verify knows it."""
    target = tmp_path / "out"
    summary = convert(photos, target, store=store)
    # Of 25 black pixels some codecs make fewer bytes than PNG does.
    kept = 0 if codec_of(store) in ("webp", "jxl") else 2
    assert (summary.images, summary.kept) == (6, kept)
    assert summary.after < summary.before / 2
    end = CODECS[codec_of(store)].ABOUT.extension
    names = {path.relative_to(target).as_posix() for path in target.rglob("[!.]*.*")}
    assert {f"coffee/a.{end}", f"coffee/small.{'png' if kept else end}"} <= names
    rows = {row.target: row for row in rows_of(read_record(target))}
    row = rows[f"coffee/a.{end}"]
    assert row.variant == f"{store}-smaller"
    assert (row.width, row.height) == SIDES  # the source's
    assert CODECS[codec_of(store)].library() in str(row.encoder)
    size = decode_rgb((target / str(row.target)).read_bytes()).shape[1::-1]
    assert size == ((85, 64) if store.startswith("s64") else SIDES)
    found = verify(target)
    assert (found.count, found.images) == (0, 6)
    if store.startswith("s64"):  # a file of the source's size is none of this store
        Image.open(photos / "coffee/a.jpg").save(target / "coffee/a.jpg", quality=40)
        assert verify(target).count == 1
    elif store.startswith(("webp", "avif")):
        assert Image.open(target / f"coffee/a.{end}").getexif()[271] == "maker"


@pytest.mark.parametrize("store", STORES)
def test_readers_read_what_they_are_said_to(photos: Path, tmp_path: Path, store: str) -> None:
    """ImageFolder, OpenCV, webdataset and `datasets` show the pixels that `decode` shows."""
    about = CODECS[codec_of(store)].ABOUT
    convert(photos, tmp_path / "out", store=store)
    file = tmp_path / "out/coffee" / f"a.{about.extension}"
    expected = decode_rgb(file.read_bytes())
    if "Pillow" in about.readers:
        assert (np.asarray(Image.open(file).convert("RGB")) == expected).all()
        convert(photos, tmp_path / "shards", store=store, form="webdataset")
        tar = str(next((tmp_path / "shards").glob("*.tar")))
        samples = list(webdataset.WebDataset(tar, shardshuffle=False))
        files = [sample.get(about.extension) for sample in samples]
        assert sum(data == file.read_bytes() for data in files) == 1
        convert(photos, tmp_path / "parquet", store=store, form="parquet")
        parquet = [str(path) for path in (tmp_path / "parquet/data").glob("*.parquet")]
        table = datasets.Dataset.from_parquet(parquet, cache_dir=str(tmp_path / "cache"))
        shapes = [np.asarray(row["image"].convert("RGB")) for row in table]
        assert any(one.shape == expected.shape and (one == expected).all() for one in shapes)
    if "OpenCV" in about.readers:
        assert cv2.imread(str(file)).shape == expected.shape
    if "torchvision" in about.readers:
        assert len(ImageFolder(tmp_path / "out")) == 6


def test_the_free_saving_changes_no_pixel_and_keeps_names(photos: Path, tmp_path: Path) -> None:
    """`original-opt`: each file under its own name, with its EXIF, in fewer bytes or as it was."""
    target = tmp_path / "out"
    summary = convert(photos, target, store="original-opt")
    assert summary.after < summary.before
    for file in photos.rglob("*.*"):
        new = target / file.relative_to(photos)
        assert (decode_rgb(new.read_bytes()) == decode_rgb(file.read_bytes())).all()
        assert new.stat().st_size <= file.stat().st_size
        assert Image.open(new).getexif() == Image.open(file).getexif()
    assert verify(target).count == 0


def test_a_quality_is_a_store_of_jpeg(photos: Path, tmp_path: Path) -> None:
    """QUALITY=50 and STORE=jpeg-q50 are one conversion, which goes on under either name."""
    first = convert(photos, tmp_path / "out", 50)
    assert convert(photos, tmp_path / "out", store="jpeg-q50") == first
    assert variant_of(50) == variant_of(None, store="jpeg-q50") == "jpeg-q50-smaller"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--store", "webp-q0"], "'webp-q0' is unknown"),
        (["--store", "noise-jpeg-q30"], "store is 'noise-jpeg-q30', which converts nothing"),
        (["--store", "original"], "store is 'original', which converts nothing"),
        (["--store", "webp-q40", "--quality", "50"], "one of them"),
        (["--store", "original-opt", "--alpha", "white"], "leave depth, alpha and frames out"),
        (["--store", "original-jxl", "--metadata", "strip"], "original-jxl, which loses nothing"),
    ],
)
def test_what_is_no_store_is_one_line(
    photos: Path,
    tmp_path: Path,
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mistake is told in one line, and nothing is written."""
    assert main([str(photos), str(tmp_path / "out"), *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert told in said
    assert not (tmp_path / "out").exists()


def test_one_of_quality_and_store() -> None:
    """Neither of both is no conversion."""
    with pytest.raises(UserError, match="one of them"):
        variant_of(None)


def test_what_a_codec_cannot_hold_keeps_the_source(tmp_path: Path) -> None:
    """JPEG XL files get no profile here, WebP files do."""
    from PIL import ImageCms

    (tmp_path / "in/a").mkdir(parents=True)
    with Image.open(Path(skimage.data_dir) / "coffee.png") as image:
        pixels = image.convert("RGB").crop((0, 0, *SIDES))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels.save(tmp_path / "in/a/x.png", icc_profile=profile)
    assert convert(tmp_path / "in", tmp_path / "jxl", store="jxl-d2").held == {
        "profile that the codec cannot hold": 1
    }
    assert not convert(tmp_path / "in", tmp_path / "webp", store="webp-q40").held
    found = Image.open(io.BytesIO((tmp_path / "webp/a/x.webp").read_bytes()))
    assert found.info["icc_profile"] == profile
