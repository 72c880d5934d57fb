"""A command's module names what the command needs where it is needed: so commands start at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from kafka.partitioner.default import murmur2 as murmur2_of_a_client

from cli.main import COMMANDS
from schemas.topics.murmur2 import murmur2

HEAVY = frozenset(
    {
        *("kafka", "aiokafka", "faust", "psycopg", "procrastinate", "fastavro", "numpy"),
        *("rapidfuzz", "pycountry", "opencc", "pypinyin", "openpyxl", "fastapi", "uvicorn"),
        *("pydantic", "structlog", "tenacity", "cryptography", "prometheus_client", "asyncio"),
        *("rich", "babel", "borax"),
    }
)
IMPORT_ALL = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def test_the_modules_of_all_commands_load_none_of_the_heavy_libraries() -> None:
    modules = sorted({"cli.main", *(target.module for target in COMMANDS.values())})
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *modules],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()


def test_the_partition_of_a_key_is_that_of_kafkas_clients() -> None:
    for length in range(40):
        key = bytes((31 * place + length * 7) % 256 for place in range(length))
        assert murmur2(key) == murmur2_of_a_client(key) & 0xFFFFFFFF
