"""Keys by which units enter the HTTP intake: made here, shown once, kept as their digests.

One file of mode 0600 for each unit, a line for each key, two at most: so that a unit can go over
from one to the next. A key is 32 random bytes, so a plain SHA-256 cannot be turned round.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from crossregion import logs
from crossregion.errors import CrossregionError
from crossregion.private_files import write_private
from schemas.units import UNITS

MOST_KEYS = 2
NAME_LENGTH = 8
NOBODY = "0" * 64
"""What a key is compared with where its unit has none, so that this takes as long."""

log = logs.logger()


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it is kept."""

    digest: str
    made_on: str

    @property
    def name(self) -> str:
        """What the key is called in listings: the beginning of its digest."""
        return self.digest[:NAME_LENGTH]


class Keys:
    """The keys in a directory; what is added or removed there counts at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, tuple[int, list[Key]]] = {}

    def unit_of(self, key: str) -> str | None:
        """The unit whose key this is."""
        unit = key.split("-")[1] if key.count("-") > 1 else ""
        digest = _digest(key)
        known = [one.digest for one in self.of(unit)] if unit in UNITS else []
        matches = [
            hmac.compare_digest(digest, one) for one in (known + [NOBODY] * MOST_KEYS)[:MOST_KEYS]
        ]
        return unit if any(matches) else None

    def of(self, unit: str) -> list[Key]:
        """The keys of a unit, the oldest first; none while others may read their file."""
        file = self._directory / unit
        try:
            found = file.stat()
            if unit not in self._known or self._known[unit][0] != found.st_mtime_ns:
                lines = [line.split() for line in file.read_text("ascii").splitlines()]
                self._known[unit] = (found.st_mtime_ns, [Key(*line) for line in lines])
        except FileNotFoundError:
            return []
        except OSError as error:
            log.error("Key file unreadable", file=str(file), reason=error.strerror)
            return []
        except (ValueError, TypeError):
            log.error("Key file malformed", file=str(file))
            return []
        if found.st_mode & 0o077:
            log.error("Key file accessible to others: chmod 600", file=str(file))
            return []
        return self._known[unit][1]

    def add(self, unit: str, today: date) -> str:
        """A new key of a unit, beside the one it has.

        Raises: CrossregionError when it has two already.
        """
        known = self.of(unit)
        if len(known) == MOST_KEYS:
            raise CrossregionError("intake-keys.two-already", unit=unit)
        key = f"cr-{unit}-{secrets.token_urlsafe(32)}"
        self._write(unit, [*known, Key(_digest(key), today.isoformat())])
        return key

    def remove(self, unit: str, name: str) -> None:
        """Have a key end at once.

        Raises: CrossregionError when the unit has none of this name.
        """
        known = self.of(unit)
        kept = [key for key in known if key.name != name]
        if len(kept) == len(known):
            raise CrossregionError("intake-keys.unknown", unit=unit, name=name)
        self._write(unit, kept)

    def _write(self, unit: str, keys: list[Key]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = "".join(f"{key.digest} {key.made_on}\n" for key in keys)
        write_private(self._directory / unit, lines)
        self._known.pop(unit, None)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
