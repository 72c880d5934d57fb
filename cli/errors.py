"""What commands refuse; the sentences stand in `cli/locale`, which may name commands."""

from __future__ import annotations

from crossregion.errors import CrossregionError
from crossregion.settings import language


class CommandError(CrossregionError):
    """A command was called so that it cannot be done."""

    code = "command"
    package = "cli"


def sentence(error: CrossregionError) -> str:
    """What the terminal shows of an error, in the reader's language: also which command helps."""
    spoken = language()
    hint = error.message.hint("cli", spoken)
    return f"{error.message.text(spoken)} {hint}".rstrip()
