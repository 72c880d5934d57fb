"""The command of supervision: a report of a period, as known at a moment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated

import typer

from cli import spreadsheets
from cli.errors import CommandError
from cli.options import Purpose, kafka_and_database
from cli.terminal import Terminal
from crossregion.domain.dates import SHANGHAI
from crossregion.domain.reports.figures import PATTERNS, Column, FigureFormat, Kind, Table, shown
from crossregion.services.reports import FIGURES, SECTIONS, Question
from schemas.units import UNITS

WIDEST = 1_000
END_OF_DAY = time(23, 59, 59, 999_000)
EARLIEST, LATEST_YEAR = date(1900, 1, 1), 9990

console = Terminal()


class NotToBeAsked(CommandError):
    """The report that is asked for cannot be."""

    code = "report-not-to-be-asked"


def report(
    sections: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SECTION]...", help=f"Of {', '.join(SECTIONS)}; all by default."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="First day; by default of the last day's year."
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="DATE", help="Last day, by the records' own dates; the day known at."
        ),
    ] = None,
    known_at: Annotated[
        str | None,
        typer.Option(
            "--known-at",
            metavar="DATE|TIME",
            help="Count only what the broker had by the end of this day, or by this time (ISO 8601 "
            "with zone); by default all that has been read.",
        ),
    ] = None,
    by: Annotated[str, typer.Option(help=f"Solved cases by {', '.join(PATTERNS)}.")] = "year",
    unit: Annotated[str | None, typer.Option(help="Only what concerns this unit.")] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="CSV: unit, reported, solved in the year to compare with (2007)."),
    ] = None,
    rounded: Annotated[
        bool,
        typer.Option(
            "--rounded", help="For handing on: counts to the nearest 5, nothing of very few."
        ),
    ] = False,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="FIGURE", help="List the ids of the events that a figure counts, as CSV."
        ),
    ] = None,
    as_csv: Annotated[
        Path | None, typer.Option("--csv", metavar="DIR", help="Write a CSV file a section here.")
    ] = None,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a workbook.")] = None,
    purpose: Purpose = "",
) -> None:
    """Show the figures of supervision for a period: how it was known then, or is known now.

    The same period and the same --known-at give the same report at any time, also after a rebuild,
    once the registry has read up to it ("read up to"). What cannot be known is n/a. No person
    stands in a report.
    """
    from crossregion.postgres import transactions
    from crossregion.services import baseline as baselines
    from crossregion.services import reports

    names = _sections(sections, events)
    _check_choices(by, unit, events, rounded)
    compared = baselines.read(baseline) if baseline else baselines.NOTHING
    with transactions.session(kafka_and_database().supervision) as connection:
        newest = reports.newest(connection)
        moment = _moment(known_at, newest)
        first, last = _period(since, as_of, moment)
        question = Question(first, last, moment, by, unit, compared, FigureFormat(rounded))
        if events:
            listed = reports.events(connection, events, question, purpose)
            sys.stdout.write(spreadsheets.to_csv(listed))
            return
        tables = [
            _about(question, newest, rounded),
            *reports.report(connection, names, question, purpose),
        ]
    for table in tables:
        _show(table)
    if as_csv:
        written = spreadsheets.write_csv(tables, as_csv)
        console.print(f"{len(written)} files written to {as_csv}")
    if xlsx:
        spreadsheets.write_xlsx(tables, xlsx)
        console.print(f"Written to {xlsx}")


def _sections(given: Sequence[str] | None, events: str | None) -> list[str]:
    for name in given or ():
        if name not in SECTIONS:
            raise NotToBeAsked("no-section", name=name, known=SECTIONS)
    if given and events:
        raise NotToBeAsked("events-and-sections")
    return list(dict.fromkeys(given or SECTIONS))


def _check_choices(by: str, unit: str | None, events: str | None, rounded: bool) -> None:
    if by not in PATTERNS:
        raise NotToBeAsked("no-part-of-a-period", by=by, known=PATTERNS)
    if unit is not None and unit not in UNITS:
        raise NotToBeAsked("no-unit", unit=unit, known=UNITS)
    if events is not None and events not in FIGURES:
        raise NotToBeAsked("no-figure", events=events, known=FIGURES)
    if events is not None and rounded:
        raise NotToBeAsked("rounded-events")


def _moment(text: str | None, newest: datetime) -> datetime:
    """The last moment that counts: of a day its end, in Shanghai."""
    if text is None:
        return newest
    if len(text) == len("2026-01-31"):
        moment = datetime.combine(_day(text), END_OF_DAY, SHANGHAI)
    else:
        moment = _time(text)
    if not EARLIEST.year < moment.year <= LATEST_YEAR:
        raise NotToBeAsked("no-time-of-a-report", text=text, latest_year=LATEST_YEAR)
    return moment


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotToBeAsked("no-time", text=text) from None
    if moment.tzinfo is None:
        raise NotToBeAsked("no-zone", text=text)
    return moment


def _period(since: str | None, as_of: str | None, known_at: datetime) -> tuple[date, date]:
    known_on = known_at.astimezone(SHANGHAI).date()
    last = _day(as_of) if as_of else known_on
    first = _day(since) if since else date(last.year, 1, 1)
    if first > last:
        raise NotToBeAsked("ends-before-it-begins", last=last, first=first)
    if last > known_on:
        raise NotToBeAsked("ends-after-it-was-known", last=last, known_on=known_on)
    return first, last


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise NotToBeAsked("no-day", text=text) from None
    if day.isoformat() != text or day < EARLIEST:
        raise NotToBeAsked("no-day-of-a-report", text=text)
    return day


def _about(question: Question, newest: datetime, rounded: bool) -> Table:
    """What is needed to make the same report again."""
    from crossregion.services import baseline as baselines

    known_at = question.known_at.astimezone(SHANGHAI)
    rows = [
        ("from", question.since.isoformat()),
        ("as of", question.until.isoformat()),
        ("known at", known_at.isoformat(timespec="milliseconds")),
        ("read up to", newest.astimezone(SHANGHAI).isoformat(timespec="milliseconds")),
        ("unit", question.unit or baselines.WHOLE),
        ("baseline, SHA-256", question.baseline.digest or None),
        ("counts", "to the nearest 5" if rounded else "exact"),
    ]
    columns = (Column("what", Kind.KEY), Column("value", Kind.KEY))
    return Table(spreadsheets.ABOUT, "This report", columns, rows)


def _show(table: Table) -> None:
    from rich.measure import Measurement
    from rich.table import Table as Shown

    made = Shown(title=table.title, title_justify="left")
    for column in table.columns:
        heading = column.name.replace("_", " ")
        made.add_column(
            heading,
            justify="left" if column.kind is Kind.KEY else "right",
            no_wrap=column.kind is Kind.KEY,
            min_width=max(map(len, heading.split())),
        )
    for row in table.rows:
        cells = zip(row, table.columns, strict=True)
        made.add_row(*(shown(cell, column.kind) for cell, column in cells))
    needed = Measurement.get(
        console.rich, console.rich.options.update(max_width=WIDEST), made
    ).minimum
    if needed > console.rich.width:
        made.width = needed  # wider than the screen: a code that is cut off tells nothing
    console.print(made)
