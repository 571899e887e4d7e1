"""The report of a study, by Snakemake's own report writer."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jpegprep.common.files import replacing


def write_report(
    snakefile: str | Path, config: str, results: Sequence[str], html: str | Path
) -> None:
    """Write one self-contained HTML file with the results, their captions and their origin.

    A second Snakemake reads what the first one recorded of its jobs. It runs no job and takes no
    lock.

    Args:
        snakefile: the workflow's main Snakefile.
        config: the study, as JSON.
        results: the tables and figures to show.
        html: the file to write.

    Raises:
        subprocess.CalledProcessError: where Snakemake fails; its output says why.
    """
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch, replacing(html) as part:
        study, report = Path(scratch) / "study.json", Path(scratch) / "report.html"
        study.write_text(config, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--configfile", str(study), "--workflow-profile", "none", "--nolock"]
        subprocess.run([*command, "--report", str(report), "--", *results], check=True)
        shutil.copyfile(report, part)
