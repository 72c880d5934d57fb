"""What the documents say is what the code does."""

import datetime
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from cli import reference_pages
from cli.main import app
from tests.support.database_rights import RIGHTS, UNIT

ROOT = Path(__file__).parents[2]
PROMTOOL = ROOT / ".tools/promtool"
PAPERS = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
DOCUMENTS = sorted([*(ROOT / name for name in PAPERS), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", sorted(reference_pages.PAGES))
def test_a_reference_page_is_as_it_is_drawn(page: str) -> None:
    assert (ROOT / "docs" / page).read_text("utf-8") == reference_pages.draw(page), (
        "run `make docs`"
    )


def test_the_diagram_of_the_architecture_is_drawn_from_the_topics() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    assert text == reference_pages.with_overview(text), "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_links_and_files_that_a_document_names_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    for link in links:
        assert (document.parent / link).exists(), link
    for named in re.findall(
        r"`((?:cli|console|crossregion|producers|processors|consumers|schemas|tests|docs|benchmarks)/[\w./-]*)`",
        text,
    ):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_that_a_document_names_are_there(document: Path) -> None:
    groups = get_command(app).commands  # type: ignore[attr-defined]
    text = document.read_text("utf-8")
    for name, of_it in re.findall(r"(?:`|^)crossregion ([a-z][a-z-]*)(?: ([a-z-]+))?", text, re.M):
        assert name in groups
        inner = getattr(groups[name], "commands", None)
        assert not (inner and of_it) or of_it in inner, (name, of_it)


def test_every_test_that_the_threat_model_names_is_there() -> None:
    page = (ROOT / "docs/security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    written = set(re.findall(r"^def (test_\w+)", "\n".join(sources), re.MULTILINE))
    assert len(named) > 10
    assert named <= written


def test_promtool_accepts_every_metric() -> None:
    program = "from crossregion import metrics as m; print(m.generate_latest().decode(), end='')"
    page = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert b"crossregion_events" in page
    checked = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_index_of_decisions_lists_each_with_its_title_status_and_date() -> None:
    folder = ROOT / "docs/adr"
    titles = {}
    for path in folder.glob("[0-9]*.md"):
        heading = path.read_text("utf-8").partition("\n")[0]
        numbered = re.fullmatch(r"# (\d+)\. (.+)", heading)
        assert numbered, f"{path.name} begins with its number and title"
        assert path.name.startswith(f"{int(numbered[1]):04}-")
        titles[path.name] = numbered[2]
    status = r"accepted|superseded by \d{4}"
    row = rf"^\| \[(\d+)\]\((\S+)\) \| (.+) \| ({status}) \| (\d{{4}}-\d\d-\d\d) \|$"
    rows = re.findall(row, (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [(file, title) for _, file, title, _, _ in rows] == sorted(titles.items())
    numbers = [int(number) for number, *_ in rows]
    assert numbers == sorted(set(numbers)), "two decisions have one number"
    for number, _, _, state, date in rows:
        datetime.date.fromisoformat(date)
        newer = state.removeprefix("superseded by ")
        assert state == "accepted" or int(number) < int(newer) in numbers


def test_the_functions_that_units_have_stand_in_the_table_of_roles() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    (row,) = re.findall(r"^\| `unit_<code>`.*$", text, re.MULTILINE)
    named = set(re.findall(r"`(registry\.\w+)\(\)`", row))
    assert named == {name.partition("(")[0] for name, roles in RIGHTS.items() if UNIT in roles}


def test_hooks_before_a_commit_run_this_projects_own_programs() -> None:
    """Nothing is downloaded, and each program and test that a hook names is there."""
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert set(re.findall(r"repo: (.+)", text)) == {"local"}
    assert set(re.findall(r"language: (.+)", text)) == {"system"}
    hooks = re.findall(r"entry: (.+)", text)
    assert len(hooks) == text.count("- id:") > 3
    for hook in hooks:
        program, *arguments = hook.split()
        name = program.removeprefix(".venv/bin/")
        assert name in {"ruff", "mypy", "python"}
        for argument in arguments:
            assert "/" not in argument or (ROOT / argument).exists(), argument


def test_the_glossary_gives_each_word_in_both_languages_with_meaning_and_source() -> None:
    tables = (ROOT / "docs/glossary.md").read_text("utf-8").split("\n## ")[1:]
    every = []
    for table in tables:
        rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
        words = [[cell.strip() for cell in row] for row in rows[1:]]
        for word, chinese, meaning, source in words:
            assert re.search("[\u4e00-\u9fff]", chinese), word
            assert meaning.endswith(".") and source, word
        names = [word for word, *_ in words]
        assert names == sorted(names)
        every += names
    assert len(every) == len(set(every)) > 50
