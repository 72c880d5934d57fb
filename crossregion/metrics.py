"""Every metric, defined once with its meaning. Labels are units and outcomes, never persons."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from crossregion import logs
from schemas.units import INSTALLATION

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

EVENTS = Counter(
    "crossregion_events", "Events handled, by their outcome.", ("process", "kind", "outcome")
)
UNITS = Gauge(
    "crossregion_units",
    "Number of units, by the digest of the file of units that this process has read.",
    ("digest",),
)
UNITS.labels(INSTALLATION.digest).set(len(INSTALLATION.units))
DEAD_LETTERS = Counter(
    "crossregion_dead_letters", "Events that cannot be used, by reason.", ("reason",)
)
RECORD_TO_REGISTRY = Histogram(
    "crossregion_record_to_registry_seconds",
    "Time from the broker's timestamp of a record to its registry row.",
    ("unit",),
    buckets=_SECONDS,
)
RECORD_TO_NOTICE = Histogram(
    "crossregion_record_to_notice_seconds",
    "Time from the broker's timestamp of a flag or proposal to its notice's acknowledgement.",
    ("unit",),
    buckets=_SECONDS,
)
NOTICE_TO_DELIVERY = Histogram(
    "crossregion_notice_to_delivery_seconds",
    "Time from the broker's timestamp of a notice to the channel's acknowledgement.",
    ("unit", "channel"),
    buckets=(*_SECONDS, 86_400),
)
ATTEMPTS = Counter(
    "crossregion_delivery_attempts", "Attempts to deliver a notice.", ("channel", "outcome")
)
UNDELIVERED = Counter(
    "crossregion_undelivered",
    "Deliveries given up: refused, or not accepted within three days.",
    ("unit", "channel", "state"),
)
DELIVERIES_WAITING = Gauge(
    "crossregion_deliveries_waiting", "Deliveries that are pending.", ("unit", "channel")
)
OLDEST_DELIVERY = Gauge(
    "crossregion_oldest_delivery_timestamp_seconds",
    "Time since which the oldest delivery is pending; 0 if none is.",
    ("unit", "channel"),
)
ENDPOINTS = Gauge("crossregion_endpoints", "Endpoints of units.", ("channel", "state"))
OLDEST_UNHANDLED = Gauge(
    "crossregion_oldest_unhandled_timestamp_seconds",
    "Broker's timestamp of the oldest event in the batch being handled; 0 if there is none.",
    ("process",),
)
SPOOL_DEPTH = Gauge("crossregion_spool_depth", "Events accepted and not yet sent.", ("unit",))
CROWDED = Counter(
    "crossregion_crowded_comparisons", "Persons that were compared with more than 5,000 candidates."
)
LINKAGE_AWAITED = Gauge(
    "crossregion_linkage_awaited",
    "Records that linkage must still weigh before proposals switches to its model; else 0.",
)
SPOOL_OVERDUE = Gauge(
    "crossregion_spool_overdue", "Events accepted over 5 minutes ago and not yet sent.", ("unit",)
)
DISCREPANCIES = Gauge(
    "crossregion_discrepancies",
    "Discrepancies that `crossregion reconcile` has found, by check; must be 0.",
    ("check",),
)
HTTP_REQUESTS = Counter(
    "crossregion_http_requests",
    "Requests of the HTTP intake by unit of the key, `public`, or no sender, and by status.",
    ("sender", "status"),
)
HTTP_SECONDS = Histogram(
    "crossregion_http_seconds", "Time from a request's head to its answer.", buckets=_SECONDS[:12]
)
COMMIT_PARCELS = Histogram(
    "crossregion_commit_parcels",
    "Requests that shared one commit of a spool.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
OUTBOX_WAITING = Gauge(
    "crossregion_outbox_waiting",
    "Rows of a unit's outbox that the relay has not read yet.",
    ("unit",),
)
OUTBOX_REFUSED = Gauge(
    "crossregion_outbox_refused", "Rows of a unit's outbox that cannot be used.", ("unit",)
)
FILES = Counter(
    "crossregion_watched_files", "Files that `watch` has handled, by outcome.", ("unit", "outcome")
)
FILE_ITEMS = Gauge(
    "crossregion_file_items",
    "Items due today in files of rescued persons, by the unit in charge and the department.",
    ("unit", "department", "state"),
)
PROPOSALS = Gauge("crossregion_proposals_open", "Proposals in force.", ("band",))
TIPS_WAITING = Gauge("crossregion_tips_waiting", "Tips that a unit must triage.", ("unit",))
TIPS_OVERDUE = Gauge("crossregion_tips_overdue", "Tips whose triage is overdue.", ("unit",))


log = logs.logger()


class Health:
    """A process is healthy while its last step ended less than `stall_seconds` ago."""

    def __init__(self, stall_seconds: float = 60.0) -> None:
        self._stall_seconds = stall_seconds
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    def silent_for(self) -> float:
        """Seconds since the last step."""
        return time.monotonic() - self._last

    @property
    def healthy(self) -> bool:
        return self.silent_for() < self._stall_seconds


def serve(health: Health, host: str = "127.0.0.1", port: int = 0) -> tuple[int, Callable[[], None]]:
    """Serve `/metrics` and `/health` from a daemon thread.

    A port that something else has taken keeps no process from its work: another is used, and
    whoever reads the metrics misses them.
    Returns: the port, and a function that stops it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            elif self.path == "/health":
                body = json.dumps({"healthy": health.healthy, "silent_for": health.silent_for()})
                status = 200 if health.healthy else 503
                self._answer(status, "application/json", body.encode())
            else:
                self._answer(404, "text/plain", b"Ask for /metrics or /health.\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The access log would drown the log that matters."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        server = ThreadingHTTPServer((host, 0), Handler)
        taken = f"{host}:{port}"
        log.error(
            "Metrics port already in use: another is used",
            taken=taken,
            instead=server.server_address[1],
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1]), server.shutdown
