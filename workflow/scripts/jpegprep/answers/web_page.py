"""recommendation.html: the recommendation as one file that a browser opens without a network.

What it says comes from `page`, as in recommendation.md; how it looks from the folder `web`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import vl_convert

from jpegprep.answers import charts
from jpegprep.answers.page import parts_of, said
from jpegprep.answers.pictures import LOST, as_json, choose, pictures_within, thumbnail
from jpegprep.answers.proposal import rungs, with_uses
from jpegprep.answers.templates import rendered, script
from jpegprep.common.files import write_text
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parquet import read_parquet
from jpegprep.common.records import read_run
from jpegprep.datasets.problems import OK, PROBLEMS
from jpegprep.evaluation.decision import in_points, points
from jpegprep.evaluation.losses import class_rows, read_ratios
from jpegprep.images.variants import in_words, store_of
from jpegprep.learners.runs import read_predictions
from jpegprep.shards.shards import ShardReader, splits_of

LARGEST = 5_000_000  # bytes of the page
_FOR_PICTURES, _FOR_THUMBNAILS = 3_500_000, 250_000  # characters
_CLASSES, _EXAMPLES = 20, 3
_ROOM = 7  # per cent of the bytes, for a name in the plot


def write_page(
    name: str,
    probe: str,
    numbers: str | Path,
    differences: str | Path,
    accuracy: str | Path,
    sizes: str | Path,
    uses: str | Path,
    predictions: Mapping[str, Sequence[str | Path]],
    manifest: str | Path,
    split: str | Path,
    originals: str | Path,
    target: str | Path,
) -> str:
    """Write recommendation.html; return a line that says where it is.

    Args:
        name: of the images.
        probe: the learner that is the probe.
        numbers: recommendation.json.
        differences: the study's table.
        accuracy: likewise.
        sizes: likewise.
        uses: what `uses.measure_uses` wrote.
        predictions: of the probe, by variant a file a seed, the original's first.
        manifest: of the images.
        split: likewise.
        originals: the folder of their shards. What stores make of them is made again: the same
            bytes as in the stores' shards.
        target: the page to write.

    Raises:
        UserError: where a file is damaged.
    """
    facts = json.loads(Path(numbers).read_text(encoding="utf-8"))
    rows = with_uses(rungs(differences, probe, sizes), uses)
    reached = pd.read_csv(accuracy)
    told = said(facts, rows)
    stores = _stores(facts, rows, reached[reached["learner"] == probe])
    shown = _store_shown(facts, stores)
    run = read_run(Path(predictions[ORIGINAL][0]).with_name("run.json"))
    reader = ShardReader([tar for tars in splits_of(originals).values() for tar in tars])
    data: dict[str, Any] = {
        "stores": json.loads(stores.to_json(orient="records")),
        "chosen": shown,
        "trade_off": charts.trade_off(
            stores, 100 * facts["margin"], shown or "", _tuned(facts, stores, shown)
        ),
        "classes": None,
        "parts": charts.by_part(parts := parts_of(facts["free"])),
        "pictures": [],
        "view": facts["image_size"],
    }
    if shown:
        of_classes = _classes(predictions, split, shown)
        data["classes"] = charts.by_class(of_classes.head(_CLASSES), 100 * facts["class_margin"])
        data["classes_of"] = [min(_CLASSES, len(of_classes)), len(of_classes)]
        data["pictures"] = _pictures(
            facts, stores, shown, predictions, split, reader, run["recipe"]["eval_crop"]
        )
    page = rendered(
        "recommendation.html",
        name=name,
        facts=facts,
        told=told,
        data=data,
        stores=stores.to_dict("records"),
        parts=parts.to_dict("records"),
        lost=LOST,
        problems=_problems(facts, manifest, reader),
        run=run,
        margin=in_points(facts["margin"]),
        bundle=script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")),
    )
    write_text(target, page)
    return f"To look at in a browser: {target}"


def _stores(facts: Mapping[str, Any], probe: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return what `charts.trade_off` draws, a row a store, the most bytes first."""
    margin = facts["margin"]
    rows = probe.merge(
        accuracy[["variant", "accuracy", "low", "high"]],
        on="variant",
        suffixes=("", "_accuracy"),
        validate="one_to_one",
    )
    passed = (rows["low"] > -margin).cummin()
    known = [
        charts.EXCLUDED if shown else charts.LOSES if high <= -margin else charts.OPEN
        for shown, high in zip(passed, rows["high"], strict=True)
    ]
    found = pd.DataFrame(
        {
            "store": rows["variant"],
            "label": [in_words(store_of(name)) for name in rows["variant"]],
            "short": [_short(store_of(name)) for name in rows["variant"]],
            "percent": 100 * rows["relative_size"],
            "size": [
                f"{of:.1%} of the originals’, {mean / 1000:,.1f} kB an image"
                for of, mean in zip(rows["relative_size"], rows["mean_bytes"], strict=True)
            ],
            "accuracy": [
                f"{value:.3f} [{low:.3f}, {high:.3f}]"
                for value, low, high in rows[
                    ["accuracy", "low_accuracy", "high_accuracy"]
                ].to_numpy()
            ],
            **{side: 100 * rows[side] for side in ("difference", "low", "high")},
            "interval": [f"{text} points" for text in points(rows)],
            "n": rows["n"],
            "known": known,
            "said": [_of_loss(margin)[one] for one in known],
        }
    )
    return _named_once(found).reset_index(drop=True)


def _short(store: str) -> str:
    """Return what stands at a store's point: its quality, and what else it is but plain JPEG."""
    return re.sub(r"^(s\d+-)?jpeg-q(\d+)-opt$", lambda m: f"{m[1] or ''}{m[2]}", store)


def _of_loss(margin: float) -> dict[str, str]:
    """Return in words what is known of a store's loss."""
    loss = f"of {in_points(margin)} or more"
    return {
        charts.EXCLUDED: f"{loss} is excluded, here and with all more bytes",
        charts.OPEN: f"{loss} is neither excluded nor shown",
        charts.LOSES: f"{loss} is shown",
    }


def _named_once(stores: pd.DataFrame) -> pd.DataFrame:
    """Return stores whose points coincide under one name in the plot: they kept the same files."""
    places = [stores["percent"].round(1), stores["difference"].round(2)]
    names = stores.groupby(places, sort=False)["short"].transform(", ".join)
    first = ~pd.concat(places, axis=1).duplicated()
    height = stores["high"].max() - stores["low"].min()
    sides, last = ["above"], stores.iloc[0]
    for (_, row), named in zip(stores.iloc[1:].iterrows(), first.iloc[1:], strict=True):
        side = "above"
        if named and last["percent"] - row["percent"] < _ROOM:  # no room for two side by side
            steep = abs(last["difference"] - row["difference"]) > height / 20
            side = "right" if steep else "below" if sides[-1] == "above" else "above"
        sides.append(side)
        last = row if named else last
    return stores.assign(short=names.where(first, ""), side=sides)


def _store_shown(facts: Mapping[str, Any], stores: pd.DataFrame) -> str | None:
    """Return the store that the page shows first: the answer's, or the first that saves bytes."""
    if facts["store"] is not None:
        chosen = stores[stores["store"].map(store_of) == facts["store"]]
    else:
        chosen = stores[stores["percent"] < 100]
    return None if chosen.empty else str(chosen["store"].iloc[0])


def _tuned(facts: Mapping[str, Any], stores: pd.DataFrame, shown: str | None) -> pd.DataFrame:
    """Return the fine-tuned networks as `charts.trade_off` draws them."""
    fine = facts["fine_tuned"]
    if not fine or shown is None:
        return stores.iloc[:0]
    found, margin = fine["difference"], facts["margin"]
    known = charts.LOSES if found["high"] <= -margin else charts.OPEN
    said_of = _of_loss(margin)[known]
    if found["low"] > -margin:
        said_of = f"of {in_points(margin)} or more is excluded"
    sides = {side: 100 * found[side] for side in ("difference", "low", "high")}
    reached, own = fine["compressed"], stores[stores["store"] == shown]
    return own.assign(
        label=own["label"] + f": {found['pairs']} pairs of fine-tuned networks",
        accuracy=f"{reached['accuracy']:.3f} [{reached['low']:.3f}, {reached['high']:.3f}]",
        interval=f"{points(pd.DataFrame([found]))[0]} points",
        said=said_of,
        **sides,
    )


def _classes(
    predictions: Mapping[str, Sequence[str | Path]], split: str | Path, variant: str
) -> pd.DataFrame:
    """Return what `charts.by_class` draws, those that lose most first."""
    rows = class_rows("", "", read_ratios({x: predictions[x] for x in (ORIGINAL, variant)}, split))
    rows = rows.sort_values("difference", kind="stable").reset_index(drop=True)
    return pd.DataFrame(
        {
            "class": [" ".join(name.split()) for name in rows["class"]],
            **{side: 100 * rows[side] for side in ("difference", "low", "high")},
            "accuracy": [
                f"{before:.2f} → {after:.2f}"
                for before, after in zip(rows["original_accuracy"], rows["accuracy"], strict=True)
            ],
            "interval": [f"{text} points" for text in points(rows)],
            "n": rows["n"].map("{:,}".format),
        }
    )


def _pictures(
    facts: Mapping[str, Any],
    stores: pd.DataFrame,
    shown: str,
    predictions: Mapping[str, Sequence[str | Path]],
    split: str | Path,
    reader: ShardReader,
    eval_crop: float,
) -> list[dict[str, Any]]:
    """Return images as the page's script reads them."""
    tested = read_predictions(predictions[ORIGINAL][0])
    place = pd.Series(range(len(reader)), index=reader.keys)
    rows = place.reindex(tested["key"]).to_numpy()  # of each tested image
    labels = tested["label"].to_numpy()
    percent = stores.set_index("store")["percent"]
    sure = {of: _of_true_class(predictions[of], labels) for of in (ORIGINAL, *percent.index)}
    chosen = choose(sure[ORIGINAL], sure[shown], labels, reader.sizes[rows])
    order = sorted(percent.index, key=lambda name: abs(percent[name] - percent[shown]))
    names = read_parquet(split, ["class", "label"]).to_pandas().drop_duplicates()
    class_of = names.set_index("label")["class"]
    at = {int(row): i for i, row in enumerate(rows)}
    pictures, kept = pictures_within(
        _FOR_PICTURES,
        reader,
        [replace(one, row=int(rows[one.row])) for one in chosen],
        [name for name in order if percent[name] < 100] or [shown],
        facts["image_size"],
        eval_crop,
    )
    found = []
    for one, of in pictures:
        i = at[one.row]
        about = {
            "class": " ".join(str(class_of[labels[i]]).split()),
            "key": str(tested["key"].iloc[i]),
            "sure": {"": float(sure[ORIGINAL][i])} | {name: float(sure[name][i]) for name in kept},
        }
        found.append(as_json(one, of, about))
    return found


def _of_true_class(
    predictions: Sequence[str | Path], labels: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Return the probability of each image's true class, (n,), a mean over seeds."""
    found = np.zeros(len(labels))
    for path in predictions:
        column = read_parquet(path, ["probabilities"])["probabilities"].combine_chunks()
        probabilities = column.flatten().to_numpy().reshape(len(column), -1)
        found += probabilities[np.arange(len(labels)), labels]
    return found / len(predictions)


def _problems(
    facts: Mapping[str, Any], manifest: str | Path, reader: ShardReader
) -> list[dict[str, Any]]:
    """Return what is wrong with images, with examples: of what is set aside the names alone."""
    if not facts["manifest"]["problems"]:
        return []
    files = read_parquet(manifest, ["key", "member", "problems", "handling"]).to_pandas()
    place = {key: i for i, key in enumerate(reader.keys.tolist())}
    found, room = [], _FOR_THUMBNAILS
    for told in facts["manifest"]["problems"]:
        same = (files["problems"] == told["problem"]) & (files["handling"] == told["handling"])
        examples = []
        for row in files[same & (files["problems"] != OK)].head(_EXAMPLES).to_dict("records"):
            uri = ""
            if row["key"] in place:
                uri = thumbnail(reader.image(place[row["key"]]), reader.decoding)
            room -= len(uri)
            examples.append({"name": row["member"], "uri": uri if room > 0 else ""})
        meanings = [PROBLEMS[one].meaning for one in told["problem"].split(", ") if one in PROBLEMS]
        found.append({**told, "meaning": "; ".join(meanings), "examples": examples})
    return found
