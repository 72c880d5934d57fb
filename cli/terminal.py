"""What the commands print on: whatever stands in an id, the reader's terminal is not told to do it.

Ids are a unit's own words, and others list them.
"""

from __future__ import annotations

import functools
import os
import sys
import unicodedata
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.rich_terminal import RichTerminal

UNSEEN = ("Cc", "Cf", "Cs")
"""Categories of characters that say something to a terminal or turn a line around."""


class Terminal:
    """Prints lines by itself; rich is loaded only for tables and colours."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    @functools.cached_property
    def rich(self) -> RichTerminal:
        from cli.rich_terminal import RichTerminal

        return RichTerminal(**self._options)

    def print(self, shown: Any, *, end: str = "\n", style: str | None = None) -> None:
        """Print one line, or what rich can render."""
        if isinstance(shown, str) and style is None:
            write(seen(shown) + end, self._options.get("file") or self._standard)
        else:
            self.rich.print(shown, end=end, style=style)

    @property
    def _standard(self) -> IO[str]:
        return sys.stderr if self._options.get("stderr") else sys.stdout


def write(text: str, file: IO[str] | None = None) -> None:
    """Write text at once, as it is, to standard output if no file is named.

    That what reads it has ended, as `head` does, is no error: the rest goes nowhere.
    """
    file = file or sys.stdout
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:
        discard_output(file)


def discard_output(file: IO[str]) -> None:
    """Have what is still written to a file go nowhere, also what it has buffered."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def seen(text: str) -> str:
    return "".join(
        one if one in "\n\t" or unicodedata.category(one) not in UNSEEN else escaped(one)
        for one in text
    )


def escaped(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")
