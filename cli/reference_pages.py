"""The reference pages of `docs/`, drawn from the code and the contracts they describe.

    python -m cli.reference_pages docs

A test holds the pages to what this draws.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from crossregion import metrics
from crossregion.settings import PREFIX, Settings
from schemas import codec, topics

OVERVIEW_BEGINS, OVERVIEW_ENDS = "<!-- drawn by make docs -->", "<!-- end -->"


def topics_page() -> Iterator[str]:
    """The catalogue: every topic with its contract, and every event with its fields."""
    yield "# Topics and events"
    yield "Drawn from `schemas/topics/*.toml` and `schemas/avro/` by `make docs`."
    yield "\n".join(["```mermaid", "flowchart LR", *_flow(), "```"])
    yield "## Topics"
    for topic in topics.TOPICS:
        yield f"### `{topic.pattern}`"
        yield topic.meaning
        yield from _table(
            ("what", "value"),
            [
                ("events", ", ".join(topic.schemas)),
                ("one for", topic.per.replace("-", " ")),
                ("key", topic.key),
                ("written by", ", ".join(topic.written_by)),
                ("read by", ", ".join(topic.read_by)),
                ("partitions", str(topic.partitions)),
                *sorted(topic.config.items()),
            ],
        )
    yield "## Events"
    for event, known in sorted(codec.versions().items()):
        newest = max(known)
        yield f"### {event}, version {newest}"
        yield str(known[newest]["doc"])
        yield (
            f"Example: `schemas/examples/{event}/{newest}/`. "
            f"Fingerprint, as it stands in the bytes: `{codec.fingerprint(known[newest]).hex()}`."
        )
        yield from _table(("field", "type", "meaning"), _fields(known[newest], ""))


def _flow() -> Iterator[str]:
    for topic in topics.TOPICS:
        name = topic.pattern.replace("{unit}", "&lt;unit&gt;")
        node = "topic-" + topic.pattern.partition(".")[0]
        yield f'    {node}[("{name}")]'
        yield from (f"    {writer}([{writer}]) --> {node}" for writer in topic.written_by)
        yield from (f"    {node} --> {reader}([{reader}])" for reader in topic.read_by)


def overview() -> str:
    """The diagram of docs/architecture.md: who writes what for whom.

    What only returns to its writer is left out.

    What stands before and behind Kafka is in no contract, and so it stands here.
    """
    carried: dict[tuple[str, str], list[str]] = {}
    for topic in topics.TOPICS:
        name = topic.pattern.replace("{unit}", "&lt;unit&gt;")
        for writer in topic.written_by:
            for reader in topic.read_by:
                if reader in topics.workers() and writer != reader:
                    carried.setdefault((writer, reader), []).append(name)
    lines = [
        "```mermaid",
        "flowchart TD",
        '    source["a unit\'s export (CSV, XLSX), outbox, or JSON by HTTP"] --> spool',
        '    spool["producers: durable spool, sender"] --> unit',
        *(
            f'    {writer} -->|"{"<br>".join(names)}"| {reader}'
            for (writer, reader), names in carried.items()
        ),
        '    registry --> database[("PostgreSQL")]',
        '    delivery --> channels["webhooks, mailboxes"]',
        "```",
    ]
    return "\n".join(lines)


def with_overview(text: str) -> str:
    """A page whose diagram between the two comments is drawn anew.

    Raises: ValueError where a comment is missing.
    """
    before, begun, rest = text.partition(OVERVIEW_BEGINS)
    _, ended, after = rest.partition(OVERVIEW_ENDS)
    if not (begun and ended):
        raise ValueError(f"{OVERVIEW_BEGINS} or {OVERVIEW_ENDS} is missing")
    return f"{before}{begun}\n{overview()}\n{ended}{after}"


def _fields(record: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for field in record["fields"]:
        name = f"{path}{field['name']}"
        yield f"`{name}`", _type(field["type"]), field.get("doc", "")
        inner = _record_in(field["type"])
        if inner is not None:
            yield from _fields(inner, f"{name}.")


def _type(avro: Any) -> str:
    if isinstance(avro, list):
        return " or ".join(map(_type, avro))
    if isinstance(avro, dict):
        if avro["type"] in ("array", "map"):
            return f"{avro['type']} of {_type(avro.get('items', avro.get('values')))}"
        return str(avro.get("name", avro["type"]))
    return str(avro)


def _record_in(avro: Any) -> dict[str, Any] | None:
    if isinstance(avro, list):
        return next(filter(None, map(_record_in, avro)), None)
    if isinstance(avro, dict):
        return avro if avro["type"] == "record" else _record_in(avro.get("items"))
    return None


def metrics_page() -> Iterator[str]:
    """Every metric with its meaning and labels."""
    yield "# Metrics"
    yield (
        "Every process serves `/metrics` and `/health` (200 while it makes progress, else 503). "
        "Labels are units and outcomes, never persons. Drawn from `crossregion/metrics.py`."
    )
    defined = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    rows = []
    for one in defined:
        (described,) = one.describe()
        name = f"{described.name}_total" if described.type == "counter" else described.name
        labels = ", ".join(f"`{label}`" for label in one._labelnames)
        rows.append((f"`{name}`", described.type, labels, described.documentation))
    yield from _table(("metric", "type", "labels", "meaning"), sorted(rows))


def settings_page() -> Iterator[str]:
    """Every setting."""
    yield "# Settings"
    yield (
        "Read from the environment by `crossregion/settings.py`. Options of a command take "
        "precedence."
    )
    rows = []
    defaults = Settings()
    for field in fields(Settings):
        value = getattr(defaults, field.name)
        default = "" if value is None else f"`{value}`"
        rows.append((f"`{PREFIX}{field.name.upper()}`", default, field.metadata["description"]))
    yield from _table(("variable", "default", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    yield "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines
    )


PAGES = {"topics.md": topics_page, "metrics.md": metrics_page, "settings.md": settings_page}


def draw(page: str) -> str:
    """The text of one page of `PAGES`."""
    return "\n\n".join(PAGES[page]()) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    for page in PAGES:
        (folder / page).write_text(draw(page), encoding="utf-8")
    architecture = folder / "architecture.md"
    architecture.write_text(with_overview(architecture.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
