"""Keys turned under load: passwords of Kafka, secrets of webhooks, keys of the HTTP intake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from standardwebhooks import Webhook, WebhookVerificationError

from crossregion.domain import delivery
from crossregion.domain.regions import OFFICE
from crossregion.installation import OPERATOR
from crossregion.kafka import acls, users
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka.connection import unit as principal_of
from crossregion.services import endpoints
from producers.http_intake.keys import Keys
from tests.faults import ways
from tests.faults.generate import CANARY, UNITS
from tests.faults.rig import Rig, Scale
from tests.support.intake import Running, free_port
from tests.support.receivers import Handler, Received, Webhooks, webhooks

PATH = "/turned"
UNAUTHORISED = 401


def turned(rig: Rig, scale: Scale) -> None:
    """No event and no notice is refused while both are valid, and the old one is afterwards."""
    with webhooks(rig.receivers.context("keys", ["127.0.0.1"])) as web:
        receiver = Receiver(rig, web)
        for _ in range(scale.times):
            receiver.turn(lambda: rig.accept(rig.generator.matching(2)))
            _passwords(rig, scale)
            _intake_keys(rig, scale)
        receiver.leave()


def _passwords(rig: Rig, scale: Scale) -> None:
    """Of processes and units, one after the other; each has to log in anew while it works."""
    processes = acls.PROCESSES if scale.times > 1 else ("intake", "registry")
    units = UNITS if scale.times > 1 else UNITS[:1]
    before = {}
    with kafka_admin.administering(rig.kafka) as admin:
        for name in (*processes, *map(principal_of, units)):
            before[name] = (rig.kafka.secrets / name).read_text()
            rig.accept(rig.generator.plain(2))
            users.renew(admin, rig.kafka, name)
    assert all((rig.kafka.secrets / name).read_text() != old for name, old in before.items())
    rig.to_broker.reset()


@dataclass
class Receiver:
    """The office's own: it takes what one of the secrets that it knows has signed."""

    rig: Rig
    web: Webhooks
    known: list[str] = field(default_factory=list)
    taken: dict[str, Received] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        self.web.behaviours[PATH] = self.answer
        url = self.web.url(PATH, "127.0.0.1")
        self.id, secret = endpoints.add(
            self.rig.dsn(OPERATOR), OFFICE, "webhook", url, "loopback", "rig"
        )
        assert secret is not None
        self.known = [secret]

    def answer(self, handler: Handler, number: int) -> None:
        got = self.web.got[PATH][number - 1]
        if any(signed(secret, got) for secret in self.known):
            assert not CANARY.search(got.body)
            self.taken[got.headers["webhook-id"]] = got
            handler.answer(200)
        else:
            self.refused += 1
            handler.answer(503)

    def turn(self, load: Callable[[], None]) -> None:
        """From the old secret over both to the new one; then that one is given up at once."""
        (old,) = self.known
        self._until(load, lambda got: signed(old, got))
        new = endpoints.rotate(self.rig.dsn(OPERATOR), self.id, timedelta(hours=1), "rig")
        refused = self.refused
        self._until(load, lambda got: signed(old, got) and signed(new, got))
        self.known = [new]
        self._until(load, lambda got: signed(new, got))
        assert self.refused == refused, "a notice was refused while both secrets were valid"
        newest = endpoints.rotate(self.rig.dsn(OPERATOR), self.id, timedelta(0), "rig")
        self.known = [newest]
        self._until(load, lambda got: signed(newest, got))
        load()
        last = self._until(load, lambda got: not signed(old, got) and not signed(new, got))
        assert len(last.headers["webhook-signature"].split()) == 1

    def _until(self, load: Callable[[], None], holds: Callable[[Received], bool]) -> Received:
        """Go on until a notice is taken that was signed so."""
        load()
        seen = set(self.taken)

        def new() -> list[Received]:
            taken = dict(self.taken)
            return [got for one, got in taken.items() if one not in seen and holds(got)]

        self.rig.wait(lambda: bool(new()), "no notice comes that is signed as it should be")
        return new()[0]

    def leave(self) -> None:
        """Once every notice of this time was taken."""
        self.rig.quiet()
        asked = (
            "SELECT notice_id::text, revision, state FROM delivery.delivery WHERE endpoint_id=%s"
        )

        def rows() -> list[tuple[str, int, str]]:
            with self.rig.superuser() as connection:
                return connection.execute(asked, [self.id]).fetchall()

        self.rig.wait(lambda: all(row[2] == "delivered" for row in rows()), "notices wait")
        ids = {delivery.message_id(notice_id, revision) for notice_id, revision, _ in rows()}
        assert ids == set(self.taken)
        endpoints.remove(self.rig.dsn(OPERATOR), self.id, "rig")


def signed(secret: str, got: Received) -> bool:
    try:
        Webhook(secret).verify(got.body, got.headers)
    except WebhookVerificationError:
        return False
    return True


def _intake_keys(rig: Rig, scale: Scale) -> None:
    """The old key, then both, then the new one alone: no event of the unit is refused."""
    unit, port = UNITS[0], free_port()
    first, both, last = (ways.of_one_unit(rig, scale, unit) for _ in range(3))
    directory = rig.data / "intake-keys"
    (directory / unit).unlink(missing_ok=True)
    keys = Keys(directory)
    rates = dict.fromkeys(("CROSSREGION_INTAKE_RATE", "CROSSREGION_INTAKE_PUBLIC_RATE"), "1000")
    env = {"CROSSREGION_INTAKE_PORT": str(port), **rates}
    with ways.running(rig, ["http-intake"], ["-m", "producers.http_intake.app"], env) as (intake,):

        def made_on(day: int) -> Running:
            return Running(rig.data, port, keys.add(unit, date(2026, 1, day)), intake.process)

        old = made_on(1)
        for one in first:
            ways.send(rig, intake, old, one)
        new = made_on(2)
        for one in both:
            ways.send(rig, intake, old, one)
            ways.send(rig, intake, new, one)
        keys.remove(unit, keys.of(unit)[0].name)
        for one in last:
            assert old.post(one.record, one.event).status == UNAUTHORISED
            ways.send(rig, intake, new, one)
        rig.note([ways.as_published(one) for one in (*first, *both, *last)])
