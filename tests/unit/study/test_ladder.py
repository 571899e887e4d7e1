"""The ladder of stores: which are tried on images of which size."""

import pytest

from jpegprep.images.variants import parse_variant
from jpegprep.study.ladder import ladder


def test_small_images_go_down_by_quality_alone() -> None:
    """Where the network sees them as they are, or larger, no size is tried; nor of unknown ones."""
    for sides in ([32] * 60, [160] * 60, [200] * 60, []):
        stores = ladder(sides, 160, ["jpeg"])
        assert stores == [f"jpeg-q{quality}-opt" for quality in range(90, 0, -10)]


def test_images_that_the_network_sees_smaller_are_made_smaller() -> None:
    """At 300 px to the size that it sees, at 500 px to twice that, too; never to quality 10."""
    assert "s160-jpeg-q60-opt" in ladder([300] * 60, 160, ["jpeg"])
    assert not [name for name in ladder([300] * 60, 160, ["jpeg"]) if name.startswith("s320")]
    stores = ladder([500] * 60, 160, ["jpeg"])
    assert stores.index("s320-jpeg-q70-opt") < stores.index("s160-jpeg-q80-opt")
    assert len(stores) == 10 and "jpeg-q10-opt" not in stores


def test_a_few_large_images_are_no_reason() -> None:
    """Less than a tenth of them: their bytes would hardly count."""
    assert len(ladder([500] * 5 + [100] * 55, 160, ["jpeg"])) == 9
    assert len(ladder([500] * 7 + [100] * 53, 160, ["jpeg"])) == 10


@pytest.mark.parametrize("codec", ["avif", "jpeg", "jpegli", "jxl", "webp"])
def test_every_codec_has_its_rungs(codec: str) -> None:
    """Names that stand for something, all different, also where sizes are tried."""
    for sides in ([32], [500]):
        stores = ladder(sides, 160, [codec])
        assert all(parse_variant(f"{name}-smaller") for name in stores)
        assert len(set(stores)) == len(stores)
