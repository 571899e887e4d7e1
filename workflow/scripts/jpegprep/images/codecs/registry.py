"""The codecs by name. One more is a module beside these, and its name here."""

from jpegprep.images.codecs import avif, jpeg, jpegli, jxl, webp
from jpegprep.images.codecs.codec import Codec

CODECS: dict[str, Codec] = {codec.ABOUT.name: codec for codec in (jpeg, jpegli, webp, avif, jxl)}
