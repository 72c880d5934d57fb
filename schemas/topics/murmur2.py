"""The hash by which Kafka's default partitioner gives a key its partition.

MurmurHash2 (A. Appleby, public domain), 32 bits, with the seed of Kafka's clients
(`org.apache.kafka.common.utils.Utils.murmur2`). Written out here because the clients' own comes
only with the whole client, and commands that reach no Kafka need the partition as well.
"""

from __future__ import annotations

import struct

SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995
MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash, 0 to 2**32 - 1."""
    hashed = SEED ^ len(data)
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * MULTIPLIER & MASK
        mixed = (mixed ^ mixed >> 24) * MULTIPLIER & MASK
        hashed = hashed * MULTIPLIER & MASK ^ mixed
    if rest := data[whole:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * MULTIPLIER & MASK
    hashed = (hashed ^ hashed >> 13) * MULTIPLIER & MASK
    return hashed ^ hashed >> 15
