"""Formats: which image files are opened, by whom, and which are known by their names alone.

Pillow opens most. Beside it here stand HEIC and HEIF (pi-heif), JPEG XL (imagecodecs), and TIFF of
several channels of more than 8 bits (tifffile). The readers are imported where they are needed.
"""

import io
import logging
from functools import cache
from pathlib import PurePosixPath
from typing import IO, Any

import numpy as np
from PIL import AvifImagePlugin, Image, ImageFile, TiffImagePlugin

from jpegprep.images import exif, jpegxl, tiff

# Formats that are called images and that nothing here reads.
_NOT_READ = {
    # of cameras, as their sensors saw it
    *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".srf", ".sr2", ".raf", ".orf"),
    *(".rw2", ".rwl", ".pef", ".srw", ".x3f", ".3fr", ".fff", ".iiq", ".kdc", ".dcr", ".mrw"),
    *(".erf", ".mef", ".mos"),
    # of medicine
    *(".dcm", ".dicom", ".nii", ".mha", ".mhd", ".nrrd"),
    # of microscopes
    *(".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi", ".svs", ".ndpi", ".scn", ".mrxs"),
    # of programs that paint and draw, and others
    *(".psd", ".psb", ".xcf", ".kra", ".svg", ".svgz", ".exr", ".hdr", ".jxr", ".wdp", ".bpg"),
}
# Their files begin as a TIFF: what Pillow opens of one is a small preview.
_LIKE_TIFF = {
    *(".dng", ".nef", ".nrw", ".cr2", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".rwl", ".pef"),
    *(".srw", ".3fr", ".fff", ".iiq", ".kdc", ".dcr", ".erf", ".mef", ".mos"),
}
# Pixels beyond which a format's reader takes 2 GiB of memory: it holds a picture several times.
_LARGEST = {"JPEG2000": 80_000_000}
_LARGEST |= dict.fromkeys(("AVIF", "HEIF", "JXL", "WEBP"), 100_000_000)
_HEIF = (".heic", ".heics", ".heif", ".heifs", ".hif")
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def opened(data: bytes) -> Image.Image:
    """Open an image file: its header is read, its pixels are not.

    Raises:
        Exception: of any kind, where it is damaged or no image; `PIL.Image.DecompressionBombError`
            where it has too many pixels.
    """
    _register()
    _check_pixels("WEBP", *_webp_size(data))  # Pillow makes its canvas before it looks at its size
    image = Image.open(io.BytesIO(data))
    _check_pixels(str(image.format), *image.size)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode == "1":
        image.__class__ = _Fax if image.info["compression"] in _FAX else image.__class__
    return image


def _check_pixels(form: str, width: int, height: int) -> None:
    largest = _LARGEST.get(form)
    if largest and width * height > largest:
        raise Image.DecompressionBombError(f"over {largest:,} pixels in {form}")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a WebP file's canvas, 0 of any other file (RFC 9649)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return 0, 0
    kind, head = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        width, height = head[4:7], head[7:10]
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
    if kind == b"VP8L":
        sides = int.from_bytes(head[1:5], "little")
        return 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    width, height = head[6:8], head[8:10]
    return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF


def opened_by_pillow_alone(image: Image.Image) -> bool:
    """Tell whether `opened` needed nothing but Pillow."""
    return image.format != "HEIF" and not isinstance(image, _ByArray)


def suffixes() -> frozenset[str]:
    """Return the endings, in lower case and with a dot, of the formats that are opened."""
    _register()
    known = Image.registered_extensions()
    return frozenset({end for end, form in known.items() if form in Image.OPEN} | {".mpo"})


def not_read(name: str, data: bytes, form: str | None) -> str | None:
    """Return the ending of a file that is called an image of a format that nothing here reads.

    Args:
        name: the file's.
        data: its bytes.
        form: its format, as Pillow calls what it opens; None where it opens nothing.

    Returns:
        None, where it is read, or is called otherwise. Raw files of cameras are not read, though
        Pillow opens the previews in many. A file without an ending may say what it is, too.
    """
    ending = PurePosixPath(name).suffix.lower()
    if form is not None:
        return ending if form == "TIFF" and ending in _LIKE_TIFF else None
    if ending in _NOT_READ:
        return ending
    return ".dcm" if data[128:132] == b"DICM" else None


@cache
def _register() -> None:
    """Let Pillow open what it does not open by itself."""
    Image.preinit()  # before all others: Pillow asks formats in the order in which they came
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # images are decoded side by side, each by one thread
    logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # what it cannot, ours may
    Image.register_open("HEIF", _open_heif, _is_heif)
    Image.register_extensions("HEIF", list(_HEIF))
    Image.register_open("JXL", JpegXl, _is_jpegxl)
    Image.register_extension("JXL", ".jxl")
    Image.register_open("TIFF of many bits", ManyBits, _is_tiff)


def _is_heif(prefix: bytes) -> bool:
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _BRANDS


def _open_heif(file: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
    from pi_heif.as_plugin import HeifImageFile

    return HeifImageFile(file, name)


def _is_jpegxl(prefix: bytes) -> bool:
    return prefix.startswith((jpegxl.CODESTREAM, jpegxl.CONTAINER))


def _is_tiff(prefix: bytes) -> bool:
    return prefix[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class _ByArray(ImageFile.ImageFile):
    """An image whose pixels come as an array from elsewhere."""

    def load(self) -> Any:
        """Read the pixels."""
        if self.fp is not None:
            self.fp.seek(0)
            pixels = self._pixels(self.fp.read())
            pixels = pixels.reshape(*pixels.shape[:2], -1)[:, :, : len(self.getbands())]
            if pixels.dtype != np.uint8 or pixels.shape[:2] != self._size[::-1]:
                raise ValueError(f"an array of {pixels.dtype} {pixels.shape} is no such image")
            self.im = Image.frombytes(self._mode, self._size, pixels.tobytes()).im
            self.fp = None
        return super().load()

    def _pixels(self, data: bytes) -> Any:
        raise NotImplementedError


class JpegXl(_ByArray):
    """A JPEG XL file.

    Attributes:
        header: what it says of itself.
    """

    format, format_description = "JXL", "JPEG XL"

    def _open(self) -> None:
        data = self.fp.read()  # type: ignore[union-attr]
        try:
            self.header = jpegxl.read_header(data)
            self.info.update(jpegxl.metadata(data))
        except ValueError as error:
            raise SyntaxError(str(error)) from None
        self._size = self.header.width, self.header.height
        self._mode = ("L" if self.header.gray else "RGB") + "A" * self.header.alpha
        if block := self.info.get("exif"):
            # The codestream says how it is turned, and is decoded upright.
            self.info["exif"] = exif.PREFIX + exif.upright(block)
        self.is_animated, self.n_frames = self.header.animated, 1 + self.header.animated

    def _pixels(self, data: bytes) -> Any:
        return jpegxl.decode(data)


_FAX = ("group3", "group4", "tiff_ccitt")  # as Pillow calls the schemes of CCITT


class _Fax(TiffImagePlugin.TiffImageFile):
    """A TIFF file compressed as a fax, whose first page is read by other means than Pillow's.

    Where such a file is damaged, libtiff leaves rows as memory held them, and tells nobody.
    """

    def _load_libtiff(self) -> Any:
        about, pixels = tiff.values(self.fp.getvalue())  # type: ignore[union-attr]
        white = pixels[:, :, 0].astype(bool) != about.inverted
        self.im = Image.fromarray(white).im
        self.tile, self.readonly = [], 0
        self.load_end()
        return Image.Image.load(self)


class ManyBits(_ByArray):
    """A TIFF file that Pillow does not open: of many bits, or of channels that are no picture.

    Attributes:
        layout: of its first page.
    """

    format, format_description = "TIFF", "TIFF of many bits"

    def _open(self) -> None:
        try:
            self.layout = tiff.layout(self.fp.read())  # type: ignore[union-attr]
        except ValueError as error:
            raise SyntaxError(str(error)) from None
        self._size = self.layout.width, self.layout.height
        self._mode = {3: "RGB", 4: "CMYK"}.get(self.layout.colours, "L")
        if self.layout.alpha and self._mode != "CMYK":
            self._mode += "A"
        self.info.update(self.layout.info)
        self.is_animated, self.n_frames = self.layout.several, 1 + self.layout.several

    def _pixels(self, data: bytes) -> Any:
        about, pixels = tiff.values(data)
        if not about.colours:
            raise ValueError(f"{about.channels} channels are no picture")
        return pixels
