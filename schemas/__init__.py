"""The contracts: Avro schemas, topics, and the encoding that joins them.

An event's value is Avro single-object encoded: the marker ``C3 01``, the schema's 8-byte
CRC-64-AVRO fingerprint (little-endian), then the body (Avro specification, "Single-object
encoding"). Every version in `schemas/avro/` decodes, so no registry server is needed.
"""

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
