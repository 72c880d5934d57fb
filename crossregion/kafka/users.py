"""Kafka's users and grants, made equal to what the contracts of the topics say.

Passwords are random and stand in files of mode 0600, one a principal, in the admin's secrets
directory; a unit or a process is given its own file, and Kafka keeps only salted hashes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import NoError, SaslAuthenticationFailedError

from crossregion.errors import ServiceUnavailable
from crossregion.kafka import acls as kafka_acls
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.acls import Grant
from crossregion.kafka.connection import Kafka
from crossregion.private_files import write_private

USER, ANYWHERE = "User:", "*"
REMOVED = ".removed"
KNOWN_SECONDS = 60.0
POLL_SECONDS = 0.05


def removed(directory: Path) -> frozenset[str]:
    """The principals that were removed, which a mark in the secrets directory remembers."""
    return frozenset(file.name.removesuffix(REMOVED) for file in directory.glob(f"*{REMOVED}"))


def missing(directory: Path) -> list[str]:
    """The principals without a password file, but for those that were removed."""
    gone = removed(directory)
    return [
        name
        for name in kafka_acls.principals()
        if name not in gone and not (directory / name).exists()
    ]


def make_missing(directory: Path) -> None:
    """Create a password file for each principal that has none; nothing is sent to Kafka."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in missing(directory):
        write_private(directory / name, secrets.token_urlsafe(32))


def renew(admin: KafkaAdminClient, kafka: Kafka, name: str) -> None:
    """Give a principal a new password, and its grants if it has none.

    Should this be cut short, the password stands in the file `<name>.new-password`.
    Raises: ServiceUnavailable.
    """
    directory = kafka.secrets
    made = directory / f"{name}.new-password"
    write_private(made, secrets.token_urlsafe(32))
    _put(admin, {name: kafka_connection.password(made)})
    made.replace(directory / name)
    (directory / (name + REMOVED)).unlink(missing_ok=True)
    allow(
        admin, {grant for grant in kafka_acls.wanted() if grant.principal == name} - granted(admin)
    )
    _wait_until_let_in(kafka, name)


def put(admin: KafkaAdminClient, kafka: Kafka, names: Sequence[str]) -> None:
    """Set the password in the file of each of these principals at Kafka.

    Raises: ServiceUnavailable.
    """
    known = admin.describe_user_scram_credentials(list(names)) if names else {}
    _put(admin, {name: kafka_connection.password(kafka.secrets / name) for name in names})
    for name in [name for name in names if not known[name]["credential_infos"]][:1]:
        _wait_until_let_in(kafka, name)


def _wait_until_let_in(kafka: Kafka, name: str) -> None:
    """The broker hears of a password some moments after it has answered that it is stored."""
    deadline = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            KafkaAdminClient(**kafka.options(name)).close()
        except SaslAuthenticationFailedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def remove(admin: KafkaAdminClient, directory: Path, name: str) -> None:
    """Take a user's grants and password away, for good.

    It may do nothing from now on, and its sessions end when they have to authenticate again.
    Raises: ServiceUnavailable.
    """
    (directory / (name + REMOVED)).touch(mode=0o600)
    (directory / name).unlink(missing_ok=True)
    withdraw(admin, {grant for grant in granted(admin) if grant.principal == name})
    known = admin.describe_user_scram_credentials([name])
    if known[name]["credential_infos"]:
        _alter(admin, [UserScramCredentialDeletion(name, kafka_connection.MECHANISM)])


def _put(admin: KafkaAdminClient, passwords: Mapping[str, str]) -> None:
    changes = [
        UserScramCredentialUpsertion(name, kafka_connection.MECHANISM, password)
        for name, password in passwords.items()
    ]
    _alter(admin, changes)


def _alter(admin: KafkaAdminClient, changes: list[Any]) -> None:
    answers = admin.alter_user_scram_credentials(changes) if changes else {}
    refused = {name: message for name, message in answers.items() if message is not None}
    for name, message in refused.items():
        raise ServiceUnavailable("password-not-changed", name=name, message=message)


def granted(admin: KafkaAdminClient) -> frozenset[Grant]:
    """The grants that exist at Kafka."""
    everything = ACLFilter(
        None,
        None,
        ACLOperation.ANY,
        ACLPermissionType.ANY,
        ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
    acls, error = admin.describe_acls(everything)
    if error is not NoError:
        raise ServiceUnavailable("grants-not-told", kind=error.__name__)
    return frozenset(
        Grant(
            acl.principal.removeprefix(USER),
            acl.operation.name,
            acl.resource_pattern.resource_type.name,
            acl.resource_pattern.resource_name,
            acl.resource_pattern.pattern_type is ACLResourcePatternType.PREFIXED,
        )
        for acl in acls
        if acl.permission_type is ACLPermissionType.ALLOW and acl.host == ANYWHERE
    )


def grant_all(admin: KafkaAdminClient, directory: Path) -> None:
    """Make the grants of our principals equal to the contracts; removed principals get none.

    Grants of principals that are not the project's stay as they are. Raises: ServiceUnavailable.
    """
    ours, gone = set(kafka_acls.principals()), removed(directory)
    wanted = {grant for grant in kafka_acls.wanted() if grant.principal not in gone}
    now = {
        grant
        for grant in granted(admin)
        if grant.principal in ours or grant.principal.startswith(kafka_connection.unit(""))
    }
    allow(admin, wanted - now)
    withdraw(admin, now - wanted)


def allow(admin: KafkaAdminClient, new: Iterable[Grant]) -> None:
    """Add grants.

    Raises: ServiceUnavailable.
    """
    acls = [_acl(grant) for grant in sorted(new)]
    failed = admin.create_acls(acls)["failed"] if acls else []
    if failed:
        raise ServiceUnavailable("grants-not-made", kind=failed[0].__name__)


def withdraw(admin: KafkaAdminClient, old: Iterable[Grant]) -> None:
    """Take grants away.

    Raises: ServiceUnavailable.
    """
    acls = [_acl(grant) for grant in sorted(old)]
    for _, _, error in admin.delete_acls(acls) if acls else ():
        if error is not NoError:
            raise ServiceUnavailable("grant-not-removed", kind=error.__name__)


def _acl(grant: Grant) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        USER + grant.principal,
        ANYWHERE,
        ACLOperation[grant.operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType[grant.resource], grant.name, pattern),
    )
