"""What is shown of a call, on a terminal and in a file."""

import io

import pytest
from rich.console import Console

from jpegprep.command.screen import Screen
from jpegprep.command.steps import Steps


@pytest.fixture
def shown(tmp_path):
    """Return a function that shows events, and the text that comes of it."""

    def show(events, terminal=False, width=80, seconds=0.0):
        now = [0.0]
        text = io.StringIO()
        console = Console(
            file=text, force_terminal=terminal, width=width, highlight=False, color_system=None
        )
        with Screen(Steps(tmp_path, lambda: now[0]), console) as screen:
            for event in events:
                screen.watch(event)
                screen.tick()
                now[0] += seconds
        return text.getvalue()

    return show


STUDY = [
    {"event": "run_info", "stats": {"build_manifest": 1, "train_probe": 1, "total": 2}},
    {"event": "job_info", "jobid": 1, "rule_name": "build_manifest"},
    {"event": "told", "message": "3 images are near copies of others"},
    {"event": "job_finished", "job_id": 1},
    {"event": "progress", "done": 1, "total": 2},
    {"event": "job_info", "jobid": 2, "rule_name": "train_probe"},
    *({"event": "told", "message": f"run {i} of 900 done: a/b/c/seed{i}"} for i in range(900)),
    {"event": "problem", "message": "disk/full: no room; free some"},
]


def test_a_file_has_few_lines_however_much_jobs_tell(shown):
    """A line a stage, what is worth knowing, problems, and how far it is ever more rarely."""
    lines = shown(STUDY, seconds=1.0).splitlines()
    assert lines[:3] == [
        "2 steps to do",
        "0:01 Images and weights",
        "3 images are near copies of others",
    ]
    assert "0:05 Training" in lines
    assert lines[-1] == "error: disk/full: no room; free some"
    assert not any("run 1 of" in line for line in lines)
    # 906 seconds: after 1, 2, 4 and 8 minutes.
    assert sum("1 of 2 steps" in line for line in lines) == 4
    assert len(lines) == 9


def test_a_line_of_a_file_is_never_folded_and_has_no_colours(shown):
    """An error that names a long path stays one line, to be searched for."""
    path = "/data/" + "x" * 200
    text = shown([{"event": "problem", "message": f"{path}: is no folder [of images]"}], width=40)
    assert text == f"error: {path}: is no folder [of images]\n"


@pytest.mark.parametrize("width", [40, 160])
def test_a_terminal_has_one_view_that_fits(shown, width):
    """No line of the view is wider than the terminal, and it is gone in the end."""
    text = shown(STUDY[:8], terminal=True, width=width)
    assert "1 of 2 steps" in text
    assert "Images and weights" in text and "Training" in text
    plain = text.replace("\x1b[2K", "").replace("\x1b[1A", "").replace("\r", "\n")
    assert all(len(line) <= width + 8 for line in plain.splitlines() if "\x1b" not in line)
    assert text.rstrip("\n").endswith("\x1b[2K")
    assert text.count("3 images are near copies of others") == 1
