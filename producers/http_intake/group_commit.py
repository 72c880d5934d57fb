"""Many requests share one commit of a unit's spool, and so one wait for the disk.

While one commit waits for the disk, the next parcels gather; nobody waits for a clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crossregion import logs, metrics
from producers.spool.store import IdempotentRequest, Receipt, Spool, SpoolError

log = logs.logger()


class UnderWay(Exception):
    """Another request under the same key is not yet answered; `same` if of the same content."""

    def __init__(self, same: bool) -> None:
        super().__init__("under way")
        self.same = same


class Committer:
    """Takes parcels into the spool of one unit, in a thread of its own."""

    def __init__(self, path: Path, unit: str, most: int) -> None:
        self._path = path
        self._unit = unit
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"spool-{unit}")
        self._spool: Spool | None = None
        self._waiting: list[tuple[IdempotentRequest, asyncio.Future[Receipt]]] = []
        self._under_way: dict[str, str] = {}
        self._working: asyncio.Task[None] | None = None

    async def take(self, parcel: IdempotentRequest) -> Receipt:
        """The receipt of a parcel, once the disk has it; it is taken even if nobody waits.

        Raises: UnderWay, SpoolError.
        """
        before = self._under_way.get(parcel.key)
        if before is not None:
            raise UnderWay(before == parcel.fingerprint)
        self._under_way[parcel.key] = parcel.fingerprint
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((parcel, future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await asyncio.shield(future)

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            parcels = [parcel for parcel, _ in group]
            loop = asyncio.get_running_loop()
            try:
                taken = await loop.run_in_executor(self._thread, self._commit, parcels)
            except Exception as error:  # noqa: BLE001 (whoever waits is told, and may ask again)
                if not isinstance(error, SpoolError):
                    log.error(
                        "Spool commit failed", error=type(error).__name__, where=logs.where(error)
                    )
                for _, future in group:
                    future.set_exception(error)
                    future.exception()  # nobody may wait for it any more
            else:
                metrics.COMMIT_PARCELS.observe(len(group))
                for (_, future), one in zip(group, taken, strict=True):
                    future.set_result(one)
            finally:
                for parcel in parcels:
                    del self._under_way[parcel.key]

    def _commit(self, parcels: Sequence[IdempotentRequest]) -> list[Receipt]:
        if self._spool is None:
            self._spool = Spool(self._path, self._unit)
        try:
            return self._spool.take(parcels)
        except SpoolError:
            self._spool.close()
            self._spool = None
            raise

    async def close(self) -> None:
        """Finish what waits, and close the spool."""
        if self._working is not None:
            await self._working
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        if self._spool is not None:
            self._spool.close()
