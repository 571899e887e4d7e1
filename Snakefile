# From raw archives to the tables and figures of a study: how far can images be JPEG-compressed?
# The study is config/config.yaml, or another one: snakemake --configfile FILE
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # of the jobs, too; see Makefile

DEFAULT = "recommend.yaml" if "images" in config else "config.yaml"

# A study given with --configfile replaces the default one; the two are not merged.
if not workflow.overwrite_configfiles:

    configfile: Path(workflow.basedir) / "config" / DEFAULT


sys.path.insert(0, str(Path(workflow.basedir) / "workflow/scripts"))


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"


# Used with --software-deployment-method apptainer alone; envs/apptainer.def says how it is built.
container: "jpegprep.sif"


report: "workflow/report/workflow.rst"


onstart:
    if told := mend_times("results", "resources"):
        print(told, file=sys.stderr)
    # Where Snakemake (9.27) limits how many jobs begin a second, it wakes once more each second for
    # every job that has ended: after 200 jobs it takes half a core from the training. Its default,
    # 100 a second, is nothing that we need; a limit that a user gives stays. Before the start there
    # are neither these settings nor the scheduler.
    _limit = workflow.scheduling_settings.max_jobs_per_timespan
    if _limit and (_limit.max_jobs, _limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onerror:
    # Snakemake says that a job failed; its log says why.
    print(*failures("results/logs", STARTED), sep="\n", file=sys.stderr)


localrules:
    all,
    tables,
    storage,
    figures,
    recommend,


rule all:
    default_target: True
    input:
        result("report.html"),
        # Snakemake makes no lost file again that only others need: these are wanted themselves,
        # the runs since a table must lead back to them. Shards may go.
        TABLES,
        FIGURES,
        [file for name in RUN_RECORD for file in run_files(name)],
        TRANSFERS,


rule tables:
    input:
        TABLES,


rule storage:
    input:
        STORAGE,


rule figures:
    input:
        FIGURES,


include: "workflow/rules/download.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/test.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/decision.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/illustrations.smk"
include: "workflow/rules/train_test.smk"
include: "workflow/rules/losses.smk"
include: "workflow/rules/reading.smk"
include: "workflow/rules/recommend.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/costs.smk"
