"""Harm to PostgreSQL: backends killed, failures on purpose, outages, full disks."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import psycopg

from crossregion.embedded.accounts import database_account, let_pass
from tests.faults.rig import Rig, Scale

TRIGGER = """
CREATE SEQUENCE public.harm_count;
GRANT USAGE ON SEQUENCE public.harm_count TO PUBLIC;
CREATE FUNCTION public.harm() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.harm_count') <= {times} THEN {harm} END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER harm AFTER INSERT ON registry.sighting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.harm();
"""
CALM = "DROP FUNCTION public.harm() CASCADE; DROP SEQUENCE public.harm_count"
AT_COMMIT = "PERFORM pg_terminate_backend(pg_backend_pid());"
FAIL = "RAISE EXCEPTION USING ERRCODE = CASE WHEN random() < 0.5 THEN '40001' ELSE '40P01' END;"
FILLER_BYTES = 32 * 2**20


def with_trigger(rig: Rig, scale: Scale, harm: str) -> None:
    with rig.superuser() as connection:
        connection.execute(TRIGGER.format(times=5 * scale.times, harm=harm))
    for _ in range(scale.times):
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(0.5)
    rig.quiet()
    with rig.superuser() as connection:
        struck = connection.execute("SELECT last_value FROM public.harm_count").fetchone()
        connection.execute(CALM)
    assert struck is not None
    assert struck[0] >= 5 * scale.times, "the trigger has not done its harm"


def killed_at_commit(rig: Rig, scale: Scale) -> None:
    """Whether the transaction took place is then open, and must not matter."""
    with_trigger(rig, scale, AT_COMMIT)


def serialisation(rig: Rig, scale: Scale) -> None:
    second = rig.add("registry", 2)
    with_trigger(rig, scale, FAIL)
    rig.retire(second)


def postgres_away(rig: Rig, scale: Scale) -> None:
    for _ in range(scale.times):
        rig.accept(rig.generator.plain(scale.events))
        rig.stop_postgres(scale.outage / 3)
        rig.accept(rig.generator.plain(scale.events))


def postgres_cut(rig: Rig, scale: Scale) -> None:
    for _ in range(scale.times):
        for bytes_more in (0, 500, 5_000, 50_000):
            rig.to_postgres.cut_after(bytes_more)
            rig.accept(rig.generator.plain(scale.events))
            rig.rest(0.4)
        rig.to_postgres.blackhole()
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(scale.outage / 3)
        rig.heal()
        rig.to_postgres.delay(0.02)
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(0.5)


def read_only(rig: Rig, scale: Scale) -> None:
    """As a standby is after a failover: the registry waits, and sets nothing aside."""
    with rig.superuser() as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    try:
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(scale.outage / 2)
        with rig.superuser() as connection:
            assert _events(connection) < len({one.ce_id for one in rig.ledger})
    finally:
        with rig.superuser() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def _events(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM registry.record_revision").fetchone()
    assert row is not None
    return int(row[0])


def broker_disk_full(rig: Rig, scale: Scale) -> None:
    """Kafka cannot write a byte more and gives up; the units' spools take what comes."""
    pid = rig.broker.pid
    assert pid is not None
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, 4096))
    for _ in range(scale.times):
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(scale.outage / 3)
    rig.wait(lambda: not psutil.pid_exists(pid) or _ended(pid), "Kafka writes on a full disk")
    assert rig.unsent() > 0
    rig.kill_broker()


def _ended(pid: int) -> bool:
    return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def disk_full(rig: Rig, scale: Scale) -> None:
    """The table of revisions on a file system of its own, which something else fills."""
    with tempfile.TemporaryDirectory(prefix="crossregion-disk-") as name:
        mount = Path(name)
        with mounted(mount, FILLER_BYTES * 2):
            place = mount / "space"
            place.mkdir(mode=0o700)
            account = database_account()
            if account is not None:
                let_pass(place)
                shutil.chown(place, account.uid, account.gid)
            with rig.superuser() as connection:
                connection.execute(f"CREATE TABLESPACE harm LOCATION '{place}'")
                connection.execute("ALTER TABLE registry.record_revision SET TABLESPACE harm")
            filler = mount / "filler"
            try:
                _fill(filler)
                for _ in range(scale.times):
                    rig.accept(rig.generator.plain(scale.events * 4))
                rig.rest(scale.outage / 2)
            finally:
                filler.unlink()
                rig.quiet()
                with rig.superuser() as connection:
                    connection.execute(
                        "ALTER TABLE registry.record_revision SET TABLESPACE pg_default"
                    )
                    connection.execute("DROP TABLESPACE harm")


def _fill(file: Path) -> None:
    """Write until there is no room left."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(descriptor, bytes(4096)):
            pass
    except OSError as error:
        assert error.errno == errno.ENOSPC
    finally:
        os.close(descriptor)


class mounted:
    """A small file system in memory on a directory, while it lasts; needs root."""

    def __init__(self, where: Path, size: int) -> None:
        self._where, self._size = where, size

    def __enter__(self) -> None:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self._size}", "crossregion", self._where],
            check=True,
        )

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self._where], check=True)
