"""Faults on the real system: a proxy, failpoints, a generator, an oracle, and what must hold."""
