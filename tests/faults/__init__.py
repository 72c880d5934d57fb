"""Faults on the real system: a proxy, crash points, a generator, an oracle, and what must hold."""
