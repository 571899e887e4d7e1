"""The plan of a recommendation: what fits into the minutes, and how it is told."""

from typing import Any

import pytest

from jpegprep.answers.budget import plan, told

PROBE = {"image_size": 160, "regularization": [0.01, 0.1], "folds": 5}
NETWORK = {"image_size": 160, "epochs": 5}
SPEED = {
    "treat_seconds": 0.02,
    "features_seconds": 0.007,
    "changed": {f"jpeg-q{q}0-smaller": 1.0 for q in range(1, 10)},
    "training_seconds": 0.04,
}


def planned(minutes: float, images: int = 4000, **changes: Any) -> dict[str, Any]:
    """Return what fits into so many minutes."""
    arguments: dict[str, Any] = {"speed": SPEED, "images": images, "classes": 17, "probe": PROBE}
    arguments |= {"repeats": 4, "network": NETWORK, "pairs": 5, "larger": 224, "threads": 2}
    arguments["fixed"] = False
    return plan(**{**arguments, **changes}, left=60 * minutes)


def test_all_images_are_looked_at_before_networks_are_trained() -> None:
    """In a quarter of an hour there is time for the probe alone; in hours for everything."""
    short, long = planned(12), planned(300)
    assert (short["images"], short["pairs"]) == (4000, None)
    assert long["larger"] == 224
    assert long["pairs"] == {
        **{"folds": 5, "train_images": 3200, "test_images": 800},
        **{"epochs": 5, "image_size": 160},
    }


@pytest.mark.parametrize("minutes", [2, 5, 15, 30, 45, 60, 90, 150])
def test_a_plan_fits_into_its_minutes(minutes: float) -> None:
    """Whatever the minutes buy, it takes no more of them."""
    found = planned(minutes)
    assert sum(found["seconds"].values()) <= 60 * minutes * 1.001
    assert found["images"] <= found["of"] == 4000


def test_a_few_images_are_looked_at_whole_however_short_the_time() -> None:
    """Eight of ninety told nothing; of many, two hundred are looked at where no time is left."""
    assert planned(0.1, images=90, classes=2)["images"] == 90
    assert planned(0.1)["images"] == 200


def test_more_minutes_buy_more() -> None:
    """First images, then networks, each on more images, in more epochs, at more pixels."""
    plans = [planned(minutes) for minutes in (3, 6, 15, 30, 60, 120, 240)]
    images = [one["images"] for one in plans]
    assert images == sorted(images) and images[0] < 4000 == images[-1]
    work = [
        one["pairs"]["train_images"] * one["pairs"]["epochs"] * one["pairs"]["image_size"] ** 2
        if one["pairs"]
        else 0
        for one in plans
    ]
    assert work == sorted(work) and work[0] == 0 < work[-1]


def test_ratios_that_change_no_image_cost_no_time() -> None:
    """Of files of JPEG quality 75 those from 0.9 to 0.7 are their sources."""
    changed = {name: float(i > 2) for i, name in enumerate(SPEED["changed"])}
    found = planned(15, speed={**SPEED, "changed": changed})
    assert found["seconds"]["look"] < 0.75 * planned(15)["seconds"]["look"]


def test_networks_that_are_not_asked_for_are_not_planned() -> None:
    """Nor is a size that is not larger."""
    found = planned(300, network=None, larger=None)
    assert found["pairs"] is found["larger"] is None
    assert found["seconds"]["pairs"] == found["seconds"]["larger"] == 0


def test_a_network_of_one_size_is_trained_at_it() -> None:
    """Where others would see fewer pixels, it is not trained at all."""
    assert planned(25)["pairs"]["image_size"] == 128
    assert planned(25, fixed=True)["pairs"] is None


def test_a_few_images_are_trained_on_whole() -> None:
    """Forty images have no twenty of each class: all of the other folds are trained on."""
    found = planned(60, images=40, classes=2)
    assert found["pairs"]["train_images"] == 32
    assert found["pairs"]["test_images"] == 8


def test_the_plan_is_told_in_words() -> None:
    """How many images of how many, whether networks are trained, how long it takes."""
    text = told(planned(3), 3)
    assert "images of 4,000, a sample; more minutes look at more" in text
    assert "no networks are fine-tuned: pairs of them take more minutes" in text
    text = told(planned(300), 300)
    assert "the probe looks at all 4,000 images" in text
    assert "once more at 224 px" in text
    assert "5 pairs of networks are fine-tuned, each on 3,200 images, in 5 epochs at 160 px" in text
