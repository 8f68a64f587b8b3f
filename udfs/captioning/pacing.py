"""Limits of requests and tokens per minute, held by the requests of one event loop."""

import asyncio
import time


class Pace:
    """At most so many units per minute, without bursts.

    What a request costs may be known before it (1 request) or after it (its tokens): `wait` waits
    until all costs so far are paid for by the time gone by.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._per_s = None if per_minute is None else per_minute / 60
        self._free_at = time.monotonic()

    async def wait(self, cost: float = 0.0) -> None:
        """Wait for one's turn, then pay `cost`."""
        if self._per_s is None:
            return
        while (delay_s := self._free_at - time.monotonic()) > 0:
            await asyncio.sleep(delay_s)
        self.pay(cost)

    def pay(self, cost: float) -> None:
        """Count units that were used."""
        if self._per_s is not None:
            self._free_at = max(self._free_at, time.monotonic()) + cost / self._per_s
