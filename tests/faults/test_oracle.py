"""The generator, the oracle and the proxy, tried before anything is held to them."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import defaultdict
from contextlib import suppress
from typing import cast

import pytest

from crossregion.domain.events import HandoverRecorded, PairWeighed
from crossregion.domain.handovers import Steps
from crossregion.domain.notices.board import NoticePlanner
from crossregion.domain.notices.content import FILE_KINDS, OF_TIPS, TIP_LINKED
from crossregion.domain.validation import Rejected
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from crossregion.linkage.posterior import posterior_probabilities
from processors.intake import Incoming, take
from processors.outputs import Outputs
from schemas import codec, topics
from schemas.codec import Undecodable
from tests.faults import saying
from tests.faults.generate import CANARY, Generator, Made, of
from tests.faults.oracle import RECEIVED_ON, TODAY, Accepted, expected, letter_of, verdict_of
from tests.faults.proxy import Proxy
from tests.faults.tips import TRIAGE, triage_of

READ_BY_NOTICES = (topics.RECORD_REMARKS.name(), topics.FILE_NOTES.name())


def accepted(made: list[Made]) -> list[Accepted]:
    return [
        Accepted(one.topic, one.value, one.ce_id, (one.topic, 0, number), number // 3)
        for number, one in enumerate(made)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_made_is_refused_for_the_reason_it_was_made_for(seed: int) -> None:
    made = Generator(seed).batch(200)
    for one, event in zip(made, accepted(made), strict=True):
        verdict = verdict_of(event)
        assert (verdict if isinstance(verdict, str) else None) == one.refused
        if one.event and one.refused is None:
            assert CANARY.search(one.value or b"")


@pytest.mark.parametrize("seed", range(5))
def test_a_letter_is_refused_for_the_reason_it_was_made_for(seed: int) -> None:
    made = Generator(seed).letters(60)
    verdicts = [letter_of(event) for event in accepted(made)]
    assert [one if isinstance(one, str) else None for one in verdicts] == [
        one.refused for one in made
    ]
    assert {one.refused for one in made} == {None, "unknown-code", "wrong-id"}


@pytest.mark.parametrize("seed", range(5))
def test_a_deed_says_whose_a_record_is_as_the_steps_do(seed: int) -> None:
    """Two ways to the same: stamps in the order of writing, and the tree of the steps."""
    generator = Generator(seed)
    generator.batch(60)
    said = [one for _ in range(40) for one in generator.sayings(20)]
    verdicts = [saying.taken(event) for event in accepted(said)]
    assert [one if isinstance(one, str) else None for one in verdicts] == [
        one.refused for one in said
    ]
    right = expected(accepted(said))
    steps = Steps()
    for number, verdict in enumerate(verdicts):
        if not isinstance(verdict, str) and verdict[0] == "HandoverRecorded":
            steps.take(cast(HandoverRecorded, verdict[1]), number)
    found = {about: steps.standing(about) for about in right.deeds}
    assert {about: deed.standing for about, deed in right.deeds.items()} == {
        about: (one.owner, one.offered_to, one.asked_back) for about, one in found.items()
    }
    assert len({one.owner for one in found.values()}) > 3
    assert any(one.asked_back for one in found.values())
    assert right.answers


@pytest.mark.parametrize("seed", range(5))
def test_a_tip_and_a_triage_are_refused_for_the_reason_they_were_made_for(seed: int) -> None:
    made = Generator(seed).tips(120)
    found = expected(accepted(made))
    wanted = {(one.topic, 0, number): one.refused for number, one in enumerate(made) if one.refused}
    assert found.dead_letters == wanted
    assert len(set(wanted.values())) > 3
    for one in made:
        if one.event == "TipRecorded" and one.refused is None:
            assert CANARY.search(one.value or b"")
        if one.event == "TipTriaged":
            assert not CANARY.search(one.value or b"")


def test_a_name_is_found_in_every_encoding_and_never_in_a_broker_s_random_salts() -> None:
    name = Generator(1).identity()["name"]
    for written in (name.encode(), name.encode("gb18030"), json.dumps(name).encode()):
        assert CANARY.search(b"\xff" + written + b"\x00")
    assert not CANARY.search(random.Random(0).randbytes(1 << 21))


def test_one_seed_makes_the_same_and_another_something_else() -> None:
    first = [one.value for one in Generator(3).batch(100)]
    assert first == [one.value for one in Generator(3).batch(100)]
    assert first != [one.value for one in Generator(4).batch(100)]


@pytest.mark.parametrize("seed", range(5))
def test_the_index_finds_every_pair_that_comparing_all_with_all_finds(seed: int) -> None:
    """Of those that share a blocking key; what shares none is counted."""
    events = accepted(Generator(seed).batch(300))
    index = Index(load())
    pairs: dict[tuple[str, ...], PairWeighed] = {}
    for event in events:
        verdict = verdict_of(event)
        if not isinstance(verdict, str) and verdict.listed["persons"]:
            for pair in index.put(verdict.listed):
                names = ("rescue_unit", "rescue_id", "case_unit", "case_id", "victim_id")
                pairs[tuple(str(pair[name]) for name in names)] = pair  # type: ignore[literal-required]
    by_rescue: dict[tuple[str, ...], list[PairWeighed]] = defaultdict(list)
    for key, pair in pairs.items():
        by_rescue[key[:2]].append(pair)
    proposed = {
        p["proposal_id"]: p
        for its in by_rescue.values()
        for p in posterior_probabilities(its, load())
    }
    assert len(proposed) > 20
    assert proposed == expected(events).proposals


def test_pairs_that_weigh_enough_and_share_no_blocking_key_are_counted() -> None:
    found = [expected(accepted(Generator(seed).batch(300))).unblocked for seed in range(5)]
    assert sum(found) > 0


def test_a_pair_that_shares_no_blocking_key_is_not_expected() -> None:
    """Two that the rig made with seed 77, and called lost: nobody compares them."""
    person = {"age_band": "adult", "sex": "F"}
    identity = {
        **Generator(77).identity(),
        "sex": "F",
        "birth_precision": "day",
        "dna_sample": None,
    }
    victim = {
        **identity,
        **{"name": "于翾暄", "other_names": ["杨婠頔"], "birth_date": "1933-05-13"},
        **{"home": "340827", "height_cm": 150, "id_number": None, "marks": ["右手痣", "右脸胎记"]},
    }
    rescued = {
        **identity,
        **{"name": "余禤昱", "other_names": [], "birth_date": "1960-11-16", "home": "340802"},
        **{"height_cm": 185, "id_number": "992298196011168349", "marks": ["右手痣", "右胸胎记"]},
    }
    generator = Generator(77)
    case, rescue = (one.record for one in generator.plain(2)[::-1])
    case["victims"] = [{"victim_id": f"{case['case_id']}/1", **person, "identity": victim}]
    case["lost_on"], rescue["found_on"] = None, "2013-01-01"
    rescue["stated_case_id"], rescue["person"] = None, {**person, "identity": rescued}
    made = [of("CaseRecorded", case), of("RescueRecorded", rescue)]
    found = expected(accepted(made))
    assert (len(found.proposals), found.unblocked) == (0, 1)
    rescue["stated_case_id"] = case["case_id"]
    stated = expected(accepted([made[0], of("RescueRecorded", rescue)]))
    assert (len(stated.proposals), stated.unblocked) == (1, 0)


def test_the_order_of_events_makes_no_difference() -> None:
    generator = Generator(9)
    made = [*generator.batch(200), *generator.letters(40), *generator.tips(120)]
    events = accepted(made)
    shuffled = random.Random(9).sample(events, len(events))
    found = expected(events)
    assert expected(shuffled) == found
    assert {row[5] for row in found.tips.values()} == {"new", "linked", "referred", "dismissed"}
    assert any(len(row[-1]) > 2 for row in found.tips.values())


def test_a_proxy_passes_holds_cuts_and_resets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=[server], daemon=True).start()
        port = server.getsockname()[1]
        with Proxy(lambda: port) as proxy:
            with _connected(proxy) as client:
                client.sendall(b"one")
                assert client.recv(9) == b"one"
                proxy.blackhole()
                client.sendall(b"two")
                client.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    client.recv(9)
                client.settimeout(10)
                proxy.heal()
                assert client.recv(9) == b"two"
                proxy.cut_after(5)
                client.sendall(b"three")
                with pytest.raises(ConnectionResetError):
                    while client.recv(9):
                        client.sendall(b"more")
            proxy.refuse()
            with _connected(proxy) as client, pytest.raises(OSError):
                client.sendall(b"four")
                if client.recv(9) == b"":
                    raise ConnectionResetError


def _connected(proxy: Proxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port))
    client.settimeout(10)
    return client


def _echo(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=[client], daemon=True).start()


def _answer(client: socket.socket) -> None:
    try:
        while data := client.recv(1024):
            client.sendall(data)
    except OSError:
        client.close()


@pytest.mark.parametrize("seed", range(5))
def test_the_board_tells_of_files_tips_and_remarks_what_the_oracle_says(seed: int) -> None:
    """Through intake, in any order; the oracle keeps, orders and joins by itself."""
    generator = Generator(seed)
    made = generator.batch(400)
    for _ in range(3):
        made += [*generator.sayings(60), *generator.tips(100), *generator.sayings(60)]
    events = accepted([*made, *generator.batch(200)])
    outputs = Outputs()
    steps = [one for one in events if one.topic in topics.HANDOVERS.names()]
    for number, one in enumerate(events):
        if one.topic in (*saying.TOPICS, *TRIAGE):
            continue
        headers = {} if one.ce_id is None else {"ce_id": one.ce_id}
        take(Incoming(one.topic, 0, number, b"k", one.value, headers, RECEIVED_ON), outputs)
    read = [
        (*codec.decode(value), 1.0, 0) for topic, _, _, value in outputs if topic in READ_BY_NOTICES
    ]
    for one in events:
        with suppress(Undecodable, Rejected):
            if one.topic in TRIAGE and one.place is not None:
                triage = dict(triage_of(one.value, one.topic))
                read.append(("TipTriaged", triage, one.milliseconds / 1000, one.place[2]))
    random.Random(seed).shuffle(read)
    planner = NoticePlanner()
    for number, one_read in enumerate(read):
        planner.take(*one_read)
        if number < len(steps) and not isinstance(said := saying.taken(steps[number]), str):
            planner.take(*said, float(number))
    planner.tick(1.0, TODAY)
    told = {one["notice_id"]: {**one, "revision": 0} for one, _ in planner.pending()}
    kinds = (*FILE_KINDS, *OF_TIPS, "remarks")
    found = {name: one for name, one in told.items() if one["kind"] in kinds}
    right = expected(events)
    assert found == {name: one for name, one in right.notices.items() if one["kind"] in kinds}
    assert {one["kind"] for one in found.values()} == {*kinds}
    assert len(right.file_items) > 100
    linked = [one for one in found.values() if one["kind"] == TIP_LINKED]
    assert {one["unit"] == one["case_unit"] for one in linked} == {True, False}
