"""A study: its data sets, ratios, learners and experiments, and the runs that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jpegprep.common.layout import GROUPS, MANIFEST, ORIGINAL, SHARDS, SPLIT, Run
from jpegprep.images.variants import (
    noise_variants,
    ratio_of_variant,
    reading_variants,
    variant_of_ratio,
)


def identity(source: Mapping[str, Any]) -> Any:
    """Return what a source is: its checksum, where one is known; another mirror is no change."""
    where = ("source", "urls", "path", "repo", "revision", "distribution", "digest")
    checksum = source.get("sha256") or source.get("md5")
    return checksum or {key: source[key] for key in where if key in source}


def unlike(
    recipe: Mapping[str, Any], other: Mapping[str, Any], native_resolution: bool
) -> list[str]:
    """Return the keys in which two recipes of networks differ: what is left out is its default.

    Args:
        recipe: of a learner of framework timm.
        other: of another one.
        native_resolution: whether each network may see the images at a size of its own.
    """
    one, two = ({**_DEFAULTS, **each} for each in (recipe, other))
    keys = dict.fromkeys((*one, *two))
    return [
        key
        for key in keys
        if one.get(key) != two.get(key) and not (native_resolution and key == "image_size")
    ]


# What the schema says of keys of a recipe that may be left out.
_DEFAULTS = {"epoch": "last", "gpus": 1, "gpu_graphs": False}

# A learner and the variant that it was trained and tested on.
Side = tuple[str, str]


@dataclass(frozen=True)
class Study:
    """A checked study with the registries it draws on.

    Attributes:
        name: the study's name and folder.
        datasets: the entries of its data sets, by name, in the study's order.
        ratios: its compression ratios, from 1.0 down.
        seeds: one run is made for each.
        storage_ratio: the ratio that Table III compares with the original.
        margin: the loss of accuracy that is accepted, a fraction.
        never_inflate: whether an image that compression would make larger keeps its source.
        archives: a folder of archives that are already on this machine, or None.
        learners: the learners' entries, by name, in the study's order.
        weights: the registry of weights.
        published: the CSV of the paper's numbers.
        model_size: what Table II compares (small, large, ratio), or None.
        noise: what Table IV does (learner, datasets, ratio, test, and maybe readings), or None.
        chroma: where quality and chroma subsampling are told apart (learner, ratios), or None.
        tabular: what the table of tabular classifiers compares (learner, deep), or None.
        train_test: whose models are tested at all ratios (learner), or None.
        reading: what reading and decoding is measured at (learner, bandwidths in MB/s), or None.
    """

    name: str
    datasets: Mapping[str, Any]
    ratios: Sequence[float]
    seeds: Sequence[int]
    storage_ratio: float
    margin: float
    never_inflate: bool
    archives: str | None
    learners: Mapping[str, Any]
    weights: Mapping[str, Any]
    published: str
    model_size: Mapping[str, Any] | None = None
    noise: Mapping[str, Any] | None = None
    chroma: Mapping[str, Any] | None = None
    tabular: Mapping[str, Any] | None = None
    train_test: Mapping[str, Any] | None = None
    reading: Mapping[str, Any] | None = None

    def runs(self) -> list[Run]:
        """Return every run of the study, by data set, learner, variant and seed."""
        return [
            Run(dataset, variant, learner, seed)
            for dataset in self.datasets
            for learner in self.learners
            for variant in self._learner_variants(dataset, learner)
            for seed in self.learner_seeds(learner)
        ]

    def _learner_variants(self, dataset: str, learner: str) -> list[str]:
        """Return the variants of a data set that a learner is trained on."""
        found = [self.variant(ratio) for ratio in self.learner_ratios(learner)]
        if self.noise and dataset in self.noise_datasets():
            found += self.noise_variants() if learner == self.noise["learner"] else []
            for reading, tester in self.noise_readings.items():
                if learner == tester:
                    found += reading_variants(reading, self.noise["ratio"])
        if self.chroma and learner == self.chroma["learner"]:
            found += [full for full, _ in self.chroma_variants().values()]
        return list(dict.fromkeys(found))

    def noise_variants(self) -> list[str]:
        """Return the variants of Table IV beside the original, or none without that table."""
        return noise_variants(self.noise["ratio"]) if self.noise else []

    def noise_datasets(self) -> list[str]:
        """Return the data sets of Table IV."""
        return list(self.noise["datasets"]) if self.noise else []

    @property
    def noise_readings(self) -> dict[str, str]:
        """The readings of the paper's noise that are tested, and of each the learner."""
        return dict((self.noise or {}).get("readings", {}))

    def chroma_variants(self) -> dict[float, tuple[str, str]]:
        """Return by ratio the variant with full chroma and the subsampled one, from 1.0 down."""
        return {
            ratio: (
                variant_of_ratio(ratio, self.never_inflate, full_chroma=True),
                self.variant(ratio),
            )
            for ratio in sorted((self.chroma or {}).get("ratios", []), reverse=True)
        }

    def transfers(self) -> list[tuple[Run, str]]:
        """Return the runs that are tested on another variant than their own, and that variant.

        Those of Table IV: each model of noisy images on clean ones too.
        """
        return [
            (run, ORIGINAL)
            for run in self.runs()
            if self.noise
            and run.learner == self.noise["learner"]
            and run.variant in self.noise_variants()
        ]

    def pairs(self) -> list[tuple[str, Side, Side]]:
        """Return what is compared on the same test images: data set, the one side, the other.

        Each variant with its learner's original; JPEG of noisy images, and denoised ones, with
        noisy ones; subsampled chroma with full chroma; the large network with the small one, and
        the small one on compressed images with the large one; the tabular learner with the deep one
        at each common ratio.
        """
        found: list[tuple[str, Side, Side]] = []
        for dataset in self.datasets:
            trained = {
                learner: self._learner_variants(dataset, learner) for learner in self.learners
            }
            for learner, variants in trained.items():
                found += [
                    (dataset, (learner, variant), (learner, ORIGINAL))
                    for variant in variants
                    if variant != ORIGINAL
                ]
            if dataset in self.noise_datasets() and self.noise:
                tried = [(self.noise["learner"], self.noise_variants())]
                for reading, learner in self.noise_readings.items():
                    tried.append((learner, reading_variants(reading, self.noise["ratio"])))
                for learner, (noisy, *treated) in tried:
                    found += [(dataset, (learner, x), (learner, noisy)) for x in treated]
            if self.chroma:
                learner = self.chroma["learner"]
                found += [
                    (dataset, (learner, subsampled), (learner, full))
                    for full, subsampled in self.chroma_variants().values()
                ]
            if self.model_size:
                small, large = self.model_size["small"], self.model_size["large"]
                compressed = self.variant(self.model_size["ratio"])
                found.append((dataset, (large, ORIGINAL), (small, ORIGINAL)))
                found.append((dataset, (small, compressed), (large, ORIGINAL)))
            if self.tabular:
                one, other = self.tabular["learner"], self.tabular["deep"]
                found += [
                    (dataset, (one, variant), (other, variant))
                    for variant in trained[one]
                    if variant in trained[other]
                ]
        return list(dict.fromkeys(found))

    def learner_ratios(self, learner: str) -> list[float]:
        """Return the ratios at which a learner runs, from 1.0 down."""
        return sorted(self.learners[learner].get("ratios", self.ratios), reverse=True)

    def learner_seeds(self, learner: str) -> list[int]:
        """Return the seeds of a learner's runs."""
        return list(self.learners[learner].get("seeds", self.seeds))

    def variants(self) -> list[str]:
        """Return the variants of the study, from the original down."""
        return [self.variant(ratio) for ratio in self.ratios]

    def variant(self, ratio: float) -> str:
        """Return the study's variant of a ratio."""
        return variant_of_ratio(ratio, self.never_inflate)

    def extraction_recipe(self, learner: str) -> dict[str, Any]:
        """Return the part of a probe's recipe that its features depend on."""
        return {k: value for k, value in self.recipe(learner).items() if k != "regularization"}

    def crossed_runs(self, dataset: str, seed: int) -> list[Run]:
        """Return the runs whose models are tested at all of their ratios, from 1.0 down."""
        learner = (self.train_test or {})["learner"]
        ratios = self.learner_ratios(learner)
        return [Run(dataset, self.variant(ratio), learner, seed) for ratio in ratios]

    @property
    def networks(self) -> list[str]:
        """The learners of framework timm that Table II compares: those of its one recipe."""
        small = (self.model_size or {})["small"]
        return [name for name in self.learners_of("timm") if not self.unlike(name, small)]

    def unlike(self, learner: str, other: str) -> list[str]:
        """Return the keys in which the recipes of two learners differ.

        The image size is none of them where Table II has each network's native resolution.
        """
        native = bool((self.model_size or {}).get("native_resolution", False))
        recipes = (self.learners[name]["recipe"] for name in (learner, other))
        return unlike(next(recipes), next(recipes), native)

    @property
    def papers_learner(self) -> str:
        """The learner of the paper's Table III: its small network, or what stands for it."""
        if self.model_size:
            return str(self.model_size["small"])
        papers = [name for name in self.learners if self.network(name) == "efficientnet_b0"]
        return next(iter([*papers, *self.learners]))

    def network(self, learner: str) -> str:
        """Return the architecture of a network that is fine-tuned; of another learner its kind."""
        framework = str(self.learners[learner]["framework"])
        if framework != "timm":
            return framework
        return str(self.recipe(learner)["architecture"]).split(".")[0]

    @property
    def losses_learner(self) -> str:
        """The learner whose losses are listed: the paper's, or the first at `storage_ratio`."""
        return next(
            name
            for name in (self.papers_learner, *self.learners)
            if self.storage_ratio in self.learner_ratios(name)
        )

    @property
    def probes_beside_others(self) -> bool:
        """Whether there are probes, and other learners to compare them with."""
        return 0 < len(self.learners_of("probe")) < len(self.learners)

    @property
    def repeated(self) -> list[Run]:
        """The runs of the originals, of learners with several seeds."""
        return [
            run
            for run in self.runs()
            if run.variant == ORIGINAL and len(self.learner_seeds(run.learner)) > 1
        ]

    def learners_of(self, *frameworks: str) -> list[str]:
        """Return the learners of some frameworks."""
        return [name for name, entry in self.learners.items() if entry["framework"] in frameworks]

    @property
    def by_epochs(self) -> list[str]:
        """The learners that are trained epoch by epoch."""
        return self.learners_of("timm", "autogluon")

    def curves(self, dataset: str = "") -> list[Run]:
        """Return what is trained epoch by epoch at the paper's ratios: the curves of Figure 3.

        Args:
            dataset: the one whose runs are wanted; empty: all of them.
        """
        return [
            run
            for run in self.runs()
            if run.learner in self.by_epochs
            and ratio_of_variant(run.variant) is not None
            and dataset in ("", run.dataset)
        ]

    def ratio_of(self, variant: str) -> float | None:
        """Return the ratio of a variant; None where it is no ratio's."""
        return ratio_of_variant(variant)

    def file(self, name: str) -> str:
        """Return the path of a file of the study's own folder."""
        return f"results/{self.name}/{name}"

    def table(self, name: str) -> str:
        """Return the path of the numbers of a table of the study."""
        return self.file(f"tables/{name}.csv")

    def manifests(self) -> dict[str, str]:
        """Return the path of each data set's manifest."""
        return {dataset: MANIFEST.format(dataset=dataset) for dataset in self.datasets}

    def groups(self) -> dict[str, str]:
        """Return the path of each data set's groups."""
        return {dataset: GROUPS.format(dataset=dataset) for dataset in self.datasets}

    def splits(self) -> dict[str, str]:
        """Return the path of each data set's split."""
        return {dataset: SPLIT.format(dataset=dataset) for dataset in self.datasets}

    def shards(self, dataset: str, ratio: float) -> str:
        """Return the folder of the shards of a data set at a ratio."""
        return SHARDS.format(dataset=dataset, variant=self.variant(ratio))

    def by_ratio(self, dataset: str) -> dict[float, str]:
        """Return the folder of the shards of a data set at each ratio."""
        return {ratio: self.shards(dataset, ratio) for ratio in self.ratios}

    def content(self, dataset: str) -> dict[str, Any]:
        """Return what the registry says of a data set's content: what its manifest depends on."""
        entry = self.datasets[dataset]
        keys = ("adapter", "options", "classes", "class_names", "images", "depth", "alpha", "icc")
        return {key: entry[key] for key in keys if key in entry}

    def cross_tests(self, dataset: str) -> list[str]:
        """Return the predictions of models at other ratios than their own, a file a seed."""
        learner = (self.train_test or {})["learner"]
        return [
            self.file(f"train_test/{dataset}/seed{seed}.parquet")
            for seed in self.learner_seeds(learner)
        ]

    def controls(self) -> dict[str, dict[float, list[str]]]:
        """Return the controls of the tabular learner: by data set and ratio a file a seed."""
        learner = (self.tabular or {})["learner"]
        return {
            dataset: {
                ratio: [
                    Run(dataset, self.variant(ratio), learner, seed).file("controls.parquet")
                    for seed in self.learner_seeds(learner)
                ]
                for ratio in self.learner_ratios(learner)
            }
            for dataset in self.datasets
        }

    def needs_gpu(self, learner: str) -> bool:
        """Tell whether a learner's jobs end at once on a machine without a GPU."""
        return bool(self.learners[learner].get("needs_gpu", False))

    def recipe(self, learner: str) -> dict[str, Any]:
        """Return what a learner learns by: its recipe and, with weights, their architecture."""
        entry = self.learners[learner]
        if "weights" not in entry:
            return dict(entry["recipe"])
        return {"architecture": self.weights[entry["weights"]]["architecture"], **entry["recipe"]}
