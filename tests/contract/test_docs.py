"""What the documents say is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from cli import reference_pages
from cli.main import app

ROOT = Path(__file__).parents[2]
PROMTOOL = ROOT / ".tools/promtool"
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", sorted(reference_pages.PAGES))
def test_a_reference_page_is_as_it_is_drawn(page: str) -> None:
    assert (ROOT / "docs" / page).read_text("utf-8") == reference_pages.draw(page), (
        "run `make docs`"
    )


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
