"""The command line. Errors say what to do; a traceback is shown only with --debug.

A command's module is imported when the command is called: `crossregion --help` imports none.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

PLAIN: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
"""Help without boxes: it is complete in a pipe, and rich need not be loaded."""


@dataclass(frozen=True)
class Target:
    """Where a command or a group of commands is defined, and its line in the list of commands."""

    module: str
    name: str
    help: str

    def load(self, command: str) -> Any:
        """The command itself, ready to be called."""
        found = getattr(importlib.import_module(self.module), self.name)
        if isinstance(found, typer.Typer):
            holder = typer.Typer(add_completion=False, callback=lambda: None, **PLAIN)
            holder.add_typer(found, name=command)
            group: Any = typer.main.get_group(holder).commands[command]
            for one in group.commands.values():
                one.short_help = " ".join((one.help or "").partition("\n\n")[0].split())
            return group
        holder = typer.Typer(add_completion=False, **PLAIN)
        holder.command(command)(found)
        return typer.main.get_command(holder)


COMMANDS = {
    "demo": Target(
        "cli.demo",
        "demo",
        "Run the whole system over the exports of a directory, and show what came of it.",
    ),
    "up": Target(
        "cli.up", "up", "Start Kafka, PostgreSQL and one worker of each kind, and run until Ctrl-C."
    ),
    "publish": Target(
        "cli.publish",
        "publish",
        "Take a unit's exports into its spool, and send what stands there to Kafka.",
    ),
    "run": Target(
        "cli.run",
        "run",
        "Run one process until SIGTERM or Ctrl-C, as a service manager does in production.",
    ),
    "proposals": Target(
        "cli.proposals",
        "proposals_app",
        "Pairs that may be one person, and what analysts decide of them.",
    ),
    "notices": Target(
        "cli.notices",
        "notices_app",
        "Notices to units: list, answer, and, as the office, reassign.",
    ),
    "handovers": Target(
        "cli.handovers", "handover_app", "Cases and found persons that go from one unit to another."
    ),
    "files": Target(
        "cli.files", "file_app", "The files of rescued persons: aid, follow-ups, what is due."
    ),
    "tips": Target(
        "cli.tips", "tip_app", "Tips of the public and of departments: record, list, triage."
    ),
    "agreements": Target(
        "cli.agreements",
        "agreements_app",
        "Agreements between units: what they share, and by when they answer.",
    ),
    "corridors": Target(
        "cli.agreements",
        "corridors",
        "Show the pairs of units with cases between them, and which of them have an agreement.",
    ),
    "report": Target(
        "cli.reports",
        "report",
        "Show the figures of supervision for a period: how it was known then, or is known now.",
    ),
    "explain": Target(
        "cli.linkage",
        "explain",
        "Explain, field by field, why a victim of a case and a rescued person may be the same.",
    ),
    "link": Target(
        "cli.linkage",
        "link",
        "Find which rescued person is which reported victim, in two files and without Kafka.",
    ),
    "linkage": Target("cli.linkage", "linkage_app", "The linkage model."),
    "doctor": Target(
        "cli.doctor",
        "doctor",
        "Check this installation part by part, and say what to do about what is wrong.",
    ),
    "reconcile": Target(
        "cli.reconcile",
        "reconcile",
        "Compare spools, topics and registry, and name each discrepancy by ids, units and days.",
    ),
    "dead-letters": Target(
        "cli.dead_letters",
        "dead_letters_app",
        "Events that cannot be used, kept until someone decides.",
    ),
    "audit": Target("cli.audit", "audit_app", "Who read or changed what."),
    "topics": Target("cli.topics", "topics_app", "Kafka topics."),
    "users": Target("cli.users", "users_app", "Who has a password for Kafka."),
    "registry": Target("cli.registry", "registry_app", "The provincial registry in PostgreSQL."),
    "endpoints": Target(
        "cli.endpoints", "endpoints_app", "Webhooks and mailboxes that notices are brought to."
    ),
    "relay": Target(
        "cli.sources",
        "relay",
        "Take the outbox of a unit's own PostgreSQL into its spool, as rows come, until Ctrl-C.",
    ),
    "outbox": Target(
        "cli.sources",
        "outbox",
        "Print the statements that make the outbox in a unit's PostgreSQL, for psql.",
    ),
    "watch": Target(
        "cli.sources",
        "watch",
        "Publish the exports of a directory as they appear, and again when they change.",
    ),
    "http-intake": Target(
        "cli.sources",
        "http_intake",
        "Take records of units by HTTP into their spools, until SIGTERM or Ctrl-C.",
    ),
    "intake-keys": Target(
        "cli.intake_keys", "intake_keys_app", "Keys by which units enter the HTTP intake."
    ),
}
TOLD = (
    ("crossregion.linkage.file_linkage", "BadLine"),
    ("crossregion.linkage.model", "BadModel"),
)
"""Errors without a code, whose text is meant to be shown."""
FORMER = {"handover": "handovers", "file": "files", "tip": "tips"}
"""Names that commands had before; they are not listed."""


class Commands(MutableMapping[str, Any]):
    """The commands by name; one is imported when it is asked for."""

    def __init__(self, targets: dict[str, Target]) -> None:
        self._targets = targets
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._targets[name].load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._targets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)


class LazyGroup(TyperGroup):
    """Lists the commands by their lines, and loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": {}})
        self.commands = Commands(COMMANDS)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        target = COMMANDS.get(FORMER.get(cmd_name, cmd_name))
        return TyperCommand(cmd_name, short_help=target.help) if target else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, self.commands[FORMER.get(name, name)] if name and listed else listed, rest


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    **PLAIN,
    help="Matches cases of trafficked women and children across the regions of a province.",
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; `main` looks for --debug itself."""


def main() -> None:
    """Run a command; a known fault is one line on standard error and status 1."""
    try:
        app()
    except Exception as error:
        told = _sentence(error)
        if told is None or "--debug" in sys.argv:
            raise
        _end(told)


def _sentence(error: Exception) -> str | None:
    """What to tell of a known fault; None of one that is not known.

    A class of errors is compared with if its module is loaded: else no error can be of it.
    """
    from cli.errors import CommandError, sentence
    from crossregion.errors import CrossregionError

    if isinstance(error, CrossregionError):
        return sentence(error)
    if isinstance(error, tuple(_loaded(module, name) for module, name in TOLD)):
        return str(error)
    if isinstance(error, _loaded("kafka.errors", "KafkaError")):
        return sentence(CommandError("kafka-did-not-answer", kind=type(error).__name__))
    return None


def _loaded(module: str, name: str) -> type[Exception] | tuple[()]:
    found = sys.modules.get(module)
    return getattr(found, name) if found else ()


def _end(text: str) -> None:
    from cli.terminal import Terminal

    Terminal(stderr=True).print(text, style="red")
    sys.exit(1)
