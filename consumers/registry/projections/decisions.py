"""Decisions in the registry: which of them hold, the pairs they link, and the flags that follow.

All of it is computed anew from the rows that are there, so neither the order of the topics nor a
second time changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from consumers.registry.projection import Consumed, Handler
from crossregion.domain import decisions, flags
from crossregion.domain.decisions import CONFIRMED, ProposalState
from crossregion.domain.events import MatchDecided
from crossregion.domain.flags import Route
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row

PAIR = ("proposal_id", "case_unit", "case_id", "victim_id", "rescue_unit", "rescue_id")


@dataclass
class Decisions:
    """By id of the decision: where it stands first."""

    rows: dict[str, Row] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Handler]:
        return {"MatchDecided": self._add}

    def _add(self, record: Row, consumed: Consumed) -> None:
        row = {
            **record,
            "partition": consumed.partition,
            "offset": consumed.offset,
            "received_at": consumed.received_at,
        }
        known = self.rows.setdefault(record["decision_id"], row)
        if consumed.offset < known["offset"]:
            self.rows[record["decision_id"]] = row

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        """Store decisions, and make anew what follows from them and from records that changed."""
        decided = list(self.rows.values())
        if not decided and not changed:
            return
        connection.execute(queries.query("lock_links"))
        queries.put(connection, "add_decisions", decided)
        proposals = {row["proposal_id"] for row in decided}
        if proposals:
            _settle(connection, proposals)
        proposals |= {found for (found,) in queries.put(connection, "links_of_records", changed)}
        if proposals:
            these = {"proposals": sorted(proposals)}
            connection.execute(queries.query("remove_confirmed_flags"), these)
            found = queries.rows(connection, "linked_places", these)
            queries.put(connection, "add_confirmed_flags", list(confirmed_flags(list(found))))


def _settle(connection: Connection, proposals: set[str]) -> None:
    these = {"proposals": sorted(proposals)}
    settled, links = follow_from(queries.rows(connection, "decisions_of_proposals", these))
    queries.put(connection, "settle_decisions", settled)
    connection.execute(queries.query("remove_links"), these)
    queries.put(connection, "add_links", links)


def follow_from(decided: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """What became of decisions, given in their order, and the links that follow. Pure."""
    by_proposal: dict[str, list[Row]] = defaultdict(list)
    for row in decided:
        by_proposal[row["proposal_id"]].append(row)
    settled, links = [], []
    for rows in by_proposal.values():
        standing, refusals = ProposalState(), []
        for row in rows:
            standing, refused = decisions.step(standing, cast(MatchDecided, row))
            refusals.append(refused)
        for row, refused in zip(rows, refusals, strict=True):
            settled.append(
                {
                    "decision_id": row["decision_id"],
                    "refused": refused,
                    "in_force": row is standing.effective,
                    "last": row is standing.last,
                }
            )
        if standing.effective is not None and standing.verdict == CONFIRMED:
            held: Row = cast(Row, standing.effective)
            links.append({name: held[name] for name in (*PAIR, "decision_id")})
    return settled, links


def confirmed_flags(found: Iterable[Row]) -> Iterator[Row]:
    """The flags of basis `confirmed`, or the contradictions, of linked records. Pure."""
    for row in found:
        names = ("case_id", "unit", "revision", "digest", "legs", "lost_on", "age_bands")
        case = Route(*(row[name] for name in names))
        said = flags.confirmed(case, row["found_at"])
        if said.flag is not None or said.contradicts:
            pair = ("proposal_id", "rescue_unit", "rescue_id", "rescue_revision")
            yield {
                **(said.flag or {name: row[name] for name in ("unit", "case_id")}),
                **{name: row[name] for name in (*pair, "revision", "digest")},
                "contradicts": said.contradicts,
            }
