"""The catalogue of results: every table and figure of a study, each declared once.

The rules that make them, the targets `tables`, `figures`, `storage` and `all`, the report's entries
and the table in results/README.md follow from it. To add a result, write a function that makes it
and an entry here: nothing else. A function gets what its entry `reads` and what is `given`, by the
names of its parameters, and `*targets`, the files to write.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jpegprep.common.layout import SHARDS, Run
from jpegprep.images.variants import reading_variants
from jpegprep.study.study import Study

# Nested mappings and lists of paths, by the name of the parameter that gets them.
Files = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """A table or figure of a study.

    Attributes:
        name: of its files, without folder and ending; ``{dataset}`` stands for a data set.
        title: what the report calls it.
        caption: what the report says of it; `str.format` puts in parts of ``{study}``, and
            ``{dataset}``.
        make: the function that makes it, ``module:function``; empty, where a rule of its own does.
        reads: from the study (and the data set) to the files that the function gets.
        given: likewise to what else it gets.
        when: the part of a study without which the study has no such result, an attribute of
            `Study`; empty, where all studies have it.
        datasets: from the study to the data sets that have one each; None, where one is of all.
        alone: a study of a single data set asks for it, too.
        storage: it needs no training.
    """

    name: str
    title: str
    caption: str
    make: str = ""
    reads: Callable[..., Files] = lambda study: {}
    given: Callable[..., Mapping[str, Any]] = lambda *_: {}
    when: str = ""
    datasets: Callable[[Study], Sequence[str]] | None = None
    alone: bool = True
    storage: bool = False

    kinds: ClassVar[tuple[str, ...]]
    folder: ClassVar[str]  # of the study's own, and the report's category, in lower case
    verb: ClassVar[str]  # what its rule's name begins with
    shown: ClassVar[str]  # the kind of file that the report shows
    environment: ClassVar[str]

    @property
    def rule(self) -> str:
        """The name of its rule."""
        return f"{self.verb}_{self.name}".replace("_{dataset}", "_dataset")

    @property
    def label(self) -> str:
        """What the report calls its kind: table, figure."""
        return self.folder.removesuffix("s")

    def read(self, study: Study, dataset: str = "") -> Files:
        """Return the files that its function gets, by the names of its parameters."""
        return self.reads(study) if self.datasets is None else self.reads(study, dataset)

    def told(self, study: Study, dataset: str = "") -> Mapping[str, Any]:
        """Return what else its function gets."""
        return self.given(study) if self.datasets is None else self.given(study, dataset)

    def file(self, study: Study, kind: str) -> str:
        """Return the path of one of its files, which may have a wildcard."""
        return study.file(f"{self.folder}/{self.name}.{kind}")

    def of(self, study: Study) -> bool:
        """Tell whether a study has it."""
        return not self.when or bool(getattr(study, self.when))

    def targets(self, study: Study) -> list[str]:
        """Return the paths of its files that a study asks for."""
        files = [self.file(study, kind) for kind in self.kinds]
        if self.datasets is None:
            return files
        if not self.alone and len(study.datasets) == 1:
            return []
        return [file.format(dataset=name) for name in self.datasets(study) for file in files]


class Table(Result):
    """Numbers as CSV, and as people read them, with a note."""

    kinds: ClassVar[tuple[str, ...]] = ("csv", "md", "html")
    folder, verb, shown = "tables", "make", "html"
    environment = "evaluation.yaml"


class Numbers(Table):
    """A CSV that no person reads as it is."""

    kinds, shown = ("csv",), ""


class Figure(Result):
    """A drawing, for print and for a screen."""

    kinds, folder, verb, shown = ("svg", "png"), "figures", "draw", "svg"
    environment = "results.yaml"


def results_of(study: Study) -> list[Result]:
    """Return the results that a study has, in the order of the report."""
    return [result for result in CATALOGUE if result.of(study)]


def _runs(runs: Sequence[Run]) -> list[tuple[str, str, str, int]]:
    return [(run.dataset, run.variant, run.learner, run.seed) for run in runs]


def _curve(run: Run, study: Study) -> dict[str, Any]:
    ratio = study.ratio_of(run.variant)
    return {"dataset": run.dataset, "learner": run.learner, "ratio": ratio, "seed": run.seed}


def _curves(study: Study, dataset: str = "") -> dict[str, Any]:
    """Return what Figure 3 and its table read of runs; of one data set, where it is named."""
    return {"histories": [run.file("history.csv") for run in study.curves(dataset)]}


def _accuracies(study: Study) -> dict[str, str]:
    """Return what Figure 2 reads: accuracies over seeds, and of single ones."""
    return {"accuracy": study.table("accuracy"), "runs": study.table("runs")}


def _cross_tests(study: Study) -> dict[str, Any]:
    """Return the tests of models at other ratios than their own, of each data set."""
    return {"tests": {name: study.cross_tests(name) for name in study.datasets}}


def _losses(study: Study) -> dict[str, Any]:
    """Return what is read to say which classes and images compression costs."""
    predictions = {
        dataset: {
            ratio: [
                Run(dataset, study.variant(ratio), study.losses_learner, seed).file(
                    "predictions.parquet"
                )
                for seed in study.learner_seeds(study.losses_learner)
            ]
            for ratio in study.learner_ratios(study.losses_learner)
        }
        for dataset in study.datasets
    }
    return {"predictions": predictions, "splits": study.splits()}


def _bytes(study: Study) -> dict[str, Any]:
    """Return what is read to say where the bytes of each data set are."""
    return {"measured": {name: study.file(f"bytes/{name}.csv") for name in study.datasets}}


# The ratio of the paper's Tables II and III.
_PAPERS_RATIO = 0.3


def _reproduced(study: Study) -> dict[str, Any]:
    """Return what is read to put a study beside the paper's numbers and claims."""
    files: dict[str, Any] = {
        "published": study.published,
        "counts": study.table("table1_datasets"),
        "sizes": {
            name: {
                "original": study.shards(name, 1.0),
                "compressed": study.shards(name, _PAPERS_RATIO),
            }
            for name in (study.datasets if _as_papers(study) else [])
        },
        "splits": study.splits(),
        **{name: study.table(name) for name in ("accuracy", "runs", "differences")},
    }
    return files | ({"noise": study.table("table4_noise")} if study.noise else {})


def _as_papers(study: Study) -> bool:
    """Tell whether a study has the paper's compressed images: it keeps none as they were."""
    return _PAPERS_RATIO in study.ratios and not study.never_inflate


def _asked(study: Study) -> dict[str, Any]:
    """Return what else the comparison with the paper is told, see `reproduction`."""
    ratio, noise = _PAPERS_RATIO, study.noise
    at_ratio = [
        name
        for name in (study.papers_learner, *study.learners)
        if ratio in study.learner_ratios(name)
    ]
    variants = dict(zip(("noisy", "compressed"), study.noise_variants(), strict=False))
    return {
        "asked": {
            "margin": study.margin,
            "compressed": study.variant(ratio) if _as_papers(study) else None,
            "learner": next(iter(at_ratio), None),
            "model_size": dict(study.model_size) if study.model_size else None,
            "noise": {"learner": noise["learner"], **variants} if noise else None,
            "networks": {name: study.network(name) for name in study.learners},
        }
    }


CATALOGUE: Sequence[Result] = (
    Table(
        name="table1_datasets",
        title="Table I: data sets",
        caption="Classes and images of each data set, and how they are split (the paper's Table "
        "I). Every variant of a data set has the same images in the same splits.",
        make="results.tables.datasets:table1",
        reads=lambda study: {
            "manifests": study.manifests(),
            "splits": study.splits(),
            "published": study.published,
        },
        given=lambda study: {
            "notes": {name: entry.get("note", "") for name, entry in study.datasets.items()}
        },
        storage=True,
    ),
    Table(
        name="problems",
        title="What is wrong with the images",
        caption="What is wrong with the files of each data set, and what follows: an image is "
        "kept, repaired when it is decoded, or set aside. The manifest (results/manifests/) has a "
        "row for every file. A file with several problems counts in several rows.",
        make="results.tables.datasets:problems",
        reads=lambda study: {"manifests": study.manifests(), "splits": study.splits()},
        storage=True,
    ),
    Table(
        name="size_vs_ratio",
        title="Size against ratio",
        caption="Bytes of all images of a data set at each ratio, relative to the originals, over "
        "all splits; with the quality that the originals were compressed at, as estimated from "
        "their quantization tables, since it explains most of the differences. An asterisk marks "
        "ratios at which some images came out larger than their source.",
        make="results.tables.storage:size_vs_ratio",
        reads=lambda study: {
            "shards": {name: study.by_ratio(name) for name in study.datasets},
            "manifests": study.manifests(),
            "published": study.published,
        },
        storage=True,
    ),
    Table(
        name="bytes_by_part",
        title="Where the bytes are",
        caption="Header, tables, scan and metadata of the image files at each ratio, in bytes an "
        "image and as shares. What is no scan is the same for every image at a ratio: of small "
        "images it is most of the file, and explains why they hardly shrink (the paper's Table "
        "III, CIFAR).",
        make="results.tables.storage:bytes_by_part",
        reads=lambda study: {**_bytes(study), "published": study.published},
        storage=True,
    ),
    Table(
        name="free_savings",
        title="Free savings",
        caption="Bytes that are saved without touching a pixel, of the originals and of each "
        "ratio: each file written anew, decoded and compared. Metadata stay; what leaving them out "
        "would save stands beside.",
        make="results.tables.storage:free_savings",
        reads=lambda study: _bytes(study),
        storage=True,
    ),
    Table(
        name="table2_model_size",
        title="Table II: model size",
        caption="Does compression let a smaller network reach a larger one's accuracy (the "
        "paper's Table II)? The small network on originals and on images at ratio "
        "{study.model_size[ratio]}, and the large one on originals, trained by one recipe, step "
        "for step. Every accuracy is top-1 on the test set, with its number of test images, its "
        "seeds and a 95 % interval.",
        make="results.tables.model_size:table2",
        reads=lambda study: {
            "accuracy": study.table("accuracy"),
            "differences": study.table("differences"),
            "runs": study.table("runs"),
        },
        given=lambda study: {
            "what": dict(study.model_size or {}),
            "recipe": study.recipe((study.model_size or {})["small"]),
        },
        when="model_size",
    ),
    Table(
        name="table2_all_models",
        title="Table II, all networks",
        caption="Every network of Table II's recipe on originals and on images at ratio "
        "{study.model_size[ratio]}, by its parameters, with the multiply-adds of one image (the "
        "paper's section II-B). Every accuracy is top-1 on the test set, with its number of test "
        "images, its seeds and a 95 % interval.",
        make="results.tables.model_size:all_models",
        reads=lambda study: {"accuracy": study.table("accuracy"), "runs": study.table("runs")},
        given=lambda study: {
            "learners": study.networks,
            "others": [x for x in study.learners_of("timm") if x not in study.networks],
            "ratio": (study.model_size or {})["ratio"],
        },
        when="model_size",
    ),
    Table(
        name="table3_storage",
        title="Table III: storage and accuracy",
        caption="Storage and accuracy of the original and of ratio {study.storage_ratio} (the "
        "paper's Table III). Sizes are sums of image files over all splits, in MiB; the shards "
        "that hold them are beside. Every accuracy is top-1 on the test set, with its number of "
        "test images, its seeds and a 95 % interval: Wilson's over the test images, of several "
        "seeds with random effects of seeds and test images.",
        make="results.tables.storage:table3",
        reads=lambda study: {
            "originals": {name: study.shards(name, 1.0) for name in study.datasets},
            "compressed": {
                name: study.shards(name, study.storage_ratio) for name in study.datasets
            },
            "accuracy": study.table("accuracy"),
            "differences": study.table("differences"),
        },
        given=lambda study: {"ratio": study.storage_ratio},
    ),
    Table(
        name="table4_noise",
        title="Table IV: noise",
        caption="Multiplicative Gaussian noise, and what JPEG removes of it (the paper's Table "
        "IV): {study.noise[learner]} trained on clean images, on noisy ones (image + image * "
        "N(0, 1) for each pixel and channel, the image in [0, 1], clipped, stored losslessly) and "
        "on JPEG of the noisy ones at ratio {study.noise[ratio]}. Both test conditions are given, "
        "since the paper leaves open which one it used: images treated as the training images "
        "were, and clean ones.",
        make="results.tables.noise:table4",
        reads=lambda study: {
            "accuracy": study.table("accuracy"),
            "transfer": study.table("transfer"),
            "differences": study.table("differences"),
        },
        given=lambda study: {"what": dict(study.noise or {})},
        when="noise",
    ),
    Table(
        name="noise_readings",
        title="Readings of the noise",
        caption="Does JPEG of noisy images gain back accuracy that noise cost, whichever noise the "
        "paper's sentence (section III-A) means? Multiplicative, drawn for each pixel and channel; "
        "additive of equal power; multiplicative, drawn once an image. Beside JPEG at ratio "
        "{study.noise[ratio]} stands a filter made for noise. Every accuracy is top-1 on the test "
        "set; differences are paired by image and seed, with 95 % intervals.",
        make="results.tables.noise:readings",
        reads=lambda study: {
            "accuracy": study.table("accuracy"),
            "differences": study.table("differences"),
        },
        given=lambda study: {"what": dict(study.noise or {})},
        when="noise_readings",
    ),
    Table(
        name="chroma",
        title="Quality and chroma subsampling",
        caption="What the step from originals to a ratio costs by JPEG's quality (4:4:4), and what "
        "by subsampling the chroma at that quality (4:4:4 to 4:2:0): {study.chroma[learner]} "
        "trained and tested on each. Every accuracy is top-1 on the test set; differences are "
        "paired by image and seed, with 95 % intervals.",
        make="results.tables.chroma:chroma",
        reads=lambda study: {
            "accuracy": study.table("accuracy"),
            "differences": study.table("differences"),
            "shards": {
                name: {
                    variant: SHARDS.format(dataset=name, variant=variant)
                    for variants in ((study.variant(1.0),), *study.chroma_variants().values())
                    for variant in variants
                }
                for name in study.datasets
            },
        },
        given=lambda study: {
            "learner": (study.chroma or {})["learner"],
            "variants": study.chroma_variants(),
        },
        when="chroma",
    ),
    Table(
        name="table5_tabular",
        title="Table V: tabular classifiers",
        caption="Tabular classifiers on features of the JPEG image beside the deep network at "
        "each ratio (the paper's abstract). The headline's features are of the image: its 8x8 "
        "coefficients, dequantized by each file's own tables and upright, pooled over blocks, and "
        "the pixels of the image made small. Beside it, 200 extra trees on the coefficients alone: "
        "dequantized, and undequantized as the file stores them. In the latter, files of several "
        "qualities have several units, which compression makes alike: what it then seems to gain "
        "is an artefact.",
        make="results.tables.tabular:table5",
        reads=lambda study: {
            "accuracy": study.table("accuracy"),
            "differences": study.table("differences"),
            "controls": study.table("table5_controls"),
        },
        given=lambda study: {
            "what": dict(study.tabular or {}),
            "features": study.recipe((study.tabular or {})["learner"])["features"],
        },
        when="tabular",
    ),
    Table(
        name="table5_controls",
        title="Table V, controls: units and leaks",
        caption="What the files, and not their images, tell a tabular classifier. Extra trees on "
        "dequantized and on undequantized coefficients differ where files have several "
        "quantization tables: by the units. Trees on what the headers tell of the encoder, without "
        "a pixel, find the class better than the largest class does where labels leak: then no "
        "accuracy on the originals, of any learner, is of the images alone.",
        make="evaluation.tabular_controls:tabular_controls",
        reads=lambda study: {"controls": study.controls()},
        when="tabular",
    ),
    Table(
        name="convergence",
        title="Figure 3 in numbers: epochs and rates",
        caption="How fast each ratio converges, and what that says of the paper's claims behind "
        "Figure 3: that accuracy plateaus at the same rate at all ratios, and that compression "
        "does not train in fewer epochs. Epochs until validation accuracy is 95 % of that of the "
        "originals' last epoch (one bar for all ratios), and of the ratio's own; the rate of an "
        "exponential approach to the plateau. Each with 95 % intervals over seeds: with one seed "
        "there are none, and the claims stay open.",
        make="evaluation.convergence:convergence",
        when="by_epochs",
        reads=lambda study: {**_curves(study), "splits": study.splits()},
        given=lambda study: {"runs": [_curve(run, study) for run in study.curves()]},
    ),
    Table(
        name="comparison",
        title="Each ratio against the original",
        caption="Each ratio against the original: bytes, accuracy with its 95 % interval, and the "
        "difference of accuracies on the same test images with its own, paired by image and seed. "
        "p-values are corrected for the ratios of a learner (Holm). Margin: {study.margin}.",
        make="evaluation.decision:comparison",
        reads=lambda study: {
            "differences": study.table("differences"),
            "accuracy": study.table("accuracy"),
            "sizes": study.table("size_vs_ratio"),
        },
        given=lambda study: {"margin": study.margin},
    ),
    Table(
        name="decision",
        title="The decision: how far",
        caption="How far each data set can be compressed: the smallest ratio at which a loss of "
        "{study.margin} or more is excluded, there and at all larger ratios, and what would show "
        "more. Ratios are tested in order, each only after all larger ones have passed, so the "
        "chance of a false statement is that of one test.",
        make="evaluation.decision:decisions",
        reads=lambda study: {
            "differences": study.table("differences"),
            "sizes": study.table("size_vs_ratio"),
        },
        given=lambda study: {"margin": study.margin},
    ),
    Table(
        name="probe_agreement",
        title="Probe against fine-tuning",
        caption="What a probe (logistic regression on a frozen backbone) says beside fine-tuned "
        "networks: the smallest ratio whose loss is below the margin, shown and by the estimate "
        "alone, and how the differences agree.",
        make="evaluation.probe_agreement:probe_agreement",
        reads=lambda study: {"differences": study.table("differences")},
        given=lambda study: {"probes": study.learners_of("probe"), "margin": study.margin},
        when="probes_beside_others",
    ),
    Table(
        name="same_against_same",
        title="Originals against originals",
        caption="Models of the originals against models of the originals, trained with other "
        "seeds: what the tests find where there is nothing to be found.",
        make="evaluation.calibration:same_against_same",
        reads=lambda study: {
            "predictions": [run.file("predictions.parquet") for run in study.repeated]
        },
        given=lambda study: {"runs": _runs(study.repeated)},
        when="repeated",
    ),
    Table(
        name="train_test",
        title="Trained at one ratio, tested at another",
        caption="Top-1 test accuracy of {study.train_test[learner]} trained at the row's ratio "
        "and tested at the column's, with 95 % intervals. The diagonal (bold) is what the other "
        "tables show: training, validation and test images compressed alike. Beside it stands what "
        "happens where a model meets images of another ratio than it was trained on: a network of "
        "originals that is sent compressed images, or one trained on compressed images that is "
        "sent originals. Each model's epoch (of a probe: its regularization) was chosen on "
        "validation images of its own ratio.",
        make="evaluation.train_test:train_test",
        reads=_cross_tests,
        given=lambda study: {
            "learner": (study.train_test or {})["learner"],
            "ratio": study.storage_ratio,
        },
        when="train_test",
    ),
    Table(
        name="gaps",
        title="What training on compressed images wins back",
        caption="Where {study.train_test[learner]} of originals loses accuracy on compressed "
        "images: the part that training on compressed images wins back (generalization gap), and "
        "the part that is gone (information gap); and what a model of compressed images does on "
        "originals. Every accuracy is top-1 on the test set; differences are paired by image and "
        "seed, with 95 % intervals.",
        make="evaluation.gaps:gaps",
        reads=_cross_tests,
        given=lambda study: {"learner": (study.train_test or {})["learner"]},
        when="train_test",
    ),
    Table(
        name="reading",
        title="Reading: seconds an epoch",
        caption="Seconds to read and decode the training images once, measured behind limits of "
        "bandwidth, beside the seconds that {study.reading[learner]} trains; which of disk, "
        "decoder and model an epoch waits for, and whether compression shortens it. Everything is "
        "of the machine that ran the study, and does not repeat exactly. tables/reading.csv has "
        "all ratios, the range of the repeats, what was predicted from bytes and decoder, the "
        "seconds without a limit (what this machine's own disk takes, which the prediction leaves "
        "out), and the share of bytes that came from the disk and not from the page cache.",
        make="evaluation.reading_table:reading_table",
        reads=lambda study: {
            "measured": {name: study.file(f"reading/{name}.csv") for name in study.datasets},
            "histories": {
                name: [
                    run.file("history.csv")
                    for run in study.curves(name)
                    if run.learner == (study.reading or {})["learner"]
                ]
                for name in study.datasets
            },
        },
        given=lambda study: {
            "learner": (study.reading or {})["learner"],
            "storage_ratio": study.storage_ratio,
        },
        when="reading",
    ),
    Table(
        name="classes",
        title="Classes that lose most",
        caption="The classes of each data set that lose most at ratio {study.storage_ratio}, with "
        "the top-1 test accuracy of {study.losses_learner} at each ratio and its 95 % interval; "
        "classes.csv has all classes. The few test images of one class leave wide intervals, and "
        "the worst of many classes are partly chosen by chance (the winner's curse); the note says "
        "how many differ after Holm's correction. Kept: images whose files compression left as "
        "they were, shown where there are any; where classes differ in that, it is a cue.",
        make="evaluation.losses:classes",
        reads=lambda study: {
            **_losses(study),
            "shards": {
                dataset: {
                    ratio: study.shards(dataset, ratio)
                    for ratio in study.learner_ratios(study.losses_learner)
                }
                for dataset in study.datasets
            },
        },
        given=lambda study: {"learner": study.losses_learner, "ratio": study.storage_ratio},
    ),
    Table(
        name="reproduction",
        title="Published against ours",
        caption="Every number of the paper's Tables I to IV beside ours, with the difference and "
        "whether its 95 % interval holds 0, and whether the claim that the paper makes of the row "
        "is borne out. The first lines count, and say why numbers are not compared. The paper's "
        "runs are single ones: an interval here is of such a run and of ours. What the paper "
        "misprints is in doubt, and compared with nothing.",
        make="results.tables.reproduction:reproduction",
        reads=_reproduced,
        given=_asked,
    ),
    Table(
        name="claims",
        title="The paper's claims",
        caption="What the paper claims of the rows of its tables, the figures that it rests on, "
        "ours, and whether they bear it out: borne out or not, where the 95 % interval of the "
        "difference excludes the opposite at a margin of {study.margin}; else open.",
        make="results.tables.claims:claims",
        reads=_reproduced,
        given=_asked,
    ),
    Numbers(
        name="flips",
        title="Images that flip",
        caption="Test images that are classified correctly as originals and wrongly when "
        "compressed.",
        make="evaluation.losses:flips",
        reads=_losses,
        given=lambda study: {"learner": study.losses_learner},
    ),
    Figure(
        name="fig1_schematic",
        title="Figure 1: two ways to remove noise",
        caption="The idea that the study tests (the paper's Figure 1). An image is content and "
        "noise. JPEG compression removes noise before the network, which then needs few layers to "
        "classify; without it, further layers have to remove the noise. A schematic: nothing in it "
        "was measured.",
        make="results.figures.schematic:schematic",
    ),
    Figure(
        name="fig2_accuracy_vs_ratio",
        title="Figure 2: accuracy against ratio",
        caption="Top-1 test accuracy against compression ratio, one panel a data set (the "
        "paper's Figure 2). Ratio r is JPEG quality 100 r; 1.0 is the publisher's file. Training, "
        "validation and test images are all compressed alike. Bars are 95 % intervals: Wilson's "
        "over the test images, of several seeds with random effects of seeds and test images. Of "
        "several seeds a band is the range of the single ones. The axis does not start at zero.",
        make="results.figures.accuracy:accuracy_vs_ratio",
        reads=lambda study: _accuracies(study),
    ),
    Figure(
        name="fig2_accuracy_vs_ratio_{dataset}",
        title="Figure 2: {dataset}",
        caption="Top-1 test accuracy on {dataset} against compression ratio (the paper's Figure "
        "2). Bars are 95 % intervals; of several seeds a band is the range of the single ones. The "
        "axis does not start at zero.",
        make="results.figures.accuracy:accuracy_vs_ratio",
        reads=lambda study, dataset: _accuracies(study),
        datasets=lambda study: list(study.datasets),
        alone=False,
    ),
    Figure(
        name="difference_vs_ratio",
        title="Difference to the original against ratio",
        caption="Accuracy at each ratio less the original's on the same test images, with 95 % "
        "intervals, paired by image and seed. Of several seeds a band is the range of the single "
        "ones. Where a whole bar lies above the dashed line, a loss of the margin or more is "
        "excluded.",
        make="results.figures.accuracy:difference_vs_ratio",
        reads=lambda study: {
            "differences": study.table("differences"),
            "runs": study.table("runs"),
        },
        given=lambda study: {"margin": study.margin},
    ),
    Figure(
        name="fig3_convergence",
        title="Figure 3: accuracy against epoch",
        caption="Top-1 validation accuracy after each epoch, one line a ratio (the paper's Figure "
        "3), the mean over seeds; of several seeds a band is their range. The test set plays no "
        "part here. tables/convergence has the numbers, and what they say of the paper's claim.",
        make="results.figures.convergence:convergence",
        when="by_epochs",
        reads=_curves,
        given=lambda study: {"runs": [_curve(run, study) for run in study.curves()]},
    ),
    Figure(
        name="fig3_convergence_{dataset}",
        title="Figure 3: {dataset}",
        caption="Top-1 validation accuracy on {dataset} after each epoch, one line a ratio (the "
        "paper's Figure 3), the mean over seeds; a band is their range.",
        make="results.figures.convergence:convergence",
        when="by_epochs",
        reads=_curves,
        given=lambda study, dataset: {
            "runs": [_curve(run, study) for run in study.curves(dataset)]
        },
        datasets=lambda study: list(study.datasets),
        alone=False,
    ),
    Figure(
        name="accuracy_vs_parameters",
        title="Accuracy against parameters",
        caption="Top-1 test accuracy against the number of parameters, on originals and on "
        "compressed images (the paper's section II-B): whether compression lets a smaller network "
        "reach the accuracy of a larger one. Bars are 95 % intervals; of several seeds a band is "
        "the range of the single ones. The axes do not start at zero.",
        make="results.figures.accuracy:accuracy_vs_parameters",
        reads=lambda study: {
            "models": study.table("table2_all_models"),
            "runs": study.table("runs"),
        },
        when="model_size",
    ),
    Figure(
        name="size_vs_ratio",
        title="Size against ratio",
        caption="Bytes of all images of a data set against the ratio, relative to the originals. "
        "What a data set saves depends on how hard its originals were compressed: their median "
        "quality, estimated from the quantization tables, stands in the legend.",
        make="results.figures.sizes:size_vs_ratio",
        reads=lambda study: {"sizes": study.table("size_vs_ratio")},
        storage=True,
    ),
    Figure(
        name="bytes_by_part",
        title="Where the bytes are",
        caption="Parts of the image files of a data set as originals, at ratio "
        "{study.storage_ratio} and at the smallest ratio, in percent of their bytes; at the right, "
        "bytes an image.",
        make="results.figures.sizes:bytes_by_part",
        reads=lambda study: {"table": study.table("bytes_by_part")},
        given=lambda study: {"ratio": study.storage_ratio},
        storage=True,
    ),
    Figure(
        name="reproduction",
        title="Published against ours",
        caption="The paper's numbers against ours, a panel a table: counts, accuracies and "
        "relative sizes, with 95 % intervals where they are known. The paper's are single runs: "
        "their intervals are of the test images that its Table I counts and of training anew, as "
        "far as our seeds tell how it varies; ours are those of the tables. On the grey line both "
        "are the same. Numbers that are not compared are not here; tables/reproduction says why.",
        make="results.figures.reproduction:reproduction",
        reads=lambda study: {"table": study.table("reproduction")},
    ),
    Figure(
        name="noise_examples_{dataset}",
        title="Noise: {dataset}",
        caption="Test images of {dataset} as they are, with multiplicative Gaussian noise (paper, "
        "section III-A: image in [0, 1], plus image times N(0, 1), clipped), and after JPEG "
        "compression of the noisy image. One image of each of the first classes, the first by its "
        "key. Below each stand the format and the size of its file. Images of more than 192 pixels "
        "a side are scaled down here, which dims their noise; no interpolation otherwise.",
        make="results.figures.noise:noise_examples",
        reads=lambda study, dataset: {
            name: SHARDS.format(dataset=dataset, variant=variant)
            for name, variant in zip(
                ("clean", "noisy", "compressed"),
                (study.variant(1.0), *study.noise_variants()),
                strict=True,
            )
        },
        when="noise",
        datasets=lambda study: study.noise_datasets(),
    ),
    Figure(
        name="noise_readings_{dataset}",
        title="Readings of the noise: {dataset}",
        caption="Test images of {dataset} with the noise of each reading (multiplicative: drawn "
        "for each pixel and channel; additive: likewise, of equal power; shared: drawn once an "
        "image), after JPEG compression at ratio {study.noise[ratio]}, and after a filter made for "
        "noise (non-local means). One image of each of the first classes, the first by its key. "
        "Numbers are peak signal-to-noise ratios to the original. Images of more than 192 pixels "
        "a side are scaled down here, which dims their noise; no interpolation otherwise.",
        make="results.figures.noise:noise_readings",
        reads=lambda study, dataset: {
            "folders": {
                reading: [
                    SHARDS.format(dataset=dataset, variant=variant)
                    for variant in (
                        study.variant(1.0),
                        *reading_variants(reading, (study.noise or {})["ratio"]),
                    )
                ]
                for reading in study.noise_readings
            }
        },
        when="noise_readings",
        datasets=lambda study: study.noise_datasets(),
    ),
    Figure(
        name="chroma",
        title="Accuracy against bytes, by chroma",
        caption="Top-1 test accuracy of {study.chroma[learner]} against the bytes of all images, "
        "with full chroma (4:4:4) and with subsampled chroma (4:2:0), one panel a data set. Where "
        "a line lies above the other, it has more accuracy for equal bytes. Bars are 95 % "
        "intervals; numbers are ratios; dotted: the originals' accuracy. The axes do not start at "
        "zero.",
        make="results.figures.chroma:accuracy_vs_bytes",
        reads=lambda study: {"chroma": study.table("chroma")},
        when="chroma",
    ),
    Figure(
        name="train_test",
        title="Trained at one ratio, tested at another",
        caption="Top-1 test accuracy, in percent, of models trained at one ratio and tested at "
        "another, one panel a data set. Outlined: trained and tested at the same ratio. Each panel "
        "has its own scale of lightness. The intervals are in train_test.csv.",
        make="results.figures.train_test:heat_maps",
        reads=lambda study: {"train_test": study.table("train_test")},
        when="train_test",
    ),
    Figure(
        name="flips_{dataset}",
        title="Images that flip: {dataset}",
        caption="Test images of {dataset} that {study.losses_learner} classifies correctly as "
        "originals and wrongly when compressed: the original beside the image at the ratio from "
        "which on it is wrong at all smaller ones, too; those that are wrong at the greatest "
        "ratios first, and images that are right again at a smaller ratio last. Below stand the "
        "class, the ratio with the class predicted there, and the bytes of both files. What most "
        "seeds say counts. An image may also flip because the two models were trained apart, which "
        "compression has no part in: these are examples, no measurement; flips.csv has all of "
        "them. Images of more than 192 pixels a side are scaled down here.",
        make="results.figures.flips:contact_sheet",
        reads=lambda study, dataset: {
            "flips": study.table("flips"),
            "shards": {
                ratio: study.shards(dataset, ratio)
                for ratio in study.learner_ratios(study.losses_learner)
            },
        },
        datasets=lambda study: list(study.datasets),
    ),
    Figure(
        name="reading",
        title="Reading against ratio",
        caption="Seconds to read and decode the training images once against the ratio, one "
        "colour a bandwidth: measured behind a limit in the process that reads (markers), and "
        "predicted as the longer of bytes over bandwidth and the decoder's seconds (thin lines). "
        "No limit: this machine's own disk. Below the dashed line an epoch waits for the model, "
        "and faster reading is of no use.",
        make="results.figures.reading:reading_vs_ratio",
        reads=lambda study: {"table": study.table("reading")},
        when="reading",
    ),
    Figure(
        name="rulegraph",
        title="Rules of the study",
        caption="The rules of this study, from archives to this report, as Snakemake found them. "
        "Each rule stands below all that it needs. An edge is pale where the rule below needs the "
        "one above by a longer way, too; long edges from one rule, or to one rule, run together.",
    ),
)
