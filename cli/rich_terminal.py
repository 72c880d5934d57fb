"""The terminal's tables, colours and progress bars: what loads rich."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from cli.terminal import discard_output, seen


class RichTerminal(Console):
    """Shows characters that are not seen by their numbers, in lines and in tables."""

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=True, markup=False, highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(seen(text), **options)

    def on_broken_pipe(self) -> None:
        """What reads the output has ended, as `head` does: that is no error."""
        discard_output(self.file)
