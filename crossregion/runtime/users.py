"""Kafka's users and what they are granted, brought to what the project says.

Passwords are random and stand in files of mode 0600, one a principal, in the admin's secrets
directory; a unit or a process is given its own file, and Kafka keeps only salted hashes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

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
from kafka.errors import NoError

from crossregion import clients
from crossregion.faults import ServiceUnavailable
from crossregion.runtime import grants
from crossregion.runtime.directory import write_private
from crossregion.runtime.grants import Grant

ANYONE, ANYWHERE = "User:", "*"


def make_password(directory: Path, principal: str) -> str:
    """A new random password in the principal's file."""
    made = secrets.token_urlsafe(32)
    write_private(directory / principal, made)
    return made


def make_missing(directory: Path) -> list[str]:
    """Give each principal that has no password file one; returns their names."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    missing = [name for name in grants.principals() if not (directory / name).exists()]
    for name in missing:
        make_password(directory, name)
    return missing


def put(admin: KafkaAdminClient, directory: Path, names: Iterable[str]) -> None:
    """Have Kafka know the password in the file of each of these principals.

    Raises: ServiceUnavailable.
    """
    _alter(
        admin,
        [
            UserScramCredentialUpsertion(
                name, clients.MECHANISM, clients.password(directory / name)
            )
            for name in names
        ],
    )


def remove(admin: KafkaAdminClient, name: str) -> None:
    """Take a user's password and grants away; its sessions end when they authenticate again.

    Raises: ServiceUnavailable.
    """
    if name in admin.describe_user_scram_credentials([name]) and _has_password(admin, name):
        _alter(admin, [UserScramCredentialDeletion(name, clients.MECHANISM)])
    withdraw(admin, {grant for grant in granted(admin) if grant.principal == name})


def _has_password(admin: KafkaAdminClient, name: str) -> bool:
    return bool(admin.describe_user_scram_credentials([name])[name]["credential_infos"])


def _alter(
    admin: KafkaAdminClient,
    changes: list[UserScramCredentialDeletion | UserScramCredentialUpsertion],
) -> None:
    answers = admin.alter_user_scram_credentials(changes) if changes else {}
    refused = {name: message for name, message in answers.items() if message is not None}
    for name, message in refused.items():
        raise ServiceUnavailable(f"Kafka did not change the password of {name}: {message}")


def granted(admin: KafkaAdminClient) -> frozenset[Grant]:
    """What Kafka allows at present."""
    everything = ACLFilter(
        None,
        None,
        ACLOperation.ANY,
        ACLPermissionType.ANY,
        ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
    acls, error = admin.describe_acls(everything)
    if error is not NoError:
        raise ServiceUnavailable(f"Kafka does not tell what it allows ({error.__name__}).")
    return frozenset(
        Grant(
            acl.principal.removeprefix(ANYONE),
            acl.operation.name,
            acl.resource_pattern.resource_type.name,
            acl.resource_pattern.resource_name,
            acl.resource_pattern.pattern_type is ACLResourcePatternType.PREFIXED,
        )
        for acl in acls
        if acl.permission_type is ACLPermissionType.ALLOW and acl.host == ANYWHERE
    )


def grant_all(admin: KafkaAdminClient) -> tuple[int, int]:
    """Allow what is wanted and nothing more to our principals; returns how many were changed.

    Grants of principals that are not the project's stay as they are. Raises: ServiceUnavailable.
    """
    ours = set(grants.principals())
    wanted = grants.wanted()
    now = {
        grant
        for grant in granted(admin)
        if grant.principal in ours or grant.principal.startswith(clients.unit(""))
    }
    allow(admin, wanted - now)
    withdraw(admin, now - wanted)
    return len(wanted - now), len(now - wanted)


def allow(admin: KafkaAdminClient, new: Iterable[Grant]) -> None:
    """Add grants.

    Raises: ServiceUnavailable.
    """
    acls = [_acl(grant) for grant in sorted(new)]
    failed = admin.create_acls(acls)["failed"] if acls else []
    if failed:
        raise ServiceUnavailable(f"Kafka did not grant what is wanted ({failed[0].__name__}).")


def withdraw(admin: KafkaAdminClient, old: Iterable[Grant]) -> None:
    """Take grants away.

    Raises: ServiceUnavailable.
    """
    acls = [_acl(grant) for grant in sorted(old)]
    for _, _, error in admin.delete_acls(acls) if acls else ():
        if error is not NoError:
            raise ServiceUnavailable(f"Kafka did not take a grant away ({error.__name__}).")


def _acl(grant: Grant) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        ANYONE + grant.principal,
        ANYWHERE,
        ACLOperation[grant.operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType[grant.resource], grant.name, pattern),
    )
