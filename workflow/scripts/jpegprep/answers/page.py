"""The recommendation as people read it: each sentence from the facts that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import pandas as pd

from jpegprep.answers import money
from jpegprep.answers.verdicts import (
    CANNOT_TELL,
    LEAST_PAIRS,
    LEAVE,
    LOSES,
    NOT_SHOWN,
    USE,
    USE_PROBE,
)
from jpegprep.evaluation.decision import PAIRED_TEST, in_points, points
from jpegprep.images.variants import in_words, store_of
from jpegprep.results.tables.storage import PARTS

Facts = Mapping[str, Any]  # as recommendation.json has them


@dataclass(frozen=True)
class Said:
    """What is said of a recommendation, in Markdown; empty, where there is nothing to say.

    Attributes:
        headline: the verdict.
        reasons: what it rests on.
        free: what a command saves of the originals without touching a pixel.
        bytes: a table: what the originals' bytes are.
        costs: a list: what each learner found.
        money: what is saved in money, two paragraphs at most.
        warnings: what a user should know before relying on it, a paragraph each.
        more: what would show more.
        convert: what the command does, which stands in the facts; empty, where none is advised.
        held: what that command leaves as it is.
        stores: the table of all stores.
        probe: what the probe is, and what stands in the table.
        classes: a list: the classes that lost most.
        of_classes: what their intervals are.
        images: of the files.
        time: that the call took.
    """

    headline: str
    reasons: str
    free: str
    bytes: str
    costs: str
    money: list[str]
    warnings: list[str]
    more: str
    convert: str
    held: str
    stores: str
    probe: str
    classes: str
    of_classes: str
    images: str
    time: str


def said(
    facts: Facts,
    probe: pd.DataFrame,
) -> Said:
    """Return what is said of a recommendation, on every page that shows it.

    Args:
        facts: what `recommend` gathered.
        probe: what `proposal.rungs` returns, with the columns of `uses.measure_uses`.
    """
    return Said(
        headline=_headline(facts),
        reasons=_reasons(facts),
        free=_free(facts["free"]),
        bytes=_bytes(facts["free"]),
        costs=_costs(facts),
        money=_money(facts),
        warnings=_warnings(facts),
        more=_more(facts, probe),
        convert=_convert(facts),
        held=_held(facts),
        stores=_rungs(probe),
        probe=_about_the_probe(facts),
        classes=_classes(facts),
        of_classes=_OF_CLASSES,
        images=_images(facts),
        time=_time(facts),
    )


def markdown(
    name: str,
    facts: Facts,
    probe: pd.DataFrame,
) -> str:
    """Return recommendation.md.

    Args:
        name: of the images.
        facts: as of `said`.
        probe: likewise.
    """
    told = said(facts, probe)
    of_classes = ["## Classes that lost most, by the probe", told.classes, told.of_classes]
    parts = [
        f"# {name}: {told.headline}",
        told.reasons,
        f"{told.free}: `{facts['free']['command']}`." if told.free else "",
        told.costs,
        *told.money,
        *told.warnings,
        told.more,
        f"{told.convert}:\n\n```sh\n{facts['command']}\n```" if told.convert else "",
        told.held,
        "## Every store, by the probe",
        told.stores,
        told.probe,
        "![Difference of accuracy against bytes](recommendation.svg)",
        *(of_classes if told.classes else []),
        "## The images and the time",
        told.images,
        told.time,
        "## Where the bytes of the originals are",
        told.bytes,
        "## Where the numbers come from",
        "`recommendation.json` has them all; each run's configuration, code, versions and machine "
        "stand in its `run.json`: " + ", ".join(f"`{run}`" for run in _shortened(facts["runs"])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(facts: Facts) -> str:
    size = facts["image_size"]
    store = in_words(facts["store"]) if facts["store"] else ""
    return {
        USE: f"use {store} (for networks that see {size} px)",
        USE_PROBE: f"{store}, for networks that see {size} px, by the probe; "
        "fine-tuned networks have not shown it",
        NOT_SHOWN: f"not shown; {store} is the best guess for networks that see {size} px",
        LOSES: f"{store} loses too much for networks that see {size} px",
        LEAVE: "leave the images as they are",
        CANNOT_TELL: f"cannot tell; the network does not tell these classes apart at {size} px",
    }[facts["verdict"]]


def _reasons(facts: Facts) -> str:
    margin, answer, probe = in_points(facts["margin"]), facts["verdict"], facts["probe"]
    if answer == CANNOT_TELL:
        return (
            f"On the originals the probe is right for {probe['original']:.1%} (at least "
            f"{probe['original_low']:.1%}, n = {probe['n']:,}), and naming the largest class every "
            f"time would be for {probe['chance']:.1%}. Where a network has learnt so little, it "
            "has little to lose: that compression costs it nothing says nothing."
        )
    if answer == LEAVE:
        quality = facts["source"]["quality"]
        already = "" if quality is None else f" They are JPEG of quality {quality:.0f} already."
        return (
            f"The first store that saves what is worth it is shown to lose {margin} or more of "
            f"accuracy, or more of a class than is accepted; or none saves so much.{already} That "
            "is the probe's word: where it says so, no networks are fine-tuned."
        )
    saved = (
        f"It saves **{facts['saved']:.1%}** of the bytes "
        f"({facts['original_bytes'] / (1 << 20):,.1f} → "
        f"{facts['compressed_bytes'] / (1 << 20):,.1f} MiB of the images that were used)."
    )
    if whole := facts["of_own_size"]:
        saved += (
            " The pixels that it leaves out are gone. Stored at their own size, as "
            f"`{whole['store']}`, the images take {whole['saved']:.1%} less: "
            f"{_points(whole)} points by the probe."
        )
    return (
        saved
        + {
            USE: f" A loss of {margin} of accuracy or more is excluded, by the probe and by "
            f"{facts['pairs']} pairs of fine-tuned networks.",
            USE_PROBE: f" By the probe a loss of {margin} or more is excluded. {_networks(facts)}",
            NOT_SHOWN: _not_shown(facts),
            LOSES: f" By the probe a loss of {margin} or more is excluded, but the fine-tuned "
            "networks are shown to lose so much.",
        }[answer]
    )


def _not_shown(facts: Facts) -> str:
    margin = in_points(facts["margin"])
    if not facts["pairs"]:
        return f" Whether it costs less than {margin}, these images cannot show."
    return (
        f" By the probe a loss of {margin} or more is excluded, but the fine-tuned networks do not "
        "agree. More `minutes` train them on more images, and tell which is right."
    )


def _networks(facts: Facts) -> str:
    if not facts["pairs"]:
        return (
            f"No networks were fine-tuned to confirm it: {LEAST_PAIRS} pairs did not fit into "
            f"{facts['plan']['minutes']:g} minutes, or were not asked for."
        )
    fine, asked = facts["fine_tuned"], facts["image_size"]
    if fine["difference"]["low"] > -facts["margin"]:
        return (
            f"So it is by {facts['pairs']} pairs of fine-tuned networks, but these saw the images "
            f"at {fine['image_size']} px, for want of time; more `minutes` train them at {asked}."
        )
    return (
        f"{facts['pairs']} pairs of fine-tuned networks do not contradict it, nor do they show it: "
        "more `pairs` and `minutes` might."
    )


def _free(free: Facts) -> str:
    """Return what can be saved of the originals without touching a pixel."""
    if not free["smaller"]:
        return ""
    tried = (
        f"all {free['sampled']:,} images were written anew"
        if free["sampled"] == free["images"]
        else f"[{free['saved_low']:.1%}, {free['saved_high']:.1%}]; {free['sampled']:,} of "
        f"{free['images']:,} images were written anew"
    )
    return (
        f"**Free of charge**, with the very same pixels, {free['saved']:.1%} of the originals' "
        f"bytes can be saved ({tried} and compared)"
    )


def _bytes(free: Facts) -> str:
    found = parts_of(free)
    meaning = found["meaning"].map(lambda text: f" ({text})" if text else "")
    shown = pd.DataFrame(
        {
            "part": found["part"] + meaning,
            "bytes an image": found["an_image"].map("{:,.0f}".format),
            "of all bytes": found["share"].map("{:.1%}".format),
        }
    )
    return shown.to_markdown(index=False, disable_numparse=True)


def parts_of(free: Facts) -> pd.DataFrame:
    """Return what the bytes of the originals are, the largest part first.

    Args:
        free: of the facts what `savings.measure_own` wrote.

    Returns:
        A row a part that is there: ``part``, ``meaning``, ``an_image`` (bytes), ``share`` (of all).
    """
    rows = [
        (*_IN_WORDS[name], sum(free[column] for column in columns))
        for name, columns in PARTS.items()
    ]
    found = pd.DataFrame(rows, columns=["part", "meaning", "bytes"])
    found["an_image"], found["share"] = (found["bytes"] / free[of] for of in ("images", "bytes"))
    found = found[found["bytes"] > 0].sort_values("bytes", ascending=False, kind="stable")
    return found.drop(columns="bytes").reset_index(drop=True)


_IN_WORDS = {
    "header": ("headers", ""),
    "tables": ("tables", "quantization and Huffman; of PNG the palette"),
    "scan": ("pixels", ""),
    "metadata": ("metadata", "EXIF, profiles, comments"),
    "rest": ("the rest", "behind the image's end, or of a format that is not taken apart"),
}


def _costs(facts: Facts) -> str:
    if facts["store"] is None:
        return ""
    probe, lines = facts["probe"], []
    lines.append(
        f"- **Probe** (frozen network, n = {probe['n']:,}, cross-fitted in {probe['repeats']} "
        f"repeats): accuracy on the originals {probe['original']:.3f} "
        f"[{probe['original_low']:.3f}, {probe['original_high']:.3f}], difference "
        f"**{_points(probe)} points**. A loss above "
        f"{max(0.0, _up(-100 * probe['low'])):.1f} points is excluded."
    )
    if larger := facts["larger"]:
        lines.append(
            f"- **At {larger['image_size']} px** (probe, n = {larger['n']:,}): "
            f"{larger['original']:.3f} [{larger['original_low']:.3f}, "
            f"{larger['original_high']:.3f}], difference **{_points(larger)} points**."
        )
    lines.append(
        f"- **Where later images are not compressed**: the same models, tested on originals, "
        f"differ by {_points(probe['on_originals'])} points. Training on compressed images wins "
        f"back {_points(probe['generalization_gap'])} points of what a model of originals loses on "
        "them."
    )
    lines.append(
        f"- **Balanced accuracy** {_points(probe['balanced'])} points; **log-loss** "
        f"{_plain(probe['log_loss'])} (above 0 is worse)."
    )
    if fine := facts["fine_tuned"]:
        sides = [
            f"{fine[side]['accuracy']:.3f} [{fine[side]['low']:.3f}, {fine[side]['high']:.3f}]"
            for side in ("original", "compressed")
        ]
        found, same = fine["difference"], fine["same"]
        lines.append(
            f"- **Fine-tuned** ({fine['learner']}, {fine['image_size']} px, {found['pairs']} "
            f"pairs, each on {fine['train_images']:,} images in {fine['epochs']} epochs, n = "
            f"{found['n']:,}): {sides[0]} → {sides[1]}, difference **{_points(found)} points**, "
            f"p = {found['p']:.2f}. The originals' networks, trained once more, differ from "
            f"themselves by {_points(same)}."
        )
    lines.append("- In brackets: 95 % intervals, paired by image; of the pairs, by pair.")
    return "\n".join(lines)


def _up(points: float) -> float:
    """Return points rounded up to a tenth: what is excluded is never less than what was shown."""
    return ceil(round(10 * points, 6)) / 10


def _points(found: Mapping[str, Any]) -> str:
    return points(pd.DataFrame([{k: found[k] for k in ("difference", "low", "high")}]))[0]


def _plain(found: Mapping[str, float]) -> str:
    return f"{found['difference']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _warnings(facts: Facts) -> list[str]:
    parts = []
    margin = in_points(facts["margin"])
    for one in facts["contradicted"]:
        if (name := store_of(one["variant"])) != facts["store"]:
            parts.append(
                f"**{name}** was shown by the probe, but the fine-tuned networks lose "
                f"{_points(one['difference'])} points there."
            )
        elif one["out_of_time"]:
            parts.append("The minutes were over before the next store was tried: raise `minutes`.")
    if (larger := facts["larger"]) and larger["high"] <= -facts["margin"]:
        parts.append(
            f"**Not at {larger['image_size']} px**: there the probe is shown to lose {margin} or "
            f"more. If your network sees so much, ask with `image_size={larger['image_size']}`."
        )
    if classes := facts["lost"]["classes"]:
        named = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" if classes[5:] else "")
        parts.append(
            f"**Classes that are lost**: with `{store_of(facts['lost']['variant'])}` the probe is "
            f"shown to lose {in_points(facts['class_margin'])} or more of the accuracy on {named} "
            "(corrected for the number of classes). It and all of fewer bytes are not proposed."
        )
    parts += _about_groups(facts["groups"])
    if facts["verdict"] != CANNOT_TELL and (unknown := facts["unknown_classes"]):
        named = ", ".join(
            f"{' '.join(row['class'].split())} ({row['original_accuracy']:.0%} of {row['n']})"
            for row in unknown[:5]
        ) + (f" and {len(unknown) - 5} more" if unknown[5:] else "")
        parts.append(
            f"**Classes that the probe does not know**: of the originals it is right for at most "
            f"{facts['class_margin']:.0%} of {named}. They could not be seen to lose "
            f"{in_points(facts['class_margin'])}: of them this answer says nothing."
        )
    if facts["audit"]["warning"]:
        parts.append(f"**Do the files give the labels away?** {facts['audit']['warning']}")
    return parts


def _about_groups(groups: Mapping[str, Any]) -> list[str]:
    """Return what a user should know of images that belong together."""
    parts = []
    if torn := groups["torn"]:
        one, other = torn["example"]
        parts.append(
            f"**Your splits tear groups apart**: {torn['groups']:,} groups of images that belong "
            f"together, {torn['images']:,} images, stand in more than one split, as `{one}` and "
            f"`{other}`. Accuracy that is measured on them is too high. Here each group is in one "
            "fold, whatever its splits."
        )
    if groups["conflicts"]:
        parts.append(
            f"**Near copies of two classes**: {groups['conflicts']:,} pairs of images look the "
            f"same and have different labels. Look at them: `{_pairs_csv(groups)}`."
        )
    for one in groups["tightened"]:
        parts.append(
            f"**Much alike**: {one['images']:,} of {one['of']:,} images of class "
            f"{one['class_name']!r} look so much alike that they would be one group; "
            f"{one['taken']}. If they are frames of a video or pictures of one thing, say what "
            "belongs together by `group`."
        )
    return parts


def _pairs_csv(groups: Mapping[str, Any]) -> str:
    return str(groups["pairs_file"]).removesuffix(".png") + ".csv"


def _more(facts: Facts, probe: pd.DataFrame) -> str:
    """Return what would show more."""
    answer, needed, plan, more = facts["verdict"], facts["needed"], facts["plan"], []
    if answer == CANNOT_TELL and plan["images"] < plan["of"]:
        more.append(
            f"**What would show more**: of {plan['of']:,} images {plan['images']:,} were looked "
            "at; more `minutes` look at more."
        )
    if answer in (USE, USE_PROBE, NOT_SHOWN) and needed["images"]:
        more.append(
            f"**What would show more**: {needed['images']:,} images would show "
            f"`{store_of(needed['variant'])}` with a chance of 80 %, if the probe's estimate is "
            "the truth."
        )
        if plan["images"] < needed["images"] <= plan["of"]:
            longer = plan["seconds"]["look"] * (needed["images"] / plan["images"] - 1)
            looked = plan["minutes"] + longer / 60
            more.append(
                f"Of {plan['of']:,} images {plan['images']:,} were looked at; about "
                f"{looked:,.0f} `minutes` would be enough for that many."
            )
    if answer == NOT_SHOWN and not facts["pairs"]:
        margin = _shown_margin(probe, facts["store"])
        more.append(
            f"What the probe excludes with `{facts['store']}` is a loss of {in_points(margin)} "
            "(a margin chosen now, after the data, proves nothing)."
        )
    return " ".join(more)


def _convert(facts: Facts) -> str:
    if facts["verdict"] not in (USE, USE_PROBE):
        return ""
    return "Convert the data set (same layout; what would grow is copied as it is)"


def _held(facts: Facts) -> str:
    held = facts["manifest"]["held"]
    if facts["verdict"] not in (USE, USE_PROBE) or not held:
        return ""
    return (
        f"It leaves images that hold more than a JPEG file of 8 bits ({_counted(held)}) as "
        "they are; what is said above to be saved is with them converted. To convert them, "
        f"too, say `{facts['giving_up']}` behind it."
    )


def _shown_margin(probe: pd.DataFrame, store: str) -> float:
    """Return the margin, in half points, at which a store and all of more bytes would be shown."""
    place = probe["variant"].map(store_of).tolist().index(store)
    lows = probe["low"].tolist()[: place + 1]
    return (floor(-200 * min(lows)) + 1) / 200


def _rungs(rows: pd.DataFrame) -> str:
    shown = pd.DataFrame(
        {
            "store": rows["variant"].map(store_of),
            "bytes": rows["relative_size"].map("{:.1%}".format),
            "difference, points": points(rows),
            "p (Holm)": rows["p_holm"].map("{:.3f}".format),
            "balanced": _column(rows, "balanced"),
            "later images not compressed": _column(rows, "on_originals"),
            "n": rows["n"].map("{:,}".format),
        }
    )
    return shown.to_markdown(index=False, disable_numparse=True)


def _column(table: pd.DataFrame, name: str) -> list[str]:
    columns = {name: "difference", f"{name}_low": "low", f"{name}_high": "high"}
    part = table[[*columns]].rename(columns=columns)
    return points(part)


def _about_the_probe(facts: Facts) -> str:
    return (
        f"The probe is logistic regression on features of a frozen network that sees the images at "
        f"{facts['image_size']} px, cross-fitted: each image is tested by a regression that was "
        f"trained on the other folds, in {facts['probe']['repeats']} repeats. It is a quick look, "
        "not a fine-tuned network; a network that sees the images larger sees more of what JPEG "
        f"leaves behind. {PAIRED_TEST}"
    )


def _classes(facts: Facts) -> str:
    return "\n".join(
        f"- {' '.join(row['class'].split())}: {row['original_accuracy']:.2f} → "
        f"{row['accuracy']:.2f}, {_points(row)} points (n = {row['n']})"
        for row in facts["classes"]
    )


_OF_CLASSES = (
    "Each interval is for its class alone; of many classes the worst is partly the unluckiest."
)


def _money(facts: Facts) -> list[str]:
    """Return what is saved in money; nothing, where nobody is to convert."""
    if facts["money"] is None or facts["verdict"] not in (USE, USE_PROBE, NOT_SHOWN):
        return []
    return money.in_words(facts["money"])


def _images(facts: Facts) -> str:
    found, source = facts["manifest"], facts["source"]
    quality = (
        f", estimated JPEG quality {source['quality']:.0f} (10th to 90th percentile "
        f"{source['quality_p10']:.0f} to {source['quality_p90']:.0f})"
        if source["quality"] is not None
        else ""
    )
    problems = "".join(
        f"\n- {row['problem']}: {row['files']:,} {'file' if row['files'] == 1 else 'files'}, "
        f"{row['handling']}"
        for row in found["problems"]
    )
    told = f" Of the table: {facts['told']}." if facts["told"] else ""
    parts = [
        f"{found['files']:,} files; {found['used']:,} used. Mostly {source['format']}{quality}."
        + told
        + _together(facts["groups"])
        + (f" Not as they should be:\n{problems}" if problems else " Nothing is wrong with them.")
    ]
    if found["unread"]:
        parts.append(
            "**Not looked at**, since nothing here reads their formats: "
            f"{_counted(found['unread'])}."
        )
    for scale in found["scales"]:
        low, high = found["decoding"][scale]
        parts.append(
            f"Of images of more than 8 bits a channel ({scale} values) {low:g} … {high:g} became "
            "0 … 255 (`depth`), in originals and variants alike."
        )
    if found["profiles"]:
        taken = {
            "ignore": "their numbers were taken as they are",
            "srgb": "their colours were converted to sRGB",
        }[found["decoding"]["icc"]]
        parts.append(f"Profiles that are not sRGB: {_counted(found['profiles'])}; {taken} (`icc`).")
    return "\n\n".join(parts)


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in found.items())


def _together(groups: Mapping[str, Any]) -> str:
    """Return how many groups the images are, where these are fewer, and where near copies are."""
    if groups["groups"] == groups["images"]:
        return ""
    text = (
        f" They are {groups['groups']:,} groups of what belongs together (the largest has "
        f"{groups['largest']:,} images), each in one fold; intervals count groups, not images."
    )
    if groups["pairs"]:
        text += (
            f" {groups['near']:,} images are near copies of others: `{groups['pairs_file']}` shows "
            f"the pairs that are least alike, `{_pairs_csv(groups)}` lists all."
        )
    return text


def _time(facts: Facts) -> str:
    plan = facts["plan"]
    sample = (
        ""
        if plan["images"] == plan["of"]
        else f" A sample of {facts['manifest']['used']:,} of {plan['of']:,} images was used, "
        "as the minutes bought no more."
    )
    return (
        f"This call took {facts['seconds'] / 60:.1f} minutes; the budget was {plan['minutes']:g} "
        f"(`minutes`).{sample}"
    )


def _shortened(runs: list[str]) -> list[str]:
    """Return the first runs, where there are many, and how many more there are."""
    return runs if len(runs) <= 4 else [*runs[:3], f"… {len(runs) - 3} more"]
