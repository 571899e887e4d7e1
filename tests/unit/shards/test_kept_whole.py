"""Images kept whole: what went in wrong once, with the values that are to come out.

Each kind of file goes the whole way: manifest, shards of originals and of variants, the pixels that
every learner sees, and the conversion of the folder.
"""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from image_files import HEIC, difference, in_srgb, opened, photograph, profile, saved, tiff
from PIL import ExifTags, Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.manifest import build_manifest, read_decoding
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.images import plain
from jpegprep.images.opencv import decode_rgb
from jpegprep.images.preserving import Giving, giving
from jpegprep.learners.data import ImageDataset
from jpegprep.learners.features import pixel_features
from jpegprep.results.figures.pictures import SamplesByKey
from jpegprep.shards.conversion import convert, main
from jpegprep.shards.shards import ShardReader, read_index, tars_of
from jpegprep.shards.treatments import write_all_variants, write_original_shards

Pack = Callable[..., Path]
Array = np.ndarray[Any, Any]
GRAY = np.asarray(photograph(96, 64).convert("L"))
RGB = np.asarray(photograph(96, 64))


class Way:
    """The way of a data set: its manifest, and the shards of originals and a variant."""

    def __init__(self, folder: Path, pack: Pack, files: Mapping[str, bytes], **entry: Any) -> None:
        """Go it, with what the registry says beside."""
        archive = pack(folder / "images.tar", files)
        content = {"adapter": "class_folders", "images": len(files), **entry}
        content["classes"] = len({name.split("/")[0] for name in files})
        self.manifest, split = folder / "manifest.parquet", folder / "split.parquet"
        build_manifest(content, [archive], self.manifest)
        self.rows = pd.read_parquet(self.manifest).set_index("member")
        self.how = read_decoding(self.manifest)
        used = self.rows[self.rows["handling"] != "set aside"]
        labels = used["class"].astype("category").cat.codes
        placed = pd.DataFrame({"key": used["key"], "label": labels, "split": "test", "shard": 0})
        placed.to_parquet(split, index=False)
        self.folders = folder / "original", folder / "jpeg-q95"
        counts = {"train": 1, "val": 1, "test": 1}
        write_original_shards(content, [archive], self.manifest, split, counts, self.folders[0])
        write_all_variants(self.folders[0], ["jpeg-q95"], [self.folders[1]])
        self.readers = [ShardReader(tars_of(path, "test")) for path in self.folders]
        members = dict(zip(used["key"], used.index, strict=True))
        self.place = {members[str(key)]: i for i, key in enumerate(self.readers[0].keys)}

    def pixels(self, member: str, variant: bool = False) -> Array:
        """Return the pixels of an image as a network sees them."""
        reader = self.readers[variant]
        return decode_rgb(reader.image(self.place[member]), reader.decoding)


def xray(count: int = 12) -> dict[str, bytes]:
    """Return 12-bit scans of different brightness in PNG files of 16 bits."""
    files = {}
    for i in range(count):
        values = GRAY.astype(np.float64) / 255 * (1500 + 2500 * i / (count - 1)) + 20
        files[f"{'ab'[i % 2]}/{i}.png"] = saved(Image.fromarray(values.astype(np.uint16)), "PNG")
    return files


def mapped(values: Array, low: float, high: float) -> Array:
    """Return values as 8 bits, by the formula."""
    return ((values - low) * (255 / (high - low))).round().clip(0, 255)


# A float TIFF with values in [0, 1]: once a black JPEG


def reflectances() -> dict[str, Array]:
    """Return float images of a satellite, all of them dark: up to 0.42."""
    return {f"a/{i}.tif": (GRAY / 255 * (0.2 + 0.02 * i)).astype(np.float32) for i in range(12)}


def test_a_float_tiff_is_no_black_picture(tmp_path: Path, pack: Pack) -> None:
    """Its values fill the range of the data set, and dark images stay darker."""
    values = reflectances()
    way = Way(tmp_path, pack, {name: tiff(found) for name, found in values.items()})
    low, high = way.how.floating
    assert low == pytest.approx(np.percentile(values["a/0.tif"], 0.1))
    assert high == pytest.approx(np.percentile(values["a/11.tif"], 99.9))
    assert 0.3 < high < 0.42
    assert set(way.rows["problems"]) == {"over 8 bits, grayscale"}
    for name, found in values.items():
        assert np.array_equal(way.pixels(name)[:, :, 0], mapped(found, low, high))
        assert difference(way.pixels(name, variant=True), way.pixels(name)) < 2
    assert way.pixels("a/0.tif").mean() < way.pixels("a/11.tif").mean() / 2
    assert way.pixels("a/11.tif").max() == 255


def test_floats_of_the_whole_scale_are_the_picture(tmp_path: Path, pack: Pack) -> None:
    """Of [0, 1] 0 is black and 1 is white, with one channel or three."""
    files = {
        "a/gray.tif": tiff((GRAY / 255).astype(np.float32)),
        "a/rgb.tif": tiff((RGB / 255).astype(np.float32), photometric="rgb"),
        "a/planes.tif": tiff(
            np.moveaxis(RGB / 255, -1, 0), photometric="rgb", planarconfig="separate"
        ),
    }
    way = Way(tmp_path, pack, files)
    assert way.how == USUAL
    assert np.array_equal(way.pixels("a/gray.tif"), np.dstack([GRAY] * 3))
    assert np.array_equal(way.pixels("a/rgb.tif"), RGB)
    assert np.array_equal(way.pixels("a/planes.tif"), RGB)


# 12-bit values in a 16-bit PNG: once 16 gray levels, mean 9 of 255


def test_twelve_bits_keep_their_gray_levels(tmp_path: Path, pack: Pack) -> None:
    """Of 250 gray levels 250 survive, those that the range of the data set gives them."""
    way = Way(tmp_path, pack, xray())
    scans = {name: np.asarray(opened(data)) for name, data in xray().items()}
    low, high = way.how.integer
    assert low == pytest.approx(np.percentile(scans["a/0.png"], 0.1))
    assert high == pytest.approx(np.percentile(scans["b/11.png"], 99.9))
    brightest = scans["b/11.png"]
    assert 3900 < high <= brightest.max() < 4095
    assert way.rows.loc["b/11.png", "high"] == high
    shown = way.pixels("b/11.png")[:, :, 0]
    assert np.array_equal(shown, mapped(brightest, low, high))
    before, after = len(np.unique(brightest)), len(np.unique(shown))
    assert 220 < before <= 256
    assert after >= before - 5
    assert difference(shown, GRAY) < 3
    assert len(np.unique((brightest / 257).round())) == 17  # as it once was


def test_original_and_variant_have_one_mapping(tmp_path: Path, pack: Pack) -> None:
    """What differs is what JPEG costs, in every image, dark or bright."""
    way = Way(tmp_path, pack, xray())
    for name in xray():
        before, after = way.pixels(name), way.pixels(name, variant=True)
        assert difference(before, after) < 2
        assert abs(float(before.mean()) - float(after.mean())) < 0.3
    for path in way.folders:
        assert read_index(tars_of(path, "test")[0])[1]["decoding"] == way.how.record()


def test_every_reader_of_pixels_sees_the_same(tmp_path: Path, pack: Pack) -> None:
    """Training, the probe, AutoGluon, tabular features and figures: one place decides."""
    way = Way(tmp_path, pack, xray())
    reader = way.readers[0]
    dataset = ImageDataset(reader, lambda pixels, rng: pixels, seed=0)
    pictures = SamplesByKey(way.folders[0])
    for name, i in way.place.items():
        expected = way.pixels(name)
        data, key = reader.image(i), str(reader.keys[i])
        assert np.array_equal(dataset[i][0].permute(1, 2, 0), expected)
        assert np.array_equal(opened(plain(data, reader.decoding)).convert("RGB"), expected)
        assert np.array_equal(pictures.picture(key), expected)
        small = Image.fromarray(expected).resize((4, 4), Image.Resampling.BOX)
        features = pixel_features(data, 4, reader.decoding)
        assert np.array_equal(features, np.asarray(small, np.float32).ravel())
        assert reader.part([i]).decoding == reader.decoding


def test_a_range_of_the_registry_is_taken(tmp_path: Path, pack: Pack) -> None:
    """By numbers, or the full scale."""
    way = Way(tmp_path, pack, xray(), depth={"low": 0, "high": 8191})
    values = np.asarray(opened(xray()["a/0.png"]))
    assert np.array_equal(way.pixels("a/0.png")[:, :, 0], mapped(values, 0, 8191))
    (tmp_path / "full").mkdir()
    full = Way(tmp_path / "full", pack, xray(), depth="full")
    assert np.array_equal(full.pixels("a/0.png")[:, :, 0], (values / 257).round())


def test_a_damaged_range_is_one_line(tmp_path: Path, pack: Pack) -> None:
    """A flipped bit in the manifest's range is no other range."""
    way = Way(tmp_path, pack, xray())
    table = pq.read_table(way.manifest)
    told = {name: data.replace(b"3", b"4") for name, data in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(told), way.manifest)
    with pytest.raises(UserError, match=r"manifest\.parquet is .*damaged; remove it"):
        read_decoding(way.manifest)


# Images of 8 bits stay what they were


def test_images_of_eight_bits_are_byte_for_byte_what_they_were(tmp_path: Path, pack: Pack) -> None:
    """Their shards say nothing of ranges, and hold what Pillow alone makes."""
    files = {
        "a/0.jpg": saved(photograph(96, 64), "JPEG", quality=95),
        "a/1.png": saved(photograph(96, 64), "PNG"),
        "a/2.png": saved(photograph(96, 64).convert("RGBA"), "PNG"),
        "a/3.gif": saved(photograph(96, 64).convert("P"), "GIF"),
        "a/4.tif": saved(photograph(96, 64).convert("CMYK"), "TIFF"),
        "a/5.bmp": saved(photograph(96, 64).convert("L"), "BMP"),
        "a/6.png": saved(photograph(96, 64), "PNG", icc_profile=profile()),
    }
    way = Way(tmp_path, pack, files)
    assert way.how == USUAL
    for path, reader in zip(way.folders, way.readers, strict=True):
        assert "decoding" not in read_index(tars_of(path, "test")[0])[1]
        assert reader.decoding == USUAL
    for name, data in files.items():
        image = opened(data)
        image = image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=95)
        assert way.readers[0].image(way.place[name]) == data
        assert way.readers[1].image(way.place[name]) == buffer.getvalue()
        assert np.array_equal(way.pixels(name), opened(data).convert("RGB"))


def test_files_of_many_bits_beside_change_no_others(tmp_path: Path, pack: Pack) -> None:
    """A range of 16-bit scans is no range of the JPEG files beside them."""
    jpeg = saved(photograph(96, 64), "JPEG", quality=95)
    way = Way(tmp_path, pack, {**xray(), "a/x.jpg": jpeg})
    assert way.how != USUAL
    assert np.array_equal(way.pixels("a/x.jpg"), opened(jpeg))


# Conversions


def folder_of(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def content(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder but the conversion's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".jpegprep")
    }


def test_files_of_many_bits_are_copied(tmp_path: Path) -> None:
    """Not one is replaced by one of 8 bits; the summary says how many."""
    files = {**xray(), **{f"f{name}": tiff(v) for name, v in reflectances().items()}}
    files["a/rgb.tif"] = tiff(RGB.astype(np.uint16) * 257, photometric="rgb")
    source = folder_of(tmp_path / "source", files)
    summary = convert(source, tmp_path / "target", 50)
    assert content(tmp_path / "target") == files
    assert (summary.images, summary.held) == (25, {"over 8 bits": 25})
    assert "kept as they were, over 8 bits: 25\n" in str(summary)
    assert summary.before == summary.after


def test_asked_for_eight_bits_all_have_one_range(tmp_path: Path) -> None:
    """That of the data set, as the manifest of the same images measures it; it is recorded."""
    source = folder_of(tmp_path / "source", {**xray(), "note.txt": b"x", "a/cut.png": b"\x89PNG"})
    given, measure = giving("8")
    summary = convert(source, tmp_path / "target", 95, given=given, measure=measure)
    assert (summary.images, summary.held) == (12, {})
    scans = [np.asarray(opened(xray()[name])) for name in ("a/0.png", "b/11.png")]
    low, high = np.percentile(scans[0], 0.1), np.percentile(scans[1], 99.9)
    for name, data in xray().items():
        values = np.asarray(opened(data))
        converted = opened((tmp_path / "target" / name).with_suffix(".jpg").read_bytes())
        assert difference(converted, mapped(values, low, high)) < 2
    variant = json.loads((tmp_path / "target" / ".jpegprep.json").read_text())["variant"]
    assert f"depth=8 range={float(low)!r},{float(high)!r} " in variant
    # Called again, also with more files, all images keep the one range.
    brighter = saved(Image.fromarray(GRAY.astype(np.uint16) * 60), "PNG")
    folder_of(source, {"a/new.png": brighter})
    again = convert(source, tmp_path / "target", 95, given=given, measure=measure)
    assert again.images == 13
    assert json.loads((tmp_path / "target" / ".jpegprep.json").read_text())["variant"] == variant
    with pytest.raises(UserError, match="name an empty folder"):
        convert(source, tmp_path / "target", 95)


def test_conversion_and_study_have_one_range(tmp_path: Path, pack: Pack) -> None:
    """The JPEG file of a conversion is the variant's, byte for byte."""
    way = Way(tmp_path, pack, xray())
    source = folder_of(tmp_path / "source", xray())
    given, measure = giving("8")
    convert(source, tmp_path / "a", 95, keep_smaller=False, given=given, measure=measure)
    low, high = way.how.integer
    ranged, _ = giving("8", f"{low!r},{high!r}")
    convert(source, tmp_path / "b", 95, keep_smaller=False, given=ranged)
    for name, i in way.place.items():
        expected = way.readers[1].image(i)
        for target in ("a", "b"):
            assert (tmp_path / target / name).with_suffix(".jpg").read_bytes() == expected


def test_profile_camera_date_and_place_are_kept(tmp_path: Path) -> None:
    """A Display P3 photograph of a phone: its colours, its EXIF block, upright, no thumbnail."""
    image = photograph(451, 300, "chelsea.png")
    block = Image.Exif()
    block[ExifTags.Base.Make], block[ExifTags.Base.Orientation] = "Maker", 6
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:05:04 03:02:01"
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    settings = {"icc_profile": profile(), "exif": block, "dpi": (300, 300)}
    files = {"a/p3.jpg": saved(turned, "JPEG", quality=99, subsampling=0, **settings)}
    files["a/p3.png"] = saved(image, "PNG", icc_profile=profile())
    source = folder_of(tmp_path / "source", files)
    summary = convert(source, tmp_path / "kept", 95)
    shown = {name: opened(data) for name, data in content(tmp_path / "kept").items()}
    assert list(sorted(shown)) == ["a/p3.jpg", "a/p3.png.jpg"]
    for found in shown.values():
        assert found.size == image.size
        assert found.info["icc_profile"] == profile()
        assert difference(in_srgb(found), in_srgb(image)) < 2
    exif = shown["a/p3.jpg"].getexif()
    assert exif[ExifTags.Base.Make] == "Maker"
    assert exif[ExifTags.Base.Orientation] == 1
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:05:04 03:02:01"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (52.0, 31.0, 12.0)
    assert shown["a/p3.jpg"].info["dpi"] == (300, 300)
    assert summary.left_out == 0
    stripped = convert(source, tmp_path / "bare", 95, given=Giving(metadata=True))
    for data in content(tmp_path / "bare").values():
        assert not {"icc_profile", "exif", "dpi"} & set(opened(data).info)
    assert stripped.left_out == 2 * len(profile()) + len(block.tobytes()) - 6
    assert stripped.after == summary.after - stripped.left_out - segments_of(2, 1)
    assert f"metadata that were left out: {stripped.left_out:,}" in str(stripped)


def segments_of(profiles: int, blocks: int) -> int:
    """Return the bytes that markers take, beside profiles and EXIF blocks (T.81, B.1.1.4)."""
    return profiles * (4 + len(b"ICC_PROFILE\0") + 2) + blocks * (4 + len(b"Exif\0\0"))


def logo() -> tuple[Image.Image, Array]:
    """Return a logo on nothing, and what it is to look like on white."""
    hidden = RGB.copy()  # colours that nobody was to see
    alpha = np.zeros((64, 96), np.uint8)
    alpha[10:40, 10:40] = 255
    alpha[45:60, 50:90] = 128
    share = alpha[:, :, np.newaxis] / 255
    image = Image.fromarray(np.dstack([hidden, alpha]))
    return image, hidden * share + 255 * (1 - share)


def test_a_logo_on_nothing_is_on_white(tmp_path: Path, pack: Pack) -> None:
    """What is hidden under transparency never shows, in originals and variants alike."""
    image, right = logo()
    files = {"a/logo.png": saved(image, "PNG"), "a/opaque.png": saved(image.convert("RGB"), "PNG")}
    way = Way(tmp_path, pack, files)
    assert way.rows.loc["a/logo.png", "problems"] == "transparent"
    assert np.abs(way.pixels("a/logo.png") - right).max() <= 1
    assert difference(way.pixels("a/logo.png", variant=True), right) < 4
    assert np.array_equal(way.pixels("a/opaque.png"), RGB)
    for alpha, ground in (("black", 0.0), ("drop", None)):
        (tmp_path / alpha).mkdir()
        other = Way(tmp_path / alpha, pack, files, alpha=alpha)
        expected = RGB if ground is None else right - 255 * (1 - np.asarray(image)[:, :, 3:] / 255)
        assert np.abs(other.pixels("a/logo.png") - expected).max() <= 1


def test_a_logo_is_copied_unless_told_otherwise(tmp_path: Path) -> None:
    """With ALPHA=white it is a JPEG file that shows it on white."""
    image, right = logo()
    files = {"a/logo.png": saved(image, "PNG")}
    source = folder_of(tmp_path / "source", files)
    summary = convert(source, tmp_path / "copied", 95)
    assert content(tmp_path / "copied") == files
    assert summary.held == {"transparent": 1}
    given, _ = giving(alpha="white")
    assert convert(source, tmp_path / "white", 95, given=given).held == {}
    assert difference(opened(content(tmp_path / "white")["a/logo.jpg"]), right) < 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_frames_and_pages_are_copied_unless_told_otherwise(
    tmp_path: Path, pack: Pack, kind: str
) -> None:
    """Five frames stay five; training sees the first, and the manifest says so."""
    turns = [photograph(96, 64).rotate(20 * i) for i in range(5)]
    settings = {"lossless": True} if kind == "WEBP" else {}
    data = saved(turns[0], kind, save_all=True, append_images=turns[1:], **settings)
    files = {f"a/five.{kind.lower()}": data}
    source = folder_of(tmp_path / "source", files)
    summary = convert(source, tmp_path / "copied", 80)
    assert content(tmp_path / "copied") == files
    assert summary.held == {"several frames": 1}
    assert opened(data).n_frames == 5
    given, _ = giving(frames="first")
    assert convert(source, tmp_path / "first", 80, keep_smaller=False, given=given).held == {}
    first = opened(content(tmp_path / "first")["a/five.jpg"])
    assert difference(first, turns[0]) < 6
    way = Way(tmp_path, pack, files)
    assert "animated" in way.rows.loc[f"a/five.{kind.lower()}", "problems"]
    assert difference(way.pixels(f"a/five.{kind.lower()}"), turns[0]) < (
        3 if kind == "GIF" else 0.1
    )


def test_heic_of_a_phone_beside_jpeg(tmp_path: Path, pack: Pack) -> None:
    """It is an image like any other: in the manifest, in training, and in a conversion."""
    heic = (HEIC / "lossless.heic").read_bytes()
    files = {"a/0.jpg": saved(photograph(), "JPEG"), "a/1.heic": heic}
    files["a/2.HEIC"] = (HEIC / "turned.heic").read_bytes()
    way = Way(tmp_path, pack, files)
    assert way.rows["format"].tolist() == ["JPEG", "HEIF", "HEIF"]
    assert way.rows["problems"].tolist() == ["ok", "ok", "ok"]
    assert np.array_equal(way.pixels("a/1.heic"), photograph())
    assert way.pixels("a/2.HEIC").shape == (48, 64, 3)
    summary = convert(folder_of(tmp_path / "source", files), tmp_path / "target", 80)
    assert (summary.images, summary.other, summary.unread) == (3, 0, {})
    converted = content(tmp_path / "target")
    assert converted["a/1.jpg"] == saved(photograph(), "JPEG", quality=80)
    assert opened(converted["a/2.jpg"]).getexif()[ExifTags.Base.Make] == "Maker"


def test_formats_that_are_not_read_are_named(
    tmp_path: Path, pack: Pack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Raw files, scans and drawings are counted by their endings, and never "other"."""
    preview = tiff(RGB[:16])
    files = {
        "a/0.jpg": saved(photograph(), "JPEG"),
        **{f"a/{i}.nef": preview for i in range(2)},
        **{"a/x.dng": preview, "a/y.DCM": bytes(128) + b"DICM", "a/z.svg": b"<svg/>"},
        "a/notes.txt": b"a text",
    }
    way = Way(tmp_path, pack, {n: d for n, d in files.items() if n != "a/notes.txt"})
    unread = way.rows[way.rows["problems"] == "no reader"]
    assert sorted(unread.index) == ["a/0.nef", "a/1.nef", "a/x.dng", "a/y.DCM", "a/z.svg"]
    assert set(unread["handling"]) == {"set aside"}
    source = folder_of(tmp_path / "source", files)
    summary = convert(source, tmp_path / "target", 50)
    assert (summary.images, summary.other) == (1, 1)
    assert summary.unread == {".dcm": 1, ".dng": 1, ".nef": 2, ".svg": 1}
    capsys.readouterr()
    assert main([str(source), str(tmp_path / "target"), "--quality", "50"]) == 0
    line = "images of formats that are not read (.dcm 1, .dng 1, .nef 2, .svg 1), copied: 5\n"
    assert line in capsys.readouterr().out


def test_bands_of_a_satellite_are_set_aside_and_named(tmp_path: Path, pack: Pack) -> None:
    """Thirteen channels are no picture: no learner sees three of them by chance."""
    bands = tiff(np.zeros((8, 9, 13), np.uint16), planarconfig="contig")
    files = {"a/0.jpg": saved(photograph(), "JPEG"), "a/1.tif": bands}
    way = Way(tmp_path, pack, files)
    assert tuple(way.rows.loc["a/1.tif", ["problems", "handling"]]) == ("bands", "set aside")
    summary = convert(folder_of(tmp_path / "source", files), tmp_path / "target", 50)
    assert (summary.images, summary.bands) == (1, 1)
    assert content(tmp_path / "target")["a/1.tif"] == bands


def test_profiles_that_are_not_srgb_are_named(tmp_path: Path, pack: Pack) -> None:
    """By what the profile calls itself; icc: srgb converts for training, the default does not."""
    data = saved(photograph(96, 64), "PNG", icc_profile=profile(name="Display P3"))
    files = {"a/p3.png": data, "a/no.png": saved(photograph(96, 64), "PNG")}
    way = Way(tmp_path, pack, files)
    assert tuple(way.rows.loc["a/p3.png", ["problems", "handling", "profile"]]) == (
        *("not sRGB", "kept", "Display P3"),
    )
    assert way.rows.loc["a/no.png", "problems"] == "ok"
    assert np.array_equal(way.pixels("a/p3.png"), RGB)
    (tmp_path / "srgb").mkdir()
    srgb = Way(tmp_path / "srgb", pack, files, icc="srgb")
    assert srgb.how == Decoding(icc="srgb")
    assert np.abs(srgb.pixels("a/p3.png") - in_srgb(RGB)).max() <= 1
    assert np.array_equal(srgb.pixels("a/no.png"), RGB)
