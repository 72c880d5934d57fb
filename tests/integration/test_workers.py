"""A worker that cannot start says why in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from crossregion.kafka.connection import Kafka
from crossregion.linkage.model import load, written
from crossregion.process import WORKERS
from tests.support.command import run_process


def start(module: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_where_nothing_listens_every_worker_says_so_in_one_line(tmp_path: Path) -> None:
    nowhere = Kafka("127.0.0.1:9", tmp_path).environment()
    started = [start(module, **nowhere) for module in WORKERS.values()]
    for process in started:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert out == ""
        assert err.strip().splitlines() == [
            "Nothing listens at 127.0.0.1:9: check CROSSREGION_KAFKA and that the broker runs."
        ]


def test_whoever_uses_the_model_does_not_start_with_one_it_cannot_use(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(written(load()).replace("0.7", "0.8", 1), encoding="utf-8")
    started = [
        start(WORKERS[name], CROSSREGION_LINKAGE_MODEL=str(path))
        for name in ("linkage", "proposals")
    ]
    for process in started:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        assert err.strip().splitlines() == [
            f"{path}: The linkage model is damaged: its content does not have its digest."
        ]


def test_a_registry_worker_refuses_a_database_that_is_not_migrated(
    kafka: Kafka, new_database: Callable[[], str]
) -> None:
    process = start(
        "consumers.registry.worker", **kafka.environment(), CROSSREGION_DATABASE=new_database()
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.strip().splitlines() == ["The database is not of this version yet."]


def test_a_leader_that_knows_no_partition_of_a_topic_ends_instead_of_giving_it_to_nobody() -> None:
    """Faust only warns, and the topic stands still until somebody joins (a nemesis found it)."""
    program = (
        "from aiokafka.cluster import ClusterMetadata\n"
        "from processors.engine.app import Assignor\n"
        "Assignor._get_copartitioned_groups({'linkage-records'}, ClusterMetadata(), {})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 70
    assert "linkage-records" in done.stdout + done.stderr


def test_who_runs_a_worker_by_the_command_is_told_what_helps(
    kafka: Kafka, new_database: Callable[[], str]
) -> None:
    known = {**kafka.environment(), "CROSSREGION_DATABASE": new_database()}
    done = run_process("run", "registry", **known, CROSSREGION_LANGUAGE="zh")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "数据库尚不是本版本的结构。 请运行 `crossregion registry migrate`。"
    ]
