"""Watching a directory: export files are published as they appear, and again when they change.

DIR/cases*.csv, DIR/rescues*.xlsx  ->  <unit>.sqlite

A file is looked at once a second, on a network share too. One that is still being written is waited
for; one that was moved there whole is not. What cannot be read is set aside, and the rest goes on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from crossregion import logs, metrics
from crossregion.errors import CrossregionError
from crossregion.settings import settings
from producers import publisher
from producers.exports import reader
from producers.exports.formats import formats
from producers.exports.reader import Export, Refusal
from producers.exports.tables import ExportUnreadable, printable
from producers.publisher import Report
from producers.spool.store import Spool, SpoolBusy, SpoolFull
from schemas.units import UNITS

SCAN_SECONDS = 1.0
SETTLE_SECONDS = 3.0
"""A file that did not change for so long counts as whole."""
ENDINGS = (".csv", ".xlsx")
ASIDE = "set-aside"
MOST_TOLD = 100

log = logs.logger()


@dataclass(frozen=True, slots=True)
class State:
    """What tells a file from what it was: its size and when it was written and moved."""

    size: int
    changed: int
    moved: int

    @property
    def content(self) -> tuple[int, int]:
        return self.size, self.changed


class DirectoryWatcher:
    """Publishes the exports of one directory into the spool of one unit."""

    def __init__(
        self, directory: Path, spool: Spool, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._spool = spool
        self._now = now
        self._known = spool.files()
        self._seen: dict[Path, tuple[State, float]] = {}
        kinds = "|".join(sorted({f"{form.kind}s" for form in formats()}))
        self._name = re.compile(kinds, re.IGNORECASE)
        self._strange: set[str] = set()
        self._troubled: set[Path] = set()
        self.report = Report(spool.unit)

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Publish what appears until told to stop."""
        while not stop.is_set():
            try:
                self.step()
            except (SpoolBusy, SpoolFull) as error:
                log.error("Spool unavailable: retries", unit=self._spool.unit, error=str(error))
            health.beat()
            stop.wait(SCAN_SECONDS)

    def once(self) -> None:
        """Publish what is there now, and end once nothing of it is still being written."""
        while self.step():
            time.sleep(SCAN_SECONDS / 4)

    def step(self) -> int:
        """Publish what is whole; returns how many files are still to be waited for."""
        waiting = 0
        for path, state in self._files():
            if self._known.get(printable(str(path))) == state.content:
                continue
            if not self._is_whole(path, state) or not self._publish(path, state):
                waiting += 1
        return waiting

    def _files(self) -> Iterator[tuple[Path, State]]:
        """The files that are meant, the oldest first."""
        try:
            there = list(self._directory.iterdir())
        except OSError as error:
            log.warning("The directory cannot be read", reason=error.strerror)
            return
        found = []
        for path in there:
            named, ends = self._name.match(path.name), path.suffix.lower() in ENDINGS
            if path.name.startswith((".", "~")) or not (named or ends):
                continue
            if not (named and ends):
                why = "it does not end in .csv or .xlsx" if named else "its name begins otherwise"
                if path.name not in self._strange:
                    log.warning("File ignored", file=printable(path.name), why=why)
                self._strange.add(path.name)
                continue
            with contextlib.suppress(FileNotFoundError):
                about = path.lstat()
                if stat.S_ISREG(about.st_mode):
                    state = State(about.st_size, about.st_mtime_ns, about.st_ctime_ns)
                    found.append((path.absolute(), state))
        self._seen = {path: seen for path, seen in self._seen.items() if path in dict(found)}
        yield from sorted(found, key=lambda one: (one[1].changed, one[0]))

    def _is_whole(self, path: Path, state: State) -> bool:
        """Whether nobody is still writing a file, as well as it can be known."""
        now = self._now()
        before, since = self._seen.get(path, (None, now))
        if before != state:
            since = now
        self._seen[path] = (state, since)
        if being_written(path):
            self._seen[path] = (state, now)
            return False
        moved_here = state.size > 0 and state.moved > state.changed
        return moved_here or now - since >= SETTLE_SECONDS

    def _publish(self, path: Path, state: State) -> bool:
        """Deal with a whole file; False if it changed under our hands."""
        try:
            with path.open("rb"):
                pass
            found = self._read(path)
            about = path.lstat()
        except OSError as error:
            self._trouble(path, error)
            return True
        self._troubled.discard(path)
        if (about.st_size, about.st_mtime_ns) != state.content:
            return False
        if isinstance(found, ExportUnreadable):
            self._set_aside(path, found)
            outcome = "set-aside"
        else:
            self._tell(path, found)
            outcome = "published"
        if path.exists():
            self._spool.remember_file(printable(str(path)), *state.content)
            self._known[printable(str(path))] = state.content
        metrics.FILES.labels(self._spool.unit, outcome).inc()
        return True

    def _trouble(self, path: Path, error: OSError) -> None:
        """A file that cannot be opened now is tried again, and told once."""
        if path not in self._troubled:
            name = printable(path.name)
            log.error("File cannot be opened: retries", file=name, reason=error.strerror)
            self.report.unreadable.append(
                ExportUnreadable("not-opened", path=path, strerror=error.strerror)
            )
        self._troubled.add(path)

    def _read(self, path: Path) -> Export | ExportUnreadable:
        """The export, or why it cannot be used as a whole."""
        try:
            return reader.read_export(path, self._spool.unit)
        except ExportUnreadable as error:
            return error
        except Exception as error:  # noqa: BLE001 (the file's fault; the others go on)
            log.error(
                "Unhandled error while reading a file",
                file=printable(path.name),
                where=logs.where(error),
            )
            return ExportUnreadable("defect", path=path)

    def _tell(self, path: Path, found: Export) -> None:
        report = Report(self._spool.unit)
        publisher.take(found, self._spool, report)
        counts = report.kinds[found.kind]
        log.info(
            "Published",
            file=printable(path.name),
            read=counts.records_read,
            accepted=counts.published,
            unchanged=counts.unchanged,
            refused=counts.refused,
        )
        for one in report.refusals[:MOST_TOLD]:
            _tell_refusal(one)
        if len(report.refusals) > MOST_TOLD:
            log.warning("More rows refused", file=printable(path.name), rows=len(report.refusals))
        self.report.refusals += report.refusals
        self.report.warnings += report.warnings
        for name, kind in report.kinds.items():
            total = self.report.kinds[name]
            total.records_read += kind.records_read
            total.published += kind.published
            total.unchanged += kind.unchanged
            total.refused += kind.refused

    def _set_aside(self, path: Path, found: ExportUnreadable) -> None:
        """Move a file that cannot be used out of the way, with the reason beside it.

        Where nothing may be moved it stays, and is left alone until it changes.
        """
        self.report.unreadable.append(found)
        why = str(found)
        aside, name = self._directory / ASIDE, printable(path.name)
        try:
            aside.mkdir(exist_ok=True)
            (aside / f"{path.name}.txt").write_text(why + "\n", "utf-8")
            path.replace(aside / path.name)
        except OSError as error:
            log.error(
                "File unreadable and not movable: ignored until it changes",
                file=name,
                why=why,
                aside=error.strerror,
            )
        else:
            log.error("Unreadable file set aside", file=name, why=why)


def _tell_refusal(one: Refusal) -> None:
    log.warning(
        "Row refused",
        file=one.file,
        line=one.line,
        column=one.column,
        reason=one.reason,
        what_to_do=one.message,
    )


def being_written(path: Path) -> bool:
    """Whether a process of this machine has a file open for writing.

    Linux tells it to the file's owner and to root by refusing a lease; where it cannot be known, as
    for another's file or on a network share, this is False.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


def watch(directory: Path, unit: str, data: Path, *, once: bool = False) -> Report:
    """Watch a directory for a unit; returns what became of its files. Raises: CrossregionError."""
    if unit not in UNITS:
        raise CrossregionError("no-publishing-unit", unit=unit, known=UNITS)
    if not directory.is_dir():
        raise CrossregionError("watch.no-directory", directory=directory)
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # sent to a lease's holder, and would end it
    chosen = settings()
    with Spool(data / "spool" / f"{unit}.sqlite", unit) as spool:
        one = DirectoryWatcher(directory, spool)
        if once:
            one.once()
            return one.report
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        health = metrics.Health()
        port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
        log.info("Metrics", process="watch", port=port)
        one.run(stop, health)
        return one.report
