"""The recommendation as people read it: each sentence from the facts that it needs."""

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

import pandas as pd

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

Facts = Mapping[str, Any]  # as recommendation.json has them


def markdown(
    name: str,
    facts: Facts,
    probe: pd.DataFrame,
    uses: pd.DataFrame,
    sizes: Mapping[float, Mapping[Any, Any]],
) -> str:
    """Return recommendation.md.

    Args:
        name: of the images.
        facts: what `recommend` gathered.
        probe: the rows of the table of differences that are the probe's.
        uses: the table of `uses.measure_uses`.
        sizes: the rows of the table of sizes, by ratio.
    """
    parts = [
        f"# {name}: {_headline(facts)}",
        _reasons(facts),
        _free(facts["free"]),
        _costs(facts),
        *_warnings(facts),
        *_next_steps(facts, probe),
        "## Every ratio, by the probe",
        _ratios(probe, uses, sizes),
        _about_the_probe(facts),
        "![Difference of accuracy and bytes against ratio](recommendation.svg)",
        *_classes(facts),
        "## The images and the time",
        _images(facts),
        _time(facts),
        "## Where the numbers come from",
        "`recommendation.json` has them all; each run's configuration, code, versions and machine "
        "stand in its `run.json`: " + ", ".join(f"`{run}`" for run in _shortened(facts["runs"])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(facts: Facts) -> str:
    quality, size = facts["quality"], facts["image_size"]
    return {
        USE: f"use JPEG quality {quality} (for networks that see {size} px)",
        USE_PROBE: f"JPEG quality {quality} at {size} px, by the probe; "
        "fine-tuned networks have not shown it",
        NOT_SHOWN: f"not shown; JPEG quality {quality} is the best guess at {size} px",
        LOSES: f"quality {quality} loses too much at {size} px",
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
            f"The largest ratio that saves what is worth it is shown to lose {margin} or more of "
            f"accuracy, or more of a class than is accepted; or none saves so much.{already} That "
            "is the probe's word: where it says so, no networks are fine-tuned."
        )
    saved = (
        f"It saves **{facts['saved']:.1%}** of the bytes "
        f"({facts['original_bytes'] / (1 << 20):,.1f} → "
        f"{facts['compressed_bytes'] / (1 << 20):,.1f} MiB of the images that were used)."
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
        f"bytes can be saved ({tried} and compared): `{free['command']}`."
    )


def _costs(facts: Facts) -> str:
    if facts["quality"] is None:
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
        if round(100 * one["ratio"]) != facts["quality"]:
            parts.append(
                f"**Quality {100 * one['ratio']:.0f}** was shown by the probe, but the fine-tuned "
                f"networks lose {_points(one['difference'])} points there."
            )
        elif one["out_of_time"]:
            parts.append(
                "The minutes were over before the next larger quality was tried: raise `minutes`."
            )
    if (larger := facts["larger"]) and larger["high"] <= -facts["margin"]:
        parts.append(
            f"**Not at {larger['image_size']} px**: there the probe is shown to lose {margin} or "
            f"more. If your network sees so much, ask with `image_size={larger['image_size']}`."
        )
    if classes := facts["lost"]["classes"]:
        named = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" if classes[5:] else "")
        parts.append(
            f"**Classes that are lost**: at ratio {facts['lost']['ratio']:g} the probe is shown "
            f"to lose {in_points(facts['class_margin'])} or more of the accuracy on {named} "
            "(corrected for the number of classes). It and smaller ratios are not proposed."
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


def _next_steps(facts: Facts, probe: pd.DataFrame) -> list[str]:
    answer, needed, parts, more = facts["verdict"], facts["needed"], [], []
    plan = facts["plan"]
    if answer in (USE, USE_PROBE, NOT_SHOWN) and needed["images"]:
        more.append(
            f"**What would show more**: {needed['images']:,} images would show ratio "
            f"{needed['ratio']:g} with a chance of 80 %, if the probe's estimate is the truth."
        )
        if plan["images"] < needed["images"] <= plan["of"]:
            longer = plan["seconds"]["look"] * (needed["images"] / plan["images"] - 1)
            looked = plan["minutes"] + longer / 60
            more.append(
                f"Of {plan['of']:,} images {plan['images']:,} were looked at; about "
                f"{looked:,.0f} `minutes` would be enough for that many."
            )
    if answer == NOT_SHOWN and not facts["pairs"]:
        ratio = facts["quality"] / 100
        margin = _shown_margin(probe, ratio)
        more.append(
            f"What the probe excludes at ratio {ratio:g} is a loss of {in_points(margin)} "
            "(a margin chosen now, after the data, proves nothing)."
        )
    if more:
        parts.append(" ".join(more))
    if answer in (USE, USE_PROBE):
        parts.append(
            "Convert the data set (same layout; what would grow is copied as it is):\n\n"
            f"```sh\n{facts['command']}\n```"
        )
        if held := facts["manifest"]["held"]:
            parts.append(
                f"It leaves images that hold more than a JPEG file of 8 bits ({_counted(held)}) as "
                "they are; what is said above to be saved is with them converted. To convert them, "
                f"too, say `{facts['giving_up']}` behind it."
            )
    return parts


def _shown_margin(probe: pd.DataFrame, ratio: float) -> float:
    """Return the margin, in half points, at which a ratio and all larger ones would be shown."""
    lows = probe.loc[probe["ratio"] >= ratio, "low"].tolist()
    return (floor(-200 * min(lows)) + 1) / 200


def _ratios(
    probe: pd.DataFrame, uses: pd.DataFrame, sizes: Mapping[float, Mapping[Any, Any]]
) -> str:
    rows = probe.merge(uses.drop(columns=["seeds", "n"]), on="ratio", validate="one_to_one")
    rows = rows.sort_values("ratio", ascending=False)
    shown = pd.DataFrame(
        {
            "ratio": rows["ratio"],
            "JPEG quality": (100 * rows["ratio"]).round().astype(int),
            "bytes": [f"{sizes[ratio]['relative_size']:.1%}" for ratio in rows["ratio"].tolist()],
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


def _classes(facts: Facts) -> list[str]:
    if not facts["classes"]:
        return []
    lines = [
        f"- {' '.join(row['class'].split())}: {row['original_accuracy']:.2f} → "
        f"{row['accuracy']:.2f}, {_points(row)} points (n = {row['n']})"
        for row in facts["classes"]
    ]
    return [
        "## Classes that lost most, by the probe",
        "\n".join(lines),
        "Each interval is for its class alone; of many classes the worst is partly the unluckiest.",
    ]


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
