"""Features of image files: coefficients known from formulas, every kind of source file."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.fft
from PIL import ExifTags, Image

from jpegprep.common.errors import UserError
from jpegprep.images.images import codec, encode_jpeg
from jpegprep.learners.features import extract, feature_names, feature_table, stored_coefficients
from jpegprep.shards.headers import OF_ENCODER
from jpegprep.shards.shards import ShardReader, pack, writing_shard


def encode(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return an image file, as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def dct(data: bytes, kind: str = "dct") -> "pd.Series[float]":
    """Return the features of one kind, by name."""
    return pd.Series(extract(data, [kind], 1), feature_names([kind], 1), dtype=float)


def steps(data: bytes, table: int = 0) -> npt.NDArray[np.int64]:
    """Return a quantization table of a JPEG file by Pillow, (8, 8)."""
    return np.array(Image.open(io.BytesIO(data)).quantization[table]).reshape(8, 8)


@pytest.fixture(scope="module")
def photo(photos: Path) -> Image.Image:
    """Return a photograph of odd sides whose pixels stay clear of 0 and 255."""
    with Image.open(photos / "coffee.png") as image:
        pixels = np.asarray(image.convert("RGB").crop((200, 50, 359, 171)), dtype=float)
    return Image.fromarray((60 + pixels * 0.5).astype(np.uint8))


@pytest.mark.parametrize("value", [0, 90, 128, 200])
@pytest.mark.parametrize("quality", [10, 75, 100])
def test_a_flat_image_has_one_coefficient(value: int, quality: int) -> None:
    """Of gray v the DC is 8 (v - 128), rounded to the step, in every block; all else is 0."""
    data = encode(Image.new("L", (24, 16), value), quality=quality)
    step = steps(data)[0, 0]
    stored = np.rint(8 * (value - 128) / step)
    for kind, expected in (("dct_stored", stored), ("dct", stored * step)):
        found = dct(data, kind)
        assert found.pop(f"{kind}_y_0_0_mean") == expected
        assert (found == 0).all()


@pytest.mark.parametrize(("row", "column"), [(0, 3), (2, 0), (5, 1)])
def test_a_cosine_has_one_frequency(row: int, column: int) -> None:
    """Of a wave of one frequency that coefficient alone is large: the DCT-II of JPEG, A.3.3.

    Pixels are rounded by at most 0.5, so by Parseval no coefficient of 64 is off by more than 4.
    """
    x = (2 * np.arange(8) + 1) * np.pi / 16
    wave = np.outer(np.cos(row * x), np.cos(column * x))
    block = np.rint(128 + 100 * wave).astype(np.uint8)
    found = dct(encode(Image.fromarray(np.tile(block, (2, 3))), quality=100))
    scale = [np.sqrt(0.5) if frequency == 0 else 1 for frequency in (row, column)]
    expected = 100 * scale[0] * scale[1] / 4 * (wave**2).sum()
    assert found.pop(f"dct_y_{row}_{column}_mean") == pytest.approx(expected, abs=4.5)
    assert found.abs().max() <= 4.5


@pytest.mark.parametrize("quality", [20, 60])
def test_coefficients_are_those_of_the_decoded_image(photo: Image.Image, quality: int) -> None:
    """Transforming the decoded planes by scipy and quantizing them again gives what is stored."""
    data = encode(photo.crop((0, 0, 152, 120)), quality=quality, subsampling=0)
    decoded = Image.open(io.BytesIO(data))
    decoded.draft("YCbCr", decoded.size)
    assert decoded.mode == "YCbCr"
    blocks = np.asarray(decoded, dtype=float).reshape(15, 8, 19, 8, 3).transpose(4, 0, 2, 1, 3)
    transformed = scipy.fft.dctn(blocks - 128, axes=(3, 4), norm="ortho")
    tables = np.stack([steps(data, int(k > 0)) for k in range(3)])
    expected = np.rint(transformed / tables[:, None, None])
    stored = stored_coefficients(data)
    assert stored is not None
    for k, component in enumerate(stored.components):
        assert np.array_equal(component.blocks, expected[k])
        assert np.array_equal(component.steps, tables[k])
    for kind, factor in (("dct_stored", np.ones_like(tables)), ("dct", tables)):
        features = dct(data, kind)
        for k, name in enumerate(("y", "cb", "cr")):
            if kind == "dct" and k > 0:
                continue  # on the grid of 4:2:0: see below
            for row, column in ((0, 0), (0, 1), (1, 0), (2, 3)):
                values = expected[k, :, :, row, column] * factor[k, row, column]
                for statistic in ("mean", "std"):
                    assert features[f"{kind}_{name}_{row}_{column}_{statistic}"] == pytest.approx(
                        getattr(values, statistic)(), rel=1e-5, abs=1e-6
                    )


@pytest.mark.parametrize("quality", [10, 40, 75, 95])
def test_quality_changes_dequantized_means_by_half_a_step(photo: Image.Image, quality: int) -> None:
    """A rounding to multiples of a step moves no coefficient, and no mean, by more than half of it.

    The same mean in multiples of the step is another number at every quality.
    """
    finest, found = encode(photo, quality=100), encode(photo, quality=quality)
    for k, name in enumerate(("y", "cb", "cr")):
        step = steps(found, int(k > 0))
        error = np.array(
            [
                [
                    dct(found)[f"dct_{name}_{row}_{column}_mean"]
                    - dct(finest)[f"dct_{name}_{row}_{column}_mean"]
                    for column in range(8)
                ]
                for row in range(8)
            ]
        )
        assert (np.abs(error) <= step / 2 + 0.5).all()
    step = steps(found)[0, 0]
    stored = [dct(data, "dct_stored")["dct_stored_y_0_0_std"] for data in (finest, found)]
    assert stored[0] / stored[1] == pytest.approx(step, rel=0.02)
    both = [dct(data)["dct_y_0_0_std"] for data in (finest, found)]
    assert both[0] == pytest.approx(both[1], rel=0.02)


# How an image lies in a file whose EXIF orientation turns it upright.
LYING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # Pillow turns against the clock; a viewer turns it back
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def lying(image: Image.Image, orientation: int, **options: Any) -> bytes:
    """Return a JPEG file in which an image lies as its EXIF orientation says."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if orientation != 1:
        image = image.transpose(LYING[orientation])
    return encode(image, exif=exif, **options)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_has_the_features_of_the_upright_image(
    photo: Image.Image, orientation: int, subsampling: int
) -> None:
    """Of sides in whole blocks, luma agrees but for rounding, chroma but for half a gray level.

    Without turning, the frequencies would be others: their means and deviations differ by more.
    """
    image = photo.crop((0, 0, 144, 112))
    options = {"quality": 100, "subsampling": subsampling}
    upright = dct(encode(image, **options))
    found = dct(lying(image, orientation, **options))
    luma = upright.index.str.startswith("dct_y_")
    assert (found - upright)[luma].abs().max() < 0.1
    assert (found - upright)[~luma].abs().max() < 8 * 0.5
    if orientation > 1:
        as_stored = dct(lying(image, orientation, **options), "dct_stored").to_numpy()
        assert np.abs(as_stored - upright.to_numpy())[luma].max() > 1


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_file_of_any_sides_has_about_the_same(
    photo: Image.Image, orientation: int
) -> None:
    """Where blocks begin at the other end, features differ as those of a crop moved by pixels do.

    Without a mirrored side (transposed alone) they agree as before.
    """
    upright = dct(encode(photo, quality=100))
    error = (dct(lying(photo, orientation, quality=100)) - upright).abs()
    moved = [dct(encode(photo.crop((d, d, *photo.size)), quality=100)) for d in (1, 2, 3, 4)]
    assert error.max() < max((of - upright).abs().max() for of in moved)
    assert error.mean() < 2 * np.mean([(of - upright).abs().mean() for of in moved])
    if orientation == 5:
        assert error.max() < 8 * 0.5


def test_chroma_is_on_the_grid_of_420(photo: Image.Image) -> None:
    """4:4:4 and 4:2:2 have the chroma of 4:2:0, but for rounding, also where blocks are odd.

    The file's own differ by far: a block of 4:4:4 is a quarter of one of 4:2:0.
    """
    for box in ((0, 0, 144, 112), (0, 0, 136, 104), (0, 0, 40, 8)):
        finest = encode(photo.crop(box), quality=100, subsampling=2)
        for subsampling in (0, 1):
            data = encode(photo.crop(box), quality=100, subsampling=subsampling)
            assert (dct(data) - dct(finest)).abs().max() < 8 * 0.5
            own = (dct(data, "dct_stored") - dct(finest, "dct_stored")).abs().max()
            assert own > 3 * (dct(data) - dct(finest)).abs().max()


def test_chroma_goes_on_where_a_block_has_no_other() -> None:
    """Of three rows of blocks the fourth is the mean of the last two rows of pixels."""
    ramp = np.arange(24, dtype=np.uint8).repeat(8).reshape(24, 8) * 10
    pixels = np.stack([255 - ramp, np.full_like(ramp, 90), ramp], axis=2)
    for subsampling in (0, 2):
        found = dct(encode(Image.fromarray(pixels), quality=100, subsampling=subsampling))
        # JFIF's Cb, of rows 0 to 23 and eight times the last pair.
        cb = -0.168736 * (255 - ramp[:, 0]) - 0.331264 * 90 + 0.5 * ramp[:, 0].astype(float)
        expected = 8 * np.concatenate([cb, np.repeat(cb[-2:].mean(), 8)]).mean()
        assert found["dct_cb_0_0_mean"] == pytest.approx(expected, abs=2)


def test_the_encoder_is_what_compression_makes_alike(photo: Image.Image) -> None:
    """Quality, tables and sampling are told; of files of one recipe they are the same numbers."""
    names = feature_names(["encoder"], 1)
    assert names == [f"encoder_{name}" for name in OF_ENCODER]
    found = dct(encode(photo, quality=60, subsampling=0), "encoder")
    assert found["encoder_jpeg_quality"] == 60
    assert found["encoder_luma_table_sum"] == steps(encode(photo, quality=60)).sum()
    assert (found["encoder_horizontal_sampling"], found["encoder_vertical_sampling"]) == (1, 1)
    png = dct(encode(photo, "PNG"), "encoder")
    assert png["encoder_jpeg_quality"] == -1
    others = [
        photo.crop((0, 0, 33, 17)),
        photo.rotate(90, expand=True),
        photo.point(lambda v: v // 2),
    ]
    alike = {tuple(dct(encode_jpeg(image, 30), "encoder")) for image in (photo, *others)}
    assert len(alike) == 1


def test_a_progressive_file_stores_the_same(photo: Image.Image) -> None:
    """Baseline, progressive, optimized and restarted codes are of the same coefficients."""
    expected = dct(encode(photo, quality=50))
    for options in ({"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 3}):
        assert dct(encode(photo, quality=50, **options)).equals(expected)


def test_metadata_change_nothing(photo: Image.Image) -> None:
    """Comments, profiles and EXIF, however many, are not features; nor is, stored, orientation."""
    plain = encode(photo, quality=50)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a camera"
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    comments = b"".join(b"\xff\xfe\0\6note" for _ in range(300))
    segments = b"".join(bytes((0xFF, 0xE0 + i % 16, 0, 4, 65, 66)) for i in range(300))
    for data in (
        encode(photo, quality=50, exif=exif, icc_profile=bytes(200_000), comment=b"hello"),
        plain[:20] + comments + plain[20:],
        plain[:20] + segments + plain[20:],
    ):
        assert dct(data).equals(dct(plain))
    lies = encode(photo, quality=50, exif=turned)
    assert dct(lies, "dct_stored").equals(dct(plain, "dct_stored"))


def test_a_multi_picture_file_counts_as_its_first(photo: Image.Image) -> None:
    """Of an MPO the first picture is read, as it is decoded."""
    other = photo.transpose(Image.Transpose.ROTATE_90)
    data = encode(photo, "MPO", quality=50, save_all=True, append_images=[other])
    assert dct(data).equals(dct(encode(photo, quality=50)))


def test_grayscale_has_no_chroma(photo: Image.Image) -> None:
    """Chroma columns of a grayscale file are 0, luminance is its own."""
    gray = dct(encode(photo.convert("L"), quality=50))
    assert (gray.filter(regex="_c[br]_") == 0).all()
    assert gray["dct_y_0_1_std"] > 0


@pytest.mark.parametrize("kind", ["png", "gray png", "palette", "rgba", "cmyk", "rgb jpeg", "webp"])
def test_what_stores_none_has_those_of_the_finest_jpeg(photo: Image.Image, kind: str) -> None:
    """Without stored YCbCr, coefficients are of the image as Pillow's JPEG of quality 100."""
    image = {
        "gray png": photo.convert("L"),
        "palette": photo.quantize(32),
        "rgba": photo.convert("RGBA"),
        "cmyk": photo.convert("CMYK"),
    }.get(kind, photo)
    data = {
        "cmyk": lambda: encode(image, quality=100),
        "rgb jpeg": lambda: encode(image, quality=100, keep_rgb=True),
        "webp": lambda: encode(image, "WEBP", lossless=True),
    }.get(kind, lambda: encode(image, "PNG"))()
    seen = Image.open(io.BytesIO(data))
    finest = encode(seen if seen.mode == "L" else seen.convert("RGB"), quality=100)
    assert (steps(finest) == 1).all()
    assert stored_coefficients(data) is None
    assert dct(data).equals(dct(finest))


def test_every_size_works(photo: Image.Image) -> None:
    """One pixel, one row, one column, and sides that are no multiple of a block."""
    for size in ((1, 1), (1, 40), (33, 1), (17, 9), (8, 8)):
        for options in ({"kind": "JPEG"}, {"kind": "JPEG", "subsampling": 1}, {"kind": "PNG"}):
            found = extract(
                encode(photo.resize(size), **options), ["dct", "dct_stored", "pixels"], 4
            )
            assert found.shape == (2 * 384 + 48,)
            assert found.dtype == np.float32
            assert np.isfinite(found).all()


def test_sixteen_bits_are_scaled() -> None:
    """A PNG of 16 bits counts as the 8 bits that training sees."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = encode(Image.fromarray(pixels.astype(np.uint16) * 257), "PNG")
    shallow = encode(Image.fromarray(pixels), "PNG")
    kinds = ["dct", "pixels"]
    assert np.array_equal(extract(deep, kinds, 4), extract(shallow, kinds, 4))


def test_pixels_are_means(photo: Image.Image) -> None:
    """Each of side × side pixels is the mean of its part; names say row, column and channel."""
    image = photo.crop((0, 0, 96, 64))
    found = pd.Series(extract(encode(image, "PNG"), ["pixels"], 8), feature_names(["pixels"], 8))
    means = np.asarray(image, dtype=float).reshape(8, 8, 8, 12, 3).mean(axis=(1, 3))
    assert len(found) == 192
    assert found.to_numpy() == pytest.approx(means.ravel(), abs=1.01)
    assert found["pixel_2_5_b"] == pytest.approx(means[2, 5, 2], abs=1.01)


def test_pixels_are_upright(photo: Image.Image) -> None:
    """An image that EXIF turns is turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    turned = extract(encode(photo, quality=95, exif=exif), ["pixels"], 4).reshape(4, 4, 3)
    plain = extract(encode(photo, quality=95), ["pixels"], 4).reshape(4, 4, 3)
    assert np.abs(turned - plain[::-1, ::-1]).max() <= 2
    assert np.abs(turned - plain).max() > 10


def test_kinds_stand_in_the_order_asked_for(photo: Image.Image) -> None:
    """Columns of several kinds are those of each, one after the other; names are unique."""
    data = encode(photo)
    kinds = ["pixels", "dct", "encoder", "dct_stored"]
    both = extract(data, kinds, 3)
    assert np.array_equal(both, np.concatenate([extract(data, [kind], 3) for kind in kinds]))
    names = feature_names(kinds, 3)
    assert len(set(names)) == len(names) == len(both)
    assert names[0] == "pixel_0_0_r"
    assert names[27] == "dct_y_0_0_mean"


@pytest.mark.parametrize("kind", ["dct", "dct_stored", "pixels"])
@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8", b"\xff\xd8\xff\xe0\0\x10JFIF"])
def test_what_is_no_image_is_refused(data: bytes, kind: str) -> None:
    """Bytes that are no image are a ValueError, as they are to the decoder."""
    with pytest.raises(ValueError, match="no readable image"):
        extract(data, [kind], 4)


def shard(path: Path, files: list[bytes]) -> ShardReader:
    """Return a reader of a shard of image files."""
    with writing_shard(path, "original", codec()) as writer:
        writer.append(pack([(f"k{i}", 0, data, data) for i, data in enumerate(files)]))
    return ShardReader([path])


def test_a_table_is_the_same_for_any_number_of_threads(
    tmp_path: Path, patches: Callable[..., list[bytes]]
) -> None:
    """A row an image in the order of the shard, whoever works them out."""
    files = patches("coffee.png", 40) * 4
    files = [
        encode(Image.open(io.BytesIO(data)), quality=20 + i // 2) if i % 3 else data
        for i, data in enumerate(files)
    ]
    reader = shard(tmp_path / "test-0.tar", files)
    tables = [feature_table(reader, ["dct", "pixels"], 2, threads) for threads in (1, 4)]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0].columns.tolist() == feature_names(["dct", "pixels"], 2)
    for i in (0, 1, 77, 159):
        assert np.array_equal(tables[0].iloc[i], extract(files[i], ["dct", "pixels"], 2))


def test_a_table_names_the_image_that_cannot_be_read(tmp_path: Path, photo: Image.Image) -> None:
    """A truncated image stops the work, and its key is in the line."""
    cut = encode(photo, "PNG")[:2000]
    reader = shard(tmp_path / "test-0.tar", [encode(photo), cut])
    with pytest.raises(UserError, match="k1: no readable image"):
        feature_table(reader, ["dct"], 1, 2)
