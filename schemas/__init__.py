"""The contracts: Avro schemas, topics, and the encoding that joins them.

An event's value is Avro single-object encoded: the marker ``C3 01``, the schema's 8-byte
CRC-64-AVRO fingerprint (little-endian), then the body (Avro specification, "Single-object
encoding"). Every version in `schemas/avro/` decodes, so no registry server is needed.

What is named here is imported when it is asked for: who needs the names of topics alone does not
load fastavro.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.codec import (
        InvalidRecord,
        Undecodable,
        decode,
        encode,
        fingerprint,
        schema,
        validate,
        versions,
    )
    from schemas.envelope import headers

__all__ = [
    "InvalidRecord",
    "Undecodable",
    "decode",
    "encode",
    "fingerprint",
    "headers",
    "schema",
    "validate",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "schemas.envelope" if name == "headers" else "schemas.codec"
    return getattr(importlib.import_module(module), name)
