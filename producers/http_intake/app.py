"""The HTTP intake: records of units without an export, and tips, by POST into the units' spools.

POST /v1/events/<event>  ->  <unit>.sqlite  ->  202, once the disk has it

A process of its own, which reads its keys and its spools and knows neither Kafka nor a database.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import re
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from crossregion import logs, metrics
from crossregion.errors import CrossregionError
from crossregion.failpoints import failpoint
from crossregion.process import run_process
from crossregion.settings import Settings, settings
from producers.http_intake import problems
from producers.http_intake import request as http_intake_request
from producers.http_intake.group_commit import Committer, UnderWay
from producers.http_intake.keys import Keys
from producers.http_intake.limits import Rate, Room, network_of
from producers.http_intake.problems import Problem
from producers.http_intake.protocol import HEAD_SECONDS, PROBLEM, LimitedProtocol
from producers.http_intake.request import PUBLIC, Caller
from producers.spool.store import KINDS, IdempotentRequest, SpoolError
from schemas.units import UNITS

PUBLIC_EVENTS = frozenset({"TipRecorded"})
"""What everybody may send, without a key; nothing else, and nothing before it has a contract."""
MOST_BYTES = 4 * 1024 * 1024
MOST_PUBLIC_BYTES = 64 * 1024
HELD_BYTES = 256 * 1024 * 1024
HELD_BY_ONE = HELD_BYTES // 4
"""Whose bodies come slowly keeps nobody else out."""
DRAINED_BYTES = 4 * MOST_BYTES
DRAIN_SECONDS = 2.0
COMMIT_SECONDS = 30.0
BACKLOG = 256
KEEP_ALIVE_SECONDS = 30
GRACE_SECONDS = 20
GONE = 499
"""What nobody reads: the client went away."""
KEY = re.compile(r'"?([\x21\x23-\x7e]{16,200})"?')
"""An Idempotency-Key, in the quotes of a structured field or without them."""
JSON_TYPE = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?', re.IGNORECASE)

log = logs.logger()


class Intake:
    """Takes requests for the units whose keys it knows."""

    def __init__(self, chosen: Settings) -> None:
        self._keys = Keys(chosen.intake_keys or chosen.data / "intake-keys")
        self._spools = chosen.data / "spool"
        self._public_unit = chosen.intake_public_unit
        self._group = chosen.intake_group
        self._units_rate = Rate(chosen.intake_rate)
        self._public_rate = Rate(chosen.intake_public_rate)
        self._body_seconds = chosen.intake_body_seconds
        self._room = Room(HELD_BYTES, HELD_BY_ONE)
        self._committers: dict[str, Committer] = {}

    async def post(self, request: Request) -> Response:
        """Take one record or a list of them.

        Raises: Problem.
        """
        event = request.path_params["event"]
        try:
            sender = self._admit(request, event)
            key = _idempotency_key(request)
            limit = MOST_PUBLIC_BYTES if sender.public else MOST_BYTES
            with self._room.holding(sender.name, _announced(request, limit)) as held:
                if not held:
                    raise Problem("not-stored", retry_after=1.0)
                body = await _body(request, limit, self._body_seconds)
                return await self._take(event, sender, key, body)
        except Problem:
            await _drain(request)
            raise

    def _admit(self, request: Request, event: str) -> Caller:
        if event not in KINDS:
            raise Problem("no-such-event")
        given = request.headers.get("authorization", "")
        scheme, _, key = given.partition(" ")
        unit = self._keys.unit_of(key.strip()) if scheme.lower() == "bearer" else None
        now = time.monotonic()
        if unit is not None:
            request.state.sender = unit
            wait = self._units_rate.wait(unit, now)
        else:
            address = network_of(request.client.host if request.client else "")
            wait = self._public_rate.wait(address, now)
        if wait:
            raise Problem("too-often", retry_after=wait)
        if unit is not None:
            return Caller(unit)
        if given:
            raise Problem("wrong-key")
        if event not in PUBLIC_EVENTS or self._public_unit is None:
            raise Problem("no-key" if self._public_unit is None else "not-for-the-public")
        request.state.sender = PUBLIC
        return Caller(self._public_unit, public=True)

    async def _take(self, event: str, sender: Caller, key: str, body: bytes) -> Response:
        scope = f"{sender.name}\n{key}"
        checked = await http_intake_request.checked(event, sender, scope, body)
        exported = tuple(one.exported for one in checked if one.exported is not None)
        if not exported:
            faults = [fault for one in checked for fault in one.faults]
            alone = len(checked) == 1 and faults[0].reason == "another-unit"
            raise Problem("another-unit" if alone else "unfit", faults)
        parcel = IdempotentRequest(
            key=hashlib.sha256(scope.encode()).hexdigest(),
            fingerprint=hashlib.sha256(event.encode() + b"\n" + body).hexdigest(),
            exported=exported,
            answer=lambda stored: http_intake_request.receipt(checked, stored),
        )
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                taken = await self._committer(sender.unit).take(parcel)
        except UnderWay as under_way:
            raise Problem("under-way" if under_way.same else "key-used", retry_after=1.0) from None
        except TimeoutError:
            raise Problem("not-stored", retry_after=COMMIT_SECONDS) from None
        except SpoolError as error:
            log.error("Spool unusable", unit=sender.unit, error=str(error))
            raise Problem("not-stored", retry_after=COMMIT_SECONDS) from None
        failpoint("before-receipt")
        if not taken.same:
            raise Problem("key-used")
        for one in taken.stored:
            metrics.EVENTS.labels("http-intake", KINDS[event], one.state).inc()
        return Response(taken.answer, 202, media_type="application/json")

    def _committer(self, unit: str) -> Committer:
        if unit not in self._committers:
            path = self._spools / f"{unit}.sqlite"
            self._committers[unit] = Committer(path, unit, self._group)
        return self._committers[unit]

    async def close(self) -> None:
        """Finish what is under way."""
        for committer in self._committers.values():
            await committer.close()


def _idempotency_key(request: Request) -> str:
    kind = request.headers.get("content-type", "")
    if JSON_TYPE.fullmatch(kind) is None or "content-encoding" in request.headers:
        raise Problem("not-json")
    found = KEY.fullmatch(request.headers.get("idempotency-key", ""))
    if found is None:
        raise Problem("no-idempotency-key")
    return found[1]


def _announced(request: Request, limit: int) -> int:
    """How many bytes a body may take up: what it announces, or the limit. Raises: Problem."""
    length = request.headers.get("content-length")
    if length is not None and int(length) > limit:
        raise Problem("too-large")
    return limit if length is None else int(length)


async def _body(request: Request, limit: int, seconds: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise Problem("too-large")
    except TimeoutError:
        raise Problem("too-slow", close=True) from None
    return bytes(body)


async def _drain(request: Request) -> None:
    """Read what a refused client still sends, for a while, so that it reads why."""
    if request.headers.get("expect"):
        return
    left = DRAINED_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for part in request.stream():
                left -= len(part)
                if left < 0:
                    return
    except (TimeoutError, RuntimeError):  # RuntimeError: read to its end already
        return


def application(intake: Intake, health: metrics.Health) -> FastAPI:
    """The web application around an intake; its pages say what each problem means."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        beating = asyncio.create_task(_beat(health))
        yield
        beating.cancel()
        await intake.close()

    async def post(request: Request) -> Response:
        began = time.monotonic()
        response = await _answered(intake, request)
        metrics.HTTP_SECONDS.observe(time.monotonic() - began)
        sender = getattr(request.state, "sender", "")
        metrics.HTTP_REQUESTS.labels(sender, response.status_code).inc()
        return response

    async def problem(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in problems.KINDS:
            raise HTTPException(404)
        return JSONResponse(problems.described(kind))

    async def elsewhere(_: Request, error: Exception) -> Response:
        wrong_method = isinstance(error, HTTPException) and error.status_code == 405
        return _refusal(Problem("wrong-method" if wrong_method else "not-found", close=True))

    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.add_route("/v1/events/{event}", post, methods=["POST"])
    app.add_route("/problems/{kind}", problem, methods=["GET"])
    app.add_exception_handler(HTTPException, elsewhere)
    return app


async def _beat(health: metrics.Health) -> None:
    while True:
        health.beat()
        await asyncio.sleep(1.0)


async def _answered(intake: Intake, request: Request) -> Response:
    """The answer to a request, whatever happens; a refusal is a line in the log."""
    try:
        return await intake.post(request)
    except Problem as problem:
        sender = getattr(request.state, "sender", "")
        log.info("Request refused", problem=problem.kind, status=problem.status, sender=sender)
        return _refusal(problem)
    except ClientDisconnect:
        return Response(status_code=GONE)
    except Exception as error:  # noqa: BLE001 (the client may ask again; others go on)
        log.error(
            "Unhandled error in an HTTP request",
            error=type(error).__name__,
            where=logs.where(error),
        )
        return _refusal(Problem("defect"))


def _refusal(problem: Problem) -> Response:
    return JSONResponse(problem.body(), problem.status, problem.headers(), media_type=PROBLEM)


class _Server(uvicorn.Server):
    """Ends with status 0 when it is told to stop, once all that it has taken is answered."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(self, "should_exit", True))
        yield


def listening(chosen: Settings) -> socket.socket:
    """The socket to serve on.

    Raises: CrossregionError when it would be open to a network without TLS, when its settings
    cannot be used, or when it is taken.
    """
    host, tls = chosen.intake_host, chosen.intake_certificate is not None
    if not (tls or _is_loopback(host)):
        raise CrossregionError("http-intake.host-without-tls", host=host)
    if chosen.intake_public_unit not in (None, *UNITS):
        raise CrossregionError(
            "http-intake.no-publishing-unit", unit=chosen.intake_public_unit, known=UNITS
        )
    _check_proxies(chosen.intake_proxies or "")
    if chosen.intake_certificate is not None:
        _check_certificate(
            chosen.intake_certificate, chosen.intake_certificate_key or chosen.intake_certificate
        )
    try:
        return socket.create_server(
            (host, chosen.intake_port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except OSError as error:
        raise CrossregionError(
            "http-intake.not-listening", host=host, port=chosen.intake_port, strerror=error.strerror
        ) from None


def _check_proxies(proxies: str) -> None:
    """uvicorn takes what is no address for a name that never matches, and `*` for everybody."""
    for one in filter(None, map(str.strip, proxies.split(","))):
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise CrossregionError("http-intake.no-proxy", one=one) from None


def _check_certificate(certificate: Path, key: Path) -> None:
    try:
        if key.stat().st_mode & 0o077:
            raise CrossregionError("http-intake.key-open-to-others", key=key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:  # an SSLError too
        raise CrossregionError(
            "http-intake.certificate-unusable",
            certificate=certificate,
            key=key,
            reason=error.strerror or type(error).__name__,
        ) from None


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def server(chosen: Settings, app: FastAPI) -> uvicorn.Server:
    """uvicorn as it is set up here: within limits, quiet, and trusting named proxies only."""
    LimitedProtocol.head_seconds = min(HEAD_SECONDS, chosen.intake_body_seconds)
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(chosen.intake_proxies),
        forwarded_allow_ips=chosen.intake_proxies or "",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=chosen.intake_certificate,
        ssl_keyfile=chosen.intake_certificate_key,
    )
    return _Server(config)


def main() -> None:
    """Run the HTTP intake."""
    chosen = settings()
    logs.configure(chosen.log_level)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # its lines are no JSON
    listener = listening(chosen)
    health = metrics.Health()
    port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
    log.info("Metrics", process="http-intake", port=port)
    log.info("Listening", process="http-intake", port=listener.getsockname()[1])
    server(chosen, application(Intake(chosen), health)).run([listener])


if __name__ == "__main__":
    run_process(main)
