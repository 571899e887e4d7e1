"""What compression saves a year in money, what converting costs, and whether an epoch gets shorter.

Compression and shards are kept apart: the bytes are what compression saves, the number of objects,
and so of requests, is what shards save. Each is compared with the same otherwise. All is for one
number of images, at the mean bytes an image that were measured; prices are those of
config/prices.yaml.
"""

import json
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.answers.plan import TAR_BYTES
from jpegprep.common.table_files import write_table

GB = 1 << 30  # as bills count
SHARD_BYTES = 1 << 28  # of a shard, as `convert` writes them
_MONTHS = 12
_LEAST = 1.0  # units of the currency a year: what is less, nobody converts for
_LEAST_BENEFIT = 0.02  # of an epoch, as in evaluation.reading_table

PAYS, LATE, CENTS, NOTHING, UNSURE = "pays", "late", "cents", "no benefit", "not shown"

Prices = Mapping[str, Any]  # as `config.read_prices` returns them
Year = dict[str, float]  # storage, requests, egress, total


def year(size: float, objects: int, asked: Mapping[str, Any], prices: Prices) -> Year:
    """Return what storing and reading a data set costs a year.

    Args:
        size: its bytes.
        objects: how many files or shards it is; each reading of all images is a GET of each.
        asked: ``reads_a_month``, how often every image is read; ``egress``, the share of readings
            that leave the provider's network.
        prices: the prices.
    """
    reads, per = asked["reads_a_month"], {name: prices[name]["price"] for name in _PRICED}
    parts = {
        "storage": _MONTHS * size / GB * per["storage"],
        "requests": _MONTHS * reads * objects / 1000 * per["get"],
        "egress": _MONTHS * reads * asked["egress"] * size / GB * per["egress"],
    }
    return {**parts, "total": sum(parts.values())}


_PRICED = ("storage", "put", "get", "egress", "cpu")


def reckon(
    images: int,
    before: float,
    after: float,
    measured: Mapping[str, Any],
    asked: Mapping[str, Any],
    prices: Prices,
) -> dict[str, Any]:
    """Return what compression saves and costs.

    Args:
        images: how many they are.
        before: the mean bytes of an original.
        after: that of what becomes of it.
        measured: what `conversion_speed.measure_conversion` wrote.
        asked: as of `year`.
        prices: likewise.

    Returns:
        ``images``, ``bytes`` (before, after), ``objects`` (files, shards_before, shards); of both
        layouts, ``files`` and ``shards``: ``before`` and ``after``, a year's cost as of `year`,
        ``saved``, likewise, ``conversion`` (cpu, requests, total; each original is read, each
        result written once) and ``payback_months`` (None, where nothing is saved); ``by_shards``,
        what shards save of the originals' year without any compression; ``cpu_hours``;
        ``verdict``, of the files, and ``reason``.
    """
    sizes = {"before": images * before, "after": images * after}
    tars = {side: size + images * TAR_BYTES for side, size in sizes.items()}
    shards = {side: max(1, ceil(size / SHARD_BYTES)) for side, size in tars.items()}
    hours = images * measured["convert_seconds"] / 3600
    found: dict[str, Any] = {
        "images": images,
        "bytes": sizes,
        "objects": {"files": images, "shards_before": shards["before"], "shards": shards["after"]},
        "cpu_hours": hours,
    }
    for layout in ("files", "shards"):
        size = sizes if layout == "files" else tars
        count = dict.fromkeys(size, images) if layout == "files" else shards
        sides = {side: year(size[side], count[side], asked, prices) for side in size}
        saved = {part: sides["before"][part] - sides["after"][part] for part in sides["before"]}
        requests = (
            count["before"] * prices["get"]["price"] + count["after"] * prices["put"]["price"]
        )
        once = {"cpu": hours * prices["cpu"]["price"], "requests": requests / 1000}
        once["total"] = sum(once.values())
        paid = _MONTHS * once["total"] / saved["total"] if saved["total"] > 0 else None
        found[layout] = {**sides, "saved": saved, "conversion": once, "payback_months": paid}
    found["by_shards"] = {
        part: found["files"]["before"][part] - found["shards"]["before"][part]
        for part in found["files"]["before"]
    }
    found["verdict"], found["reason"] = _verdict(found, measured, prices)
    return found


def _verdict(
    found: Mapping[str, Any], measured: Mapping[str, Any], prices: Prices
) -> tuple[str, str]:
    """Return what is to be said of the files, and why."""
    files, currency = found["files"], prices["currency"]
    total, paid = files["saved"]["total"], files["payback_months"]
    if not files["before"]["total"]:
        return NOTHING, "at these prices storing and reading cost nothing"
    if total <= 0:
        return NOTHING, "compression does not make the images smaller"
    if total < _LEAST:
        return CENTS, f"a year saves {in_money(total, currency)}"
    if measured["saved_low"] is None or measured["saved_low"] <= 0:
        return (
            UNSURE,
            "the images measured are too few, or too unlike, to show that bytes are saved",
        )
    if paid > _MONTHS:
        dear = max(("cpu", "requests"), key=lambda part: files["conversion"][part])
        by = {"cpu": "its CPU hours", "requests": "its requests: a GET and a PUT a file"}[dear]
        return LATE, f"a year saves less than converting costs, most of it for {by}"
    return PAYS, f"converting is paid back after {in_months(paid)}"


def epoch(
    images: int,
    before: float,
    after: float,
    measured: Mapping[str, Any],
    bandwidth: float,
    threads: int,
    train_seconds: float | None,
) -> dict[str, Any]:
    """Return how long an epoch takes before and after, and what it waits for.

    It takes as long as the longest of reading at the bandwidth, decoding and training, as these run
    side by side.

    Args:
        images: how many they are.
        before: the mean bytes of an original.
        after: that of what becomes of it.
        measured: as of `reckon`.
        bandwidth: in MB/s (10^6 bytes/s).
        threads: how many decode.
        train_seconds: of an image in a training step, or None, where it was not measured.

    Returns:
        ``before`` and ``after``: seconds of ``reading``, ``decoding``, ``training`` (or None) and
        the ``epoch``, with ``limit``, the name of the longest; ``shorter``, the share of the epoch
        that is saved, 0 where it is below 2 %: no benefit; ``bandwidth`` and ``threads``.
    """
    found: dict[str, Any] = {"bandwidth": bandwidth, "threads": threads}
    for side, size, decode in (
        ("before", before, measured["decode_seconds"]),
        ("after", after, measured["decode_seconds_after"]),
    ):
        seconds = {
            "reading": images * size / (1e6 * bandwidth),
            "decoding": images * decode / threads,
            "training": images * (train_seconds or 0.0),
        }
        limit = max(seconds, key=lambda part: seconds[part])
        told = {**seconds, "training": seconds["training"] if train_seconds else None}
        found[side] = {**told, "epoch": seconds[limit], "limit": limit}
    ends = found["before"]["epoch"], found["after"]["epoch"]
    shorter = 1 - ends[1] / ends[0] if ends[0] else 0.0
    found["shorter"] = shorter if abs(shorter) >= _LEAST_BENEFIT else 0.0
    return found


def own_money(
    what: Mapping[str, Any],
    original: Mapping[Any, Any],
    compressed: Mapping[Any, Any],
    measured: Mapping[str, Any],
    planned: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the money of a recommendation: what `reckon` and `epoch` say, and what was asked.

    Args:
        what: of the configuration: total_images, if it is said, reads_a_month, egress, bandwidth,
            and prices.
        original: the originals' row of the table of sizes.
        compressed: the row of the ratio of the answer.
        measured: as of `reckon`.
        planned: the plan: how many images there are, and this machine's speed of training.
    """
    total = what.get("total_images")
    images = total or planned["of"]
    before, after = (float(row["bytes"] / row["images"]) for row in (original, compressed))
    asked = {name: what[name] for name in ("reads_a_month", "egress")}
    train = planned.get("speed", {}).get("training_seconds")
    threads = planned.get("speed", {}).get("threads", 1)
    return {
        "total_images": total,
        "measured_images": int(original["images"]),
        **asked,
        **reckon(images, before, after, measured, asked, what["prices"]),
        "epoch": epoch(images, before, after, measured, what["bandwidth"], threads, train),
        "measured": dict(measured),
        "prices": dict(what["prices"]),
    }


def in_words(money: Mapping[str, Any]) -> list[str]:
    """Return a recommendation's money as two paragraphs of Markdown: a year's bill, an epoch."""
    prices, files = money["prices"], money["files"]
    currency, about = prices["currency"], f"for {_scale(money)}"
    if money["verdict"] != PAYS:
        lead = "In money: not shown" if money["verdict"] == UNSURE else "No benefit in money"
        year = f"**{lead}**: {money['reason']}, {about}."
    else:
        sides = " → ".join(in_money(files[x]["total"], currency) for x in ("before", "after"))
        year = (
            f"**In money: {in_money(files['saved']['total'], currency)} a year** once the "
            f"originals are deleted ({sides}), {about}. Converting costs "
            f"{in_money(files['conversion']['total'], currency)} once "
            f"({money['cpu_hours']:,.2g} CPU hours), paid back after "
            f"{in_months(files['payback_months'])}."
        )
    whose = f"the prices of `{prices['file']}`"
    by = f"list prices, not yours: `prices` ({_dates(prices)})" if prices["default"] else whose
    return [f"{year} By {by}.", _epoch_words(money["epoch"])]


def _scale(money: Mapping[str, Any]) -> str:
    """Return for how many images, read how often."""
    images, reads = f"{money['images']:,} images", money["reads_a_month"]
    if not money["total_images"]:
        images = f"these {images} (`total_images`: how many you really have)"
    elif money["total_images"] != money["measured_images"]:
        images += f", if all are as the {money['measured_images']:,} measured"
    read = f"each read {reads:g} times a month" if reads else "stored, and never read"
    return f"{images}, {read}"


def _dates(prices: Prices) -> str:
    """Return the months of the prices: ``2024-12`` or ``2024-12 to 2026-06``."""
    dates = sorted(prices[name]["date"] for name in _PRICED)
    return dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"


def _epoch_words(found: Mapping[str, Any]) -> str:
    before, after = found["before"], found["after"]
    at = f"at {found['bandwidth']:g} MB/s (`bandwidth`)"
    if not found["shorter"]:
        waits = {
            "training": "the network, by this machine's speed",
            "decoding": f"decoding, in {_threads(found['threads'])}",
            "reading": "reading, of as many bytes",
        }[after["limit"]]
        return f"**No shorter epoch**: {at} it waits for {waits}."
    change = "shorter" if found["shorter"] > 0 else "longer"
    untold = "" if after["training"] is not None else ", where the network is not slower"
    return (
        f"**An epoch is {abs(found['shorter']):.0%} {change}** {at}: "
        f"{in_seconds(before['epoch'])} ({before['limit']}) → {in_seconds(after['epoch'])} "
        f"({after['limit']}), decoded in {_threads(found['threads'])}{untold}."
    )


def _threads(threads: int) -> str:
    return "one thread" if threads == 1 else f"{threads} threads"


def prices_in_words(prices: Prices) -> str:
    """Return the prices in one line."""
    price = {name: f"{prices[name]['price']:g}" for name in _PRICED}
    return (
        f"{price['storage']} {prices['currency']} a GB-month, {price['get']} a thousand GETs, "
        f"{price['put']} a thousand PUTs, {price['egress']} a GB of egress, "
        f"{price['cpu']} a CPU hour"
    )


def in_money(amount: float, currency: str) -> str:
    """Return ``0.04 USD``, ``12.30 USD`` or ``1,234 USD``; what is less than a cent in words."""
    if 0 < abs(amount) < 0.005:
        return f"less than 0.01 {currency}"
    return f"{amount:,.0f} {currency}" if abs(amount) >= 100 else f"{amount:,.2f} {currency}"


def in_months(months: float) -> str:
    """Return ``less than a month``, ``3.2 months``."""
    return "less than a month" if months < 1 else f"{months:,.1f} months"


def in_seconds(seconds: float) -> str:
    """Return ``12 s``, ``3.5 minutes`` or ``2.1 hours``."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1g} s"


_COLUMNS = [
    *("dataset", "ratio", "images", "measured_images", "mean_bytes_before", "mean_bytes_after"),
    *("reads_a_month", "egress", "currency", "objects_files", "objects_shards"),
    *("year_before", "year_after", "saved", "saved_storage", "saved_requests", "saved_egress"),
    *("shards_year_before", "shards_year_after", "cpu_hours", "conversion_cost"),
    *("payback_months", "verdict", "reason"),
]


def money_table(
    sizes: str | Path,
    conversions: Mapping[str, str | Path],
    asked: Mapping[str, Any],
    ratio: float,
    *targets: str | Path,
    reading: str | Path | None = None,
) -> None:
    """Write what a ratio saves a year of each data set, and what converting it costs.

    Args:
        sizes: the table of `sizes.size_vs_ratio`.
        conversions: of each data set what `conversion_speed.measure_conversion` wrote.
        asked: ``prices``, and maybe ``total_images``, ``reads_a_month`` and ``egress``: 0, where
            they are not said.
        ratio: which is compared with the original.
        targets: files to write, .csv, .md or .html: a row a data set.
        reading: the table of `reading_table.reading_table`, where the study has it.
    """
    table = pd.read_csv(sizes)
    scale = {name: asked.get(name, 0) for name in ("reads_a_month", "egress")}
    prices, rows, shown = asked["prices"], [], []
    for dataset, path in conversions.items():
        of_dataset = table[table["dataset"] == dataset].to_dict("records")
        row_of: dict[float, dict[Any, Any]] = {row["ratio"]: row for row in of_dataset}
        original, compressed = row_of[1.0], row_of[ratio]
        measured = json.loads(Path(path).read_text(encoding="utf-8"))
        images = asked.get("total_images") or int(original["images"])
        sides = float(original["mean_bytes"]), float(compressed["mean_bytes"])
        found = reckon(images, *sides, measured, scale, prices)
        rows.append(_row(dataset, ratio, int(original["images"]), sides, found, scale, prices))
        shown.append(_shown(dataset, found, prices) | _epochs(reading, dataset, ratio))
    numbers = pd.DataFrame(rows, columns=_COLUMNS)
    write_table(numbers, pd.DataFrame(shown), _note(asked, scale, ratio, prices), targets)


def _row(
    dataset: str,
    ratio: float,
    measured_images: int,
    sides: tuple[float, float],
    found: Mapping[str, Any],
    scale: Mapping[str, Any],
    prices: Prices,
) -> dict[str, Any]:
    files, shards = found["files"], found["shards"]
    return {
        **{"dataset": dataset, "ratio": ratio, "images": found["images"]},
        **{"measured_images": measured_images, **scale, "currency": prices["currency"]},
        **{"mean_bytes_before": sides[0], "mean_bytes_after": sides[1]},
        "objects_files": found["objects"]["files"],
        "objects_shards": found["objects"]["shards"],
        **{f"year_{side}": files[side]["total"] for side in ("before", "after")},
        "saved": files["saved"]["total"],
        **{f"saved_{part}": files["saved"][part] for part in ("storage", "requests", "egress")},
        **{f"shards_year_{side}": shards[side]["total"] for side in ("before", "after")},
        "cpu_hours": found["cpu_hours"],
        "conversion_cost": files["conversion"]["total"],
        **{name: found[name] for name in ("verdict", "reason")},
        "payback_months": files["payback_months"],
    }


def _shown(dataset: str, found: Mapping[str, Any], prices: Prices) -> dict[str, str]:
    """Return a row as people read it."""
    files, currency = found["files"], prices["currency"]

    def money(amount: float) -> str:
        return in_money(amount, currency).removesuffix(f" {currency}")

    row = {"data set": dataset, "images": f"{found['images']:,}"}
    row[f"a year, {currency}"] = (
        f"{money(files['before']['total'])} → {money(files['after']['total'])}"
    )
    row["saved"] = money(files["saved"]["total"])
    for part in ("storage", "requests", "egress"):
        row[f"of it {part}"] = money(files["saved"][part])
    row["in shards"] = " → ".join(money(found["shards"][x]["total"]) for x in ("before", "after"))
    row["objects, files → shards"] = (
        f"{found['objects']['files']:,} → {found['objects']['shards']:,}"
    )
    row["CPU hours"] = f"{found['cpu_hours']:,.2g}"
    row["conversion"] = money(files["conversion"]["total"])
    told = {PAYS: "", UNSURE: "not shown: "}.get(found["verdict"], "no benefit: ")
    row["verdict"] = f"{told}{found['reason']}"
    return row


def _epochs(reading: str | Path | None, dataset: str, ratio: float) -> dict[str, str]:
    """Return what the experiment `reading` says of an epoch, at each bandwidth."""
    if reading is None:
        return {}
    table = pd.read_csv(reading)
    rows = table[(table["dataset"] == dataset) & (table["ratio"] == ratio)]
    told = [f"{_limit(row['bandwidth'])}: {row['verdict']}" for _, row in rows.iterrows()]
    return {"epoch": "; ".join(told)}


def _limit(bandwidth: float) -> str:
    return "no limit" if pd.isna(bandwidth) else f"{bandwidth:g} MB/s"


def _note(asked: Mapping[str, Any], scale: Mapping[str, Any], ratio: float, prices: Prices) -> str:
    images = (
        f"for {asked['total_images']:,} images each, as if all were like those measured"
        if asked.get("total_images")
        else "for the images of the study themselves (money.total_images: for as many)"
    )
    whose = "defaults, which are nobody's" if prices["default"] else f"those of {prices['file']}"
    return (
        f"Originals against ratio {ratio:g}, {images}; each read {scale['reads_a_month']:g} times "
        f"a month, {scale['egress']:.0%} of that outside of the provider's network. A year: of "
        f"files, an object each; in shards: of {SHARD_BYTES >> 20} MiB, for originals → "
        "compressed. Requests are what shards save, not compression. Conversion: its CPU hours, "
        "measured in one thread, a GET of each original and a PUT of each result. While the "
        "originals are kept, nothing is saved. Prices are "
        f"{whose} ({_dates(prices)}): {prices_in_words(prices)}."
    )
