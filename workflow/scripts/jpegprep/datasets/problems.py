"""What can be wrong with a file of a data set, and what happens to it then."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What happens to a file with a problem, and what the problem is."""

    handling: str
    meaning: str


OK = "ok"
KEPT, REPAIRED, SET_ASIDE = "kept", "repaired", "set aside"
RARE, RESPELLED = "rare class", "respelled class"
NO_READER, NOT_SRGB = "no reader", "not sRGB"
DEEP, TRANSPARENT, ANIMATED = "over 8 bits", "transparent", "animated"
FEWEST = 3  # usable images of a class: one for each of train, val and test
# Every problem a manifest knows. Shards of originals hold the publisher's bytes whatever is
# repaired: that happens when an image is decoded, to be treated or trained on.
PROBLEMS = {
    "outside": Rule(SET_ASIDE, "lies where no image of a class lies"),
    "link": Rule(SET_ASIDE, "a link or a device in the archive: never followed"),
    "unlisted": Rule(SET_ASIDE, "not in the publisher's list of images"),
    "too large": Rule(SET_ASIDE, "more pixels than are opened or JPEG holds, or a file of 512 MiB"),
    NO_READER: Rule(
        SET_ASIDE, "called an image, of a format that is not read (raw, DICOM, PSD and others)"
    ),
    "bands": Rule(SET_ASIDE, "several channels that are no picture, as of satellites"),
    "not an image": Rule(SET_ASIDE, "no format that is known"),
    "truncated": Rule(SET_ASIDE, "begins as an image, but cannot be decoded to its end"),
    RARE: Rule(SET_ASIDE, "of a class with too few images for train, val and test"),
    "mislabelled": Rule(
        REPAIRED, "named for another format: read, and named in shards, by content"
    ),
    "rotated": Rule(REPAIRED, "turned by its EXIF orientation: decoded upright"),
    DEEP: Rule(REPAIRED, "more than 8 bits a channel: mapped to 8 by the range of the data set"),
    "cmyk": Rule(REPAIRED, "CMYK: trained on as RGB; its JPEG variants stay CMYK, as Pillow's do"),
    "palette": Rule(REPAIRED, "palette: decoded to RGB"),
    TRANSPARENT: Rule(REPAIRED, "some of it is transparent: laid on white, or as `alpha` says"),
    "extra channel": Rule(REPAIRED, "a channel beside colour and transparency, which is left out"),
    ANIMATED: Rule(REPAIRED, "several frames or pages: the first one counts"),
    NOT_SRGB: Rule(
        KEPT, "its profile is not sRGB: its numbers are taken as they are, or as `icc` says"
    ),
    "grayscale": Rule(KEPT, "one channel: trained on as three equal ones"),
    RESPELLED: Rule(
        KEPT, "its class's name stands there in two Unicode spellings (NFC, NFD): one class"
    ),
    "duplicate": Rule(
        KEPT, "the same bytes as an earlier image; split.duplicates says what follows"
    ),
}
