"""Harm to a unit's spool: another process holds it, and bytes of it are not what was written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from producers.spool.store import Spool
from tests.faults.generate import UNITS, Made
from tests.faults.rig import Rig, Scale, exported

HARMED, *OTHERS = UNITS
PAGE_BYTES = 4096
WAIT_SECONDS = 1.0
"""So long whoever has something for the spool waits here until it is let go of."""


def locked(rig: Rig, scale: Scale) -> None:
    """For longer than anybody waits: who has events is told, and other units' go on."""
    path = rig.spools / f"{HARMED}.sqlite"
    for _ in range(scale.times):
        own, others = _made(rig, scale)
        rig.accept(own)
        heard = rig.listen("sender")
        with held(path):
            rig.kill("sender")
            late, more = _made(rig, scale)
            refused = rig.accept_in_process(late, wait=WAIT_SECONDS)
            assert refused.returncode == 1
            assert f"held by another process for {WAIT_SECONDS:g} s: end that" in refused.stderr
            rig.accept(others)
            rig.wait_said(heard, re.escape(f"{path} has been held by another process"))
            rig.wait(lambda: rig.unsent(*OTHERS) == 0, "one spool that is held holds up others")
            rig.rest(scale.outage / 3)
        rig.accept(late + more)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep everybody else from writing to a spool."""
    with closing(sqlite3.connect(path, timeout=60.0, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


def flipped(rig: Rig, scale: Scale) -> None:
    """It is found before a byte of it is sent; once done what the message says, all arrives."""
    path = rig.spools / f"{HARMED}.sqlite"
    for flip in (_an_event, _a_page) * scale.times:
        rig.quiet()
        rig.end("sender")
        own, others = _made(rig, scale)
        rig.accept(own)
        assert own[-1].value is not None
        path.write_bytes(flip(path.read_bytes(), own[-1].value[:30]))
        rig.accept(others)
        heard = rig.listen("sender")
        said = f"{path} is damaged: move it away and publish the exports again"
        rig.wait_said(heard, re.escape(said))
        rig.wait(lambda: rig.unsent(*OTHERS) == 0, "one spool that is damaged holds up others")
        for file in rig.spools.glob(f"{path.name}*"):
            file.rename(file.with_name(f"{file.name}.away"))
        with Spool(path, HARMED) as spool:
            assert spool.accept_all([exported(one) for one in own]).published == len(own)


def _an_event(data: bytes, of_it: bytes) -> bytes:
    """One bit of an event's content."""
    assert of_it in data
    return data.replace(of_it, of_it[:-1] + bytes([of_it[-1] ^ 1]))


def _a_page(data: bytes, of_it: bytes) -> bytes:
    """One bit of what says of which kind the page with an event is."""
    changed, at = bytearray(data), data.find(of_it)
    assert at >= 0
    while at >= 0:
        changed[at - at % PAGE_BYTES] ^= 1
        at = data.find(of_it, at + PAGE_BYTES)
    return bytes(changed)


def _made(rig: Rig, scale: Scale) -> tuple[list[Made], list[Made]]:
    """New events of the unit whose spool is harmed, and of others; some of each."""
    while True:
        made = rig.generator.plain(scale.events)
        own = [one for one in made if one.record["unit"] == HARMED]
        others = [one for one in made if one.record["unit"] != HARMED]
        if own and others:
            return own, others
        rig.accept(made)
