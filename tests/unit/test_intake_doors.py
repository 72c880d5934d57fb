"""Who may enter the HTTP intake, how often, and with how much."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.errors import CrossregionError
from producers.http_intake import limits
from producers.http_intake.keys import Keys
from producers.http_intake.limits import Rate, Room, network_of

UNIT, OTHER = "220200", "220100"
TODAY = date(2026, 11, 25)


def test_a_key_opens_its_unit_and_no_other(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    mine, theirs = keys.add(UNIT, TODAY), keys.add(OTHER, TODAY)
    assert (keys.unit_of(mine), keys.unit_of(theirs)) == (UNIT, OTHER)
    assert Keys(tmp_path / "keys").unit_of(mine) == UNIT
    secret = mine.split("-", 2)[2]
    (tmp_path / "keys" / "220300").write_text("# ours\n", "utf-8")
    for wrong in (
        "cr-220300-x",
        "",
        "cr",
        "cr-",
        f"cr-{OTHER}-{secret}",
        mine[:-1],
        mine + "x",
        f"-{UNIT}-\ud800",
    ):
        assert keys.unit_of(wrong) is None


def test_two_keys_are_valid_and_never_three(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    first, second = keys.add(UNIT, TODAY), keys.add(UNIT, TODAY)
    with pytest.raises(CrossregionError, match="two keys"):
        keys.add(UNIT, TODAY)
    (old, new) = keys.of(UNIT)
    keys.remove(UNIT, old.name)
    assert (keys.unit_of(first), keys.unit_of(second)) == (None, UNIT)
    with pytest.raises(CrossregionError, match="has no key"):
        keys.remove(UNIT, old.name)
    keys.remove(UNIT, new.name)
    assert keys.unit_of(second) is None


def test_what_is_kept_opens_nothing_and_is_open_to_nobody_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = Keys(tmp_path)
    key = keys.add(UNIT, TODAY)
    file = tmp_path / UNIT
    assert file.stat().st_mode & 0o777 == 0o600
    digest = file.read_text().split()[0]
    assert key not in file.read_text()
    assert keys.unit_of(f"cr-{UNIT}-{digest}") is None
    file.chmod(0o640)
    assert keys.unit_of(key) is None
    assert "chmod 600" in "".join(capsys.readouterr())


@given(
    st.floats(0.1, 50),
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from("ab")), min_size=1, max_size=80),
)
def test_nobody_comes_more_often_than_allowed_nor_is_held_up_by_another(
    per_second: float, asked: list[tuple[float, str]]
) -> None:
    rate = Rate(per_second)
    most = max(1.0, per_second * limits.BURST_SECONDS)
    now, came = 0.0, {"a": 0, "b": 0}
    for pause, name in asked:
        now += pause
        wait = rate.wait(name, now)
        if wait == 0:
            came[name] += 1
        else:
            assert rate.wait(name, now + wait * 1.001) == 0
            now += wait * 1.001
            came[name] += 1
        assert came[name] <= most + now * per_second + 1e-6
        assert came[name] >= 1


def test_of_too_many_names_the_longest_away_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_NAMES", 3)
    rate = Rate(0.5)
    assert [rate.wait(name, 0.0) for name in "abc"] == [0, 0, 0]
    assert rate.wait("a", 0.0) > 0
    assert rate.wait("d", 0.0) == 0
    assert (rate.wait("b", 0.0), rate.wait("a", 0.0) > 0) == (0, True)


def test_room_is_given_back_and_what_finds_none_takes_none() -> None:
    room = Room(10, 8)
    with (
        room.holding("a", 7) as first,
        room.holding("b", 7) as second,
        room.holding("b", 3) as third,
    ):
        assert (first, second, third) == (True, False, True)
    with room.holding("a", 8) as most, room.holding("a", 1) as more, room.holding("b", 2) as other:
        assert (most, more, other) == (True, False, True)


def test_an_address_counts_by_itself_and_an_ipv6_network_as_one() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1" != network_of("::ffff:192.0.2.2")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("testclient") == ""
