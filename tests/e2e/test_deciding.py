"""What `demo` proposed, decided on the same data by an analyst's commands."""

import json
import shutil
from pathlib import Path

from tests.e2e.command import assert_one_clear_line, run
from tests.e2e.test_up import FEED, up


def test_what_the_demo_proposed_is_decided_on_a_running_stack(tmp_path: Path) -> None:
    feed, data, out = (tmp_path / name for name in ("feed", "data", "out"))
    for unit in ("220300", "220400"):
        shutil.copytree(FEED / unit, feed / unit)
    demo = run("demo", "--feed", feed, "--data", data, "--out", out)
    assert demo.returncode == 0, demo.stderr
    proposed = [json.loads(line) for line in (out / "proposals.jsonl").read_text().splitlines()]
    first = proposed[0]["proposal_id"]
    here = {"CROSSREGION_DATA": str(data)}
    with up(data):
        listed = run("proposals", "list", "--undecided", **here).stdout
        assert f"{len(proposed)} proposals." in listed
        assert first in listed

        confirm = ("proposals", "decide", first, "confirmed", "--reason", "dna")
        decided = run(*confirm, "--note", "[bold]a letter", **here)
        assert (decided.returncode, decided.stdout) == (0, "decided\n"), decided.stderr
        again = run(*confirm, **here)
        already = "already decided by the analyst of 220000: confirmed\n"
        assert (again.returncode, again.stdout) == (3, already)
        shown = run("proposals", "show", first, **here).stdout
        assert "Before anything is compared" in shown
        assert "Decision 1 (in force): confirmed by the analyst of 220000, reason dna" in shown
        assert "note: [bold]a letter" in shown
        listed = run("proposals", "list", "--undecided", **here).stdout
        assert f"{len(proposed) - 1} proposals." in listed
        wrong = run("proposals", "decide", first, "undone", "--reason", "because", **here)
        assert_one_clear_line(wrong, "because is no reason for undone: mistake")
        undo = ("proposals", "decide", first, "undone", "--reason", "mistake", "--wait", "0")
        late = run(*undo, **here)
        assert (late.returncode, late.stdout) in ((4, "sent, not yet decided\n"), (0, "decided\n"))
