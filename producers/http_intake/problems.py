"""What the HTTP intake refuses, as RFC 9457 says it: each with what to do, and no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from producers.json_records import Fault


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem."""

    status: HTTPStatus
    title: str
    advice: str


S = HTTPStatus
KINDS = {
    "no-key": Kind(S.UNAUTHORIZED, "No key", "Send the unit's key: Authorization: Bearer KEY."),
    "wrong-key": Kind(
        S.UNAUTHORIZED, "The key is not valid", "Ask the office for a new key of your unit."
    ),
    "not-for-the-public": Kind(
        S.UNAUTHORIZED, "Not for the public", "Units send their key; the public sends tips only."
    ),
    "another-unit": Kind(
        S.FORBIDDEN, "Another unit's record", "A key writes its own unit's records only."
    ),
    "no-such-event": Kind(
        S.NOT_FOUND, "No such event", "POST to /v1/events/EVENT, with an event a unit may write."
    ),
    "not-found": Kind(S.NOT_FOUND, "Nothing is here", "POST to /v1/events/EVENT."),
    "wrong-method": Kind(S.METHOD_NOT_ALLOWED, "Only POST", "POST to /v1/events/EVENT."),
    "too-often": Kind(
        S.TOO_MANY_REQUESTS, "Too many requests", "Wait as Retry-After says; send in batches."
    ),
    "not-json": Kind(
        S.UNSUPPORTED_MEDIA_TYPE,
        "Not JSON",
        "Send Content-Type: application/json, in UTF-8 and without Content-Encoding.",
    ),
    "no-idempotency-key": Kind(
        S.BAD_REQUEST,
        "No Idempotency-Key",
        "Send an Idempotency-Key of 16 to 200 printable characters, a UUID for instance: a new one "
        "for each request, the same one when you repeat it.",
    ),
    "malformed": Kind(S.BAD_REQUEST, "Not understood", "Send one JSON object, or a list of them."),
    "too-large": Kind(S.REQUEST_ENTITY_TOO_LARGE, "Too large", "Send it in smaller batches."),
    "too-slow": Kind(S.REQUEST_TIMEOUT, "Too slow", "Send the whole body at once, or less of it."),
    "unfit": Kind(
        S.UNPROCESSABLE_ENTITY, "The contract is not kept", "Correct what `errors` names."
    ),
    "key-used": Kind(
        S.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key was used for another body",
        "Send what is new under a new key.",
    ),
    "under-way": Kind(
        S.CONFLICT, "The same request is under way", "Wait a second, and send it again."
    ),
    "not-stored": Kind(
        S.SERVICE_UNAVAILABLE,
        "Not stored",
        "Nothing is lost on your side: send the same request under the same key later.",
    ),
    "defect": Kind(
        S.INTERNAL_SERVER_ERROR, "A defect", "Send the same request under the same key later."
    ),
}


class Problem(Exception):
    """A request is refused."""

    def __init__(
        self,
        kind: str,
        faults: Sequence[Fault] = (),
        *,
        retry_after: float | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.faults = faults
        self.retry_after = retry_after
        self.close = close

    @property
    def status(self) -> int:
        return KINDS[self.kind].status.value

    def body(self) -> Mapping[str, Any]:
        return {**described(self.kind), **({"errors": errors(self.faults)} if self.faults else {})}

    def headers(self) -> dict[str, str]:
        found = {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            found["www-authenticate"] = 'Bearer realm="crossregion"'
        if self.retry_after is not None:
            found["retry-after"] = str(max(1, round(self.retry_after + 0.5)))
        if self.close:
            found["connection"] = "close"
        return found


def described(kind: str) -> dict[str, Any]:
    """A kind of problem, as its own page and each of its answers say it."""
    found = KINDS[kind]
    return {
        "type": f"/problems/{kind}",
        "title": found.title,
        "status": found.status.value,
        "detail": found.advice,
    }


def errors(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """Each fault by its JSON pointer, as RFC 9457 has it in its example."""
    return [
        {"pointer": f"#{fault.pointer}", "reason": fault.reason, "detail": fault.message}
        for fault in faults
    ]
