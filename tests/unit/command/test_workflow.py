"""What Snakemake is called with, where it works, and what is heard of it."""

import io
import os
import time
from pathlib import Path

import pytest

from jpegprep.command import workflow
from jpegprep.command.workflow import Ended, arguments_of, folder_for, given_config, why
from jpegprep.common.errors import UserError


def config_of(arguments):
    """Return what Snakemake (9.27) makes of the --config of a command line."""
    from snakemake.cli import parse_config

    place = arguments.index("--config") + 1
    pairs = []
    for word in arguments[place:]:
        if word.startswith("-"):
            break
        pairs.append(word)
    return parse_config(pairs)


@pytest.mark.parametrize(
    "path", ["/data/Mine & yours (é)", "/data/it's 1", "/data/[1]", r"(?P<group>patient\d+)_[ab]"]
)
def test_a_text_reaches_the_workflow_as_it_is(path):
    """A path or a pattern, with signs that YAML has a use for."""
    arguments = arguments_of(["recommend"], Path("/work"), {"images": path, "margin": 0.02})
    assert config_of(arguments) == {"images": path, "margin": 0.02}


@pytest.mark.parametrize("path", ["/data/a: b", "/data/1 # 2", "/data/'x'"])
def test_what_snakemake_would_read_otherwise_is_refused(path):
    """In one line, not by a job that looks for another folder."""
    with pytest.raises(UserError, match=r"images is .*Snakemake makes something else"):
        arguments_of(["recommend"], Path("/work"), {"images": path})


def test_what_the_user_hands_on_is_added(tmp_path):
    """A second --config would take the place of ours; other options are Snakemake's affair."""
    more = ["--config", "rare=drop", "minutes=2", "-n", "--resources", "gpu=1"]
    arguments = arguments_of(["recommend"], tmp_path, {"images": "/a", "margin": None}, more=more)
    assert arguments.count("--config") == 1
    assert config_of(arguments) == {"images": "/a", "rare": "drop", "minutes": 2}
    assert arguments[-3:] == ["-n", "--resources", "gpu=1"]
    assert given_config(more) == {"rare": "drop", "minutes": "2"}


def test_results_lie_below_the_working_directory_or_where_they_are_asked_for(
    tmp_path, monkeypatch, root
):
    """One folder, so that nothing else is littered; the clone keeps its results/."""
    monkeypatch.chdir(tmp_path)
    assert folder_for() == tmp_path / "jpegprep-out"
    assert folder_for("elsewhere") == tmp_path / "elsewhere"
    monkeypatch.chdir(root)
    assert folder_for().samefile(root)


def test_results_never_lie_in_the_images(tmp_path, monkeypatch):
    """Below them they would be written to, and taken for a class the next time."""
    images = tmp_path / "photos"
    images.mkdir()
    monkeypatch.chdir(images)
    with pytest.raises(UserError, match=r"photos/jpegprep-out: lies in .*photos, .* by --out"):
        folder_for(None, images)
    assert not [*images.iterdir()]
    assert folder_for(tmp_path / "out", images) == tmp_path / "out"


def test_a_folder_that_cannot_be_had_is_one_line_that_names_out(tmp_path):
    """A file in its place, for one."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"file/x: Not a directory; .* --out"):
        folder_for(tmp_path / "file/x")


def test_lines_are_heard_once_and_whole():
    """A line that is still being written waits; at the end it is heard anyway."""
    file = io.BytesIO(b"one\ntw")
    assert [*workflow._lines(file, last=False)] == ["one"]
    place = file.tell()
    file.seek(0, os.SEEK_END)
    file.write(b"o\n\xff three")
    file.seek(place)
    assert [*workflow._lines(file, last=False)] == ["two"]
    assert [*workflow._lines(file, last=True)] == ["\ufffd three"]


def test_a_problem_that_is_said_twice_is_one(tmp_path):
    """By the job, and with its log by the workflow; Snakemake's exit status of a job is none."""
    told = {"event": "told", "message": "error: a.png: is damaged; remove it"}
    again = {"event": "told", "message": f"{told['message']} (log: results/logs/x.log)"}
    assert workflow._problem(told) == workflow._problem(again) == "a.png: is damaged; remove it"
    status = "RuleException:\nCalledProcessError in file x, line 1:\nCommand '…' returned 1."
    assert workflow._problem({"event": "error", "message": status}) is None
    missing = {"event": "error", "message": "MissingRuleException:\nNo rule to produce tabels"}
    assert workflow._problem(missing) == "MissingRuleException: No rule to produce tabels"


def test_a_failure_without_a_word_names_rule_and_log(tmp_path):
    """As where the system killed a job for its memory."""
    log = tmp_path / "a.log"
    log.write_text("Traceback\nValueError: no\n\n")
    assert why(Ended(1, log), ["train_timm"]).startswith("train_timm ended without a word")
    assert why(Ended(1, log), []) == f"Snakemake ended with status 1: ValueError: no (log: {log})"
    assert why(Ended(1, log, ["first", "last"]), ["x"]) == "last"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a clone in small: a Snakefile of its own, run by `workflow.run`."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "Snakefile").write_text(_SNAKEFILE, encoding="utf-8")
    return folder


_SNAKEFILE = """
rule all:
    input: "a.txt"

rule make:
    output: "a.txt"
    log: "results/logs/make.log"
    shell: "echo a note >&2; sleep {wait}; touch {output}"

rule broken:
    output: "b.txt"
    shell: "echo 'error: b: is broken; mend it' >&2; exit 1"
"""


def test_a_call_tells_its_events_and_what_jobs_print(tiny, tmp_path, monkeypatch):
    """Snakemake's own lines are not among them."""
    monkeypatch.setattr(workflow, "ROOT", tiny)
    (tiny / "Snakefile").write_text(_SNAKEFILE.replace("{wait}", "0"), encoding="utf-8")
    heard = []
    ended = workflow.run(arguments_of(["all"], tmp_path, cores=1), tmp_path, heard.append)
    assert ended.status == 0 and (tmp_path / "a.txt").exists()
    kinds = [event["event"] for event in heard]
    assert [k for k in kinds if k in ("run_info", "job_info", "job_finished")] == [
        *("run_info", "job_info", "job_finished", "job_info", "job_finished")
    ]
    # But for one that it prints before it knows of any logger.
    told = [event["message"] for event in heard if event["event"] == "told"]
    assert [line for line in told if not line.startswith("Using workflow")] == ["a note"]
    made = next(event for event in heard if event["event"] == "job_info")
    assert (made["rule_name"], made["log"]) == ("make", ["results/logs/make.log"])
    heard.clear()
    broken = workflow.run(arguments_of(["b.txt"], tmp_path, cores=1), tmp_path, heard.append)
    assert (broken.status, broken.problems) == (1, ["b: is broken; mend it"])


@pytest.mark.parametrize("in_the_background", [False, True])
def test_interrupted_it_ends_its_jobs_and_goes_on_when_called_again(
    tiny, tmp_path, monkeypatch, in_the_background
):
    """One SIGINT to this process, as Ctrl-C sends it; no process and no lock is left.

    A script's background calls ignore SIGINT, and so would Snakemake: there SIGTERM ends it.
    """
    import signal

    import psutil

    monkeypatch.setattr(workflow, "ROOT", tiny)
    (tiny / "Snakefile").write_text(_SNAKEFILE.replace("{wait}", "300"), encoding="utf-8")
    arguments = arguments_of(["all"], tmp_path, cores=1)

    def stop(event):
        if event.get("message") == "a note":
            if in_the_background:
                os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM if in_the_background else signal.SIGINT)

    handler = signal.SIG_IGN if in_the_background else signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler)
    try:
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            workflow.run(arguments, tmp_path, stop)
        assert time.monotonic() - begun < 250  # the job would sleep longer
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [p for p in psutil.Process().children(recursive=True) if "sleep" in p.name()]
    (tiny / "Snakefile").write_text(_SNAKEFILE.replace("{wait}", "0"), encoding="utf-8")
    assert workflow.run(arguments, tmp_path, lambda event: None).status == 0
    assert (tmp_path / "a.txt").exists()


def test_under_nohup_it_goes_on(tiny, tmp_path, monkeypatch):
    """SIGHUP, which a closed terminal sends, is ignored where it was ignored before."""
    import signal

    monkeypatch.setattr(workflow, "ROOT", tiny)
    (tiny / "Snakefile").write_text(_SNAKEFILE.replace("{wait}", "0"), encoding="utf-8")
    hung = []

    def hang_up(event):
        if event.get("message") == "a note":
            hung.append(True)
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert workflow.run(arguments_of(["all"], tmp_path, cores=1), tmp_path, hang_up).status == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert hung and (tmp_path / "a.txt").exists()
