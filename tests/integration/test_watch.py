"""Export files are published as they appear, whole, once, and again when they have changed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from producers import watch as watching
from producers.exports import reader
from producers.spool.store import Spool
from producers.watch import ASIDE, SETTLE_SECONDS, DirectoryWatcher, being_written
from tests.support import exports
from tests.support.command import COMMAND, ENVIRONMENT, assert_one_clear_line, run
from tests.support.exports import UNIT, case, rescue

WAIT_SECONDS = 30.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    there = tmp_path / "exports"
    there.mkdir()
    return there


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool" / f"{UNIT}.sqlite", UNIT) as opened:
        yield opened


class Clock:
    """A clock that the test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(directory: Path, spool: Spool, clock: Clock) -> DirectoryWatcher:
    return DirectoryWatcher(directory, spool, clock)


def move_in(directory: Path, name: str, *rows: dict[str, str]) -> Path:
    """An export that is written elsewhere and moved there whole."""
    elsewhere = exports.write(directory.parent / f"being-written-{name}", *rows)
    time.sleep(0.02)
    return elsewhere.replace(directory / name)


def ids(spool: Spool) -> list[str]:
    return sorted(event.record_id for event in spool.unsent(1_000))


def test_a_file_that_is_moved_there_is_published_at_once(
    directory: Path, spool: Spool, watch: DirectoryWatcher
) -> None:
    move_in(directory, "cases-2012.csv", case())
    move_in(directory, "Rescues.CSV", rescue())
    assert watch.step() == 0
    assert ids(spool) == ["220200-C1", "220200-R1"]


def test_a_file_is_published_once_and_again_when_it_has_more(
    directory: Path, spool: Spool, watch: DirectoryWatcher
) -> None:
    move_in(directory, "cases.csv", case(修订号=""))
    for _ in range(3):
        assert watch.step() == 0
    assert watch.report.kinds["case"].records_read == 1
    move_in(directory, "cases.csv", case(修订号=""), case(修订号="", 案件编号="A"))
    assert watch.step() == 0
    kind = watch.report.kinds["case"]
    assert (kind.records_read, kind.published, kind.unchanged) == (3, 2, 1)
    assert ids(spool) == ["220200-C1", "A"]
    after_a_restart = DirectoryWatcher(directory, spool)
    assert after_a_restart.step() == 0
    assert after_a_restart.report.kinds["case"].records_read == 0


def test_a_half_written_file_is_waited_for(
    directory: Path, spool: Spool, watch: DirectoryWatcher, clock: Clock
) -> None:
    whole = exports.text([case(), case(案件编号="A"), case(案件编号="B")]).encode("gb18030")
    path = directory / "cases.csv"
    with path.open("wb") as file:
        file.write(whole[: len(whole) // 2])
        file.flush()
        assert being_written(path)
        assert watch.step() == 1
        clock.now += SETTLE_SECONDS
        assert watch.step() == 1
        file.write(whole[len(whole) // 2 :])
    assert not being_written(path)
    assert watch.step() == 1
    assert ids(spool) == []
    clock.now += SETTLE_SECONDS
    assert watch.step() == 0
    assert ids(spool) == ["220200-C1", "A", "B"]
    assert watch.report.refusals == []


def test_where_writers_are_not_known_a_file_that_still_changes_is_waited_for(
    directory: Path,
    spool: Spool,
    watch: DirectoryWatcher,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a network share, whose server alone knows."""
    monkeypatch.setattr(watching, "being_written", lambda _: False)
    whole = exports.text([case(), case(案件编号="A")]).encode("gb18030")
    path = directory / "cases.csv"
    for end in range(0, len(whole), len(whole) // 4):
        path.write_bytes(whole[:end])
        assert watch.step() == 1
        clock.now += SETTLE_SECONDS / 2
    path.write_bytes(whole)
    assert watch.step() == 1
    clock.now += SETTLE_SECONDS
    assert watch.step() == 0
    assert ids(spool) == ["220200-C1", "A"]


def test_what_cannot_be_read_is_set_aside_with_its_reason_and_the_rest_goes_on(
    directory: Path, spool: Spool, watch: DirectoryWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "cases-1.csv": "a heading,of another\nsystem,王红英\n".encode(),
        "cases-2.xlsx": b"PK\x03\x04 torn",
        "rescues-3.csv": b"\n",
    }
    for name, content in wrong.items():
        (directory.parent / name).write_bytes(content)
        time.sleep(0.02)
        (directory.parent / name).replace(directory / name)
    move_in(directory, "cases-4.csv", case())
    exports.write_xlsx(directory.parent / "rescues-5.xlsx", rescue())
    time.sleep(0.02)
    (directory.parent / "rescues-5.xlsx").replace(directory / "rescues-5.xlsx")
    assert watch.step() == 0
    assert ids(spool) == ["220200-C1", "220200-R1"]
    assert sorted(path.name for path in directory.glob("*.*")) == ["cases-4.csv", "rescues-5.xlsx"]
    for name, content in wrong.items():
        assert (directory / ASIDE / name).read_bytes() == content
        reason = (directory / ASIDE / f"{name}.txt").read_text("utf-8")
        assert "export it again" in reason or "must hold the headings" in reason
    assert len(watch.report.unreadable) == len(wrong)
    told = "".join(capsys.readouterr())
    assert all(name in told for name in wrong)
    assert "王红英" not in told
    assert watch.step() == 0


def test_where_nothing_may_be_moved_a_wrong_file_is_left_alone_until_it_changes(
    directory: Path, spool: Spool, watch: DirectoryWatcher
) -> None:
    (directory / ASIDE).write_text("a file in the place of the folder")
    move_in(directory, "cases.csv", {"nonsense": "1"})
    for _ in range(3):
        assert watch.step() == 0
    assert len(watch.report.unreadable) == 1
    assert (directory / "cases.csv").exists()
    move_in(directory, "cases.csv", case())
    assert watch.step() == 0
    assert ids(spool) == ["220200-C1"]


def test_a_row_that_cannot_be_used_is_told_and_the_others_are_taken(
    directory: Path, spool: Spool, watch: DirectoryWatcher
) -> None:
    move_in(directory, "cases.csv", case(), case(案件编号="", 受害人姓名="李四"))
    with capture_logs() as lines:
        assert watch.step() == 0
    assert ids(spool) == ["220200-C1"]
    (refused,) = [line for line in lines if line["event"] == "Row refused"]
    assert (refused["file"], refused["line"], refused["column"]) == ("cases.csv", 3, "案件编号")
    assert "李四" not in str(lines)


def test_only_files_that_are_meant_are_taken(
    directory: Path, spool: Spool, watch: DirectoryWatcher
) -> None:
    move_in(directory, "secret.csv", case())
    move_in(directory, ".cases.csv", case())
    move_in(directory, "cases.csv.part", case())
    move_in(directory, "Cases.xls", case())
    (directory / "cases-2.csv").symlink_to(directory / "secret.csv")
    (directory / "cases-3.csv").mkdir()
    os.mkfifo(directory / "cases-4.csv")
    with capture_logs() as lines:
        for _ in range(2):
            assert watch.step() == 0
    assert ids(spool) == []
    told = sorted(line["file"] for line in lines if line["event"] == "File ignored")
    assert told == ["Cases.xls", "cases.csv.part", "secret.csv"]


def test_names_that_are_no_utf_8_and_the_longest_do_no_harm(
    directory: Path, spool: Spool, tmp_path: Path
) -> None:
    """As older systems name files: by the bytes of GBK."""
    move_in(directory, "cases-1.csv", case(), case(案件编号="")).rename(
        directory / os.fsdecode("cases吉林.csv".encode("gbk"))
    )
    wrong = [os.fsdecode("rescues蛟河.csv".encode("gbk")), f"cases{'n' * 246}.csv"]
    for name in wrong:
        move_in(directory, "x", {"nonsense": "1"}).rename(directory / name)
    here = {"CROSSREGION_DATA": str(tmp_path), "PYTHONIOENCODING": "utf-8:strict"}
    answer = run("watch", directory, "--unit", UNIT, "--once", **here)
    assert answer.returncode == 1
    assert "2 read, 1 accepted" in answer.stdout
    assert ids(spool) == ["220200-C1"]
    assert (directory / ASIDE / wrong[0]).exists()
    assert (directory / wrong[1]).exists()
    again = DirectoryWatcher(directory, spool)
    assert again.step() == 0
    assert again.report.kinds["case"].records_read == 0


def test_a_file_that_changes_while_it_is_read_is_read_again(
    directory: Path,
    spool: Spool,
    watch: DirectoryWatcher,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = move_in(directory, "cases.csv", case(受害人姓名="一"))
    read: Callable[..., object] = reader.read_export

    def read_and_change(*given: object) -> object:
        found = read(*given)
        monkeypatch.setattr(reader, "read_export", read)
        exports.write(path, case(受害人姓名="另一个人"))
        return found

    monkeypatch.setattr(reader, "read_export", read_and_change)
    assert watch.step() == 1
    assert ids(spool) == []
    clock.now += SETTLE_SECONDS
    assert watch.step() == 1
    clock.now += SETTLE_SECONDS
    assert watch.step() == 0
    assert ids(spool) == ["220200-C1"]
    assert watch.report.kinds["case"].published == 1


def test_the_command_goes_on_until_it_is_told_to_stop(directory: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "watch", str(directory), "--unit", UNIT],
        env={**ENVIRONMENT, "CROSSREGION_DATA": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if '"event": "Metrics"' in line:
                move_in(directory, "cases.csv", case())
            if '"event": "Published"' in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    with Spool(tmp_path / "spool" / f"{UNIT}.sqlite", UNIT) as spool:
        assert ids(spool) == ["220200-C1"]


def test_once_it_ends_and_its_status_tells(directory: Path, tmp_path: Path) -> None:
    here = {"CROSSREGION_DATA": str(tmp_path)}
    move_in(directory, "cases.csv", case(), case(案件编号=""))
    answer = run("watch", directory, "--unit", UNIT, "--once", **here)
    assert answer.returncode == 3, answer.stderr
    assert "2 read, 1 accepted" in answer.stdout
    move_in(directory, "cases.csv", {"nonsense": "1"})
    assert run("watch", directory, "--unit", UNIT, "--once", **here).returncode == 1
    assert_one_clear_line(run("watch", directory / "none", "--unit", UNIT, **here), "no directory")
