"""What `demo` proposed, decided on the same data by an analyst's commands; and agreements."""

import csv
import io
import json

from tests.e2e.conftest import Demo
from tests.support.command import assert_one_clear_line, run
from tests.support.stacks import DisposableStack


def test_what_the_demo_proposed_is_decided_on_a_running_stack(bad_demo: Demo) -> None:
    data, out = bad_demo.data, bad_demo.out
    proposed = [json.loads(line) for line in (out / "proposals.jsonl").read_text().splitlines()]
    first = proposed[0]["proposal_id"]
    here = {"CROSSREGION_DATA": str(data)}
    with DisposableStack(data):
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
        agreements_and_corridors(here)


def agreements_and_corridors(here: dict[str, str]) -> None:
    def corridors(*options: str) -> list[dict[str, str]]:
        done = run("corridors", "--csv", *options, **here)
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(io.StringIO(done.stdout)))

    found = corridors()
    assert {row["agreed"] for row in found} == {"no"}
    assert corridors("--without-agreement") == found
    one, other = found[0]["one"], found[0]["other"]
    letter = ("--number", "[bold]1", "--signed", "2026-01-08", "--from", "2026-02-01")
    record = ("agreements", "record", other, one, *letter, "--contact", f"{one}:head:PSD")
    first = run(*record, "--hours", "48", **here)
    assert first.returncode == 0, first.stderr
    assert first.stdout.endswith(", revision 1\n")
    assert run(*record, "--hours", "48", **here).stdout == first.stdout
    agreed = {"2026-02-01": found[1:], "2026-01-31": found}
    for day, without in agreed.items():
        assert corridors("--on", day, "--without-agreement") == without
    printed = run("corridors", "--on", "2026-02-01", **here).stdout
    assert f"{len(found)} corridors, {len(found) - 1} without an agreement in force." in printed
    ended = run(*record, "--hours", "48", "--to", "2026-06-30", "--ended", **here)
    assert ended.stdout.endswith(", revision 2\n")
    agreement_id = ended.stdout.split()[1].rstrip(",")
    shown = run("agreements", "show", agreement_id, **here).stdout.splitlines()
    assert shown[0] == f"Agreement [bold]1 of {one} and {other}"
    assert shown[2].startswith("Revision 2: ended from 2026-02-01 to 2026-06-30, signed 2026-01-08")
    assert shown[3] == f"Contact: head of {one}, PSD"
    listed = run("agreements", "list", "--unit", one, "--on", "2026-06-30", **here).stdout
    assert "1 agreements." in listed
    assert agreement_id in listed
    late = run(*record, "--hours", "24", "--wait", "0", **here)
    assert (late.returncode, late.stdout.split(":")[0]) in (
        (4, "sent, not yet recorded\n"),
        (0, "recorded"),
    )
    for wrong, says in (
        (("agreements", "record", one, one, *letter), f"{one}, {one} are no two units"),
        ((*record, "--contact", "somebody"), "somebody is no contact: write UNIT:ROLE:OFFICE"),
        (("corridors", "--on", "tomorrow"), "tomorrow is no day: write 2026-01-31"),
    ):
        assert_one_clear_line(run(*wrong, **here), says)
