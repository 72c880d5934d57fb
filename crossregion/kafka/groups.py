"""Members and offsets of a consumer group, with the broker's errors raised.

kafka-python describes a group that the broker did not describe as one without members, and puts the
broker's error beside it, as a text; what a deletion came to is a text as well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafka import errors
from kafka.admin import KafkaAdminClient

from crossregion.errors import ServiceUnavailable

ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.2
REFUSALS = (errors.AuthorizationError, errors.SaslAuthenticationFailedError)
DELETED = ("OK", errors.GroupIdNotFoundError.__name__)

Answer = TypeVar("Answer")


def members(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    """The members of a group; none if Kafka knows no such group.

    Raises: ServiceUnavailable if Kafka does not say it within `ANSWER_SECONDS`, KafkaError if it
    refuses to.
    """
    return _asked(group, lambda: _members(admin, group))


def forget_offsets(admin: KafkaAdminClient, group: str) -> None:
    """Have Kafka forget how far a group without members has read.

    Raises: ServiceUnavailable if Kafka does not do it, KafkaError if it refuses to.
    """
    if not _asked(group, lambda: admin.list_group_offsets(group))[group]:
        return
    outcome = _asked(group, lambda: admin.delete_groups([group]))[group]
    if outcome not in DELETED:
        raise ServiceUnavailable("group-not-forgotten", group=group, outcome=outcome)


def _members(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    described = admin.describe_groups([group])[group]
    refused = _error(described["error"])
    if refused is None:
        found: list[dict[str, Any]] = described["members"]
        return found
    if isinstance(refused, errors.GroupIdNotFoundError):
        return []
    raise refused


def _error(text: str | None) -> errors.KafkaError | None:
    """The error whose code stands in a text such as "[Error 16] NotCoordinatorError: ..."."""
    if text is None:
        return None
    code = re.match(r"\[Error (-?\d+)\] ", text)
    return errors.for_code(int(code[1]))() if code else errors.UnknownError(text)


def _asked(group: str, ask: Callable[[], Answer]) -> Answer:
    """Ask again while the group's coordinator is chosen or reads what it knows.

    A broker that is no longer the coordinator is not asked again: the client keeps to it for good.
    Raises: ServiceUnavailable, KafkaError if Kafka does not let the client in or refuses it.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return ask()
        except REFUSALS:
            raise
        except errors.KafkaError as error:
            again = error.retriable and not isinstance(error, errors.NotCoordinatorError)
            if not again or time.monotonic() > deadline:
                raise ServiceUnavailable(
                    "group-not-told", group=group, kind=type(error).__name__
                ) from None
        time.sleep(POLL_SECONDS)
