"""The block cache beneath every file: memory first, then disk, then one call to the source.

A file is cut into blocks of a size that suits its source. A block that several readers want is fetched
once; what one reader misses goes to the source in one call. No lock is held while bytes move.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from fabric.blocks_disk import DiskBlocks
from fabric.blocks_flights import CachedFile, Call, Demand, Flight
from fabric.blocks_spans import block_numbers, cut_blocks, spans_of
from fabric.errors import SourceChanged
from fabric.spi import ScanContext

MEMORY_BYTES = 512 << 20
DISK_BYTES = 4 << 30
_FETCHERS = 16


class BlockCache:
    """Blocks of files of every source, within two budgets; any number of threads may read.

    Args:
        memory_bytes: bytes of blocks kept in memory; 0 keeps none.
        directory: where blocks are kept on disk; None keeps none.
        disk_bytes: bytes of blocks kept on disk; 0 keeps none.
    """

    def __init__(
        self,
        memory_bytes: int = MEMORY_BYTES,
        directory: Path | None = None,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        self._budget = memory_bytes
        self._disk = DiskBlocks(directory, disk_bytes) if directory and disk_bytes else None
        self._lock = threading.Lock()
        self._memory: OrderedDict[tuple[tuple[str, str, str], int], bytes] = OrderedDict()
        self._bytes = 0
        self._flights: dict[tuple[tuple[str, str, str], int], Flight] = {}
        self._queued: dict[tuple[str, str, str], list[Flight]] = {}
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def read(self, file: CachedFile, offset: int, length: int, demand: Demand) -> bytes:
        """``length`` bytes from ``offset``, fewer only at the file's end.

        Raises:
            Cancelled: the query was cancelled.
            SourceError: as from the connector.
        """
        demand.check()
        length = min(length, file.file.size - offset)
        if length <= 0:
            return b""
        size = file.connector.block_bytes
        # Blocks that nobody keeps are bytes that nobody asked for, unless they make many reads one call.
        if not size or not (self._budget or self._disk or file.connector.one_call):
            return self._direct(file, offset, length, demand)
        first, last = offset // size, (offset + length - 1) // size
        demand.count(wanted=last + 1 - first)
        found = self._gather(file, range(first, last + 1), demand)
        if first == last:
            return found[first][offset - first * size : offset - first * size + length]
        head = memoryview(found[first])[offset - first * size :]
        tail = memoryview(found[last])[: offset + length - last * size]
        return b"".join([head, *(found[n] for n in range(first + 1, last)), tail])

    def fetch(self, file: CachedFile, ranges: Sequence[tuple[int, int]], demand: Demand) -> None:
        """Have the blocks of many ``(offset, length)`` ranges in the cache, by one call to the source.

        Raises:
            Cancelled: the query was cancelled.
            SourceError: as from the connector.
        """
        demand.check()
        if file.connector.block_bytes:
            self._gather(file, block_numbers(file, ranges), demand)

    def read_ahead(self, file: CachedFile, offset: int, length: int, demand: Demand) -> None:
        """Start fetching a range that is likely to be read next, and do not wait for it."""
        if file.connector.block_bytes and self._budget:
            _, flights = self._board(file, block_numbers(file, [(offset, length)]), demand, join=False)
            for flight in flights:
                demand.keep(flight, self._leave)

    def begin(self, file: CachedFile, offset: int, length: int, demand: Demand) -> Future[bytes] | None:
        """Start reading what this query surely reads; its bytes, where no cache will hold them for it.

        Nothing is begun where a read takes no time, as of a local file.
        """
        if self._budget or self._disk or not file.connector.block_bytes:
            self.read_ahead(file, offset, length, demand)
            return None
        return self._pool(file.connector.name).submit(self._direct, file, offset, length, demand)

    def close(self) -> None:
        """Call back what is on its way, and end the fetching threads and the disk tier."""
        with self._lock:
            calls = [flight.call for flight in self._flights.values() if flight.call]
            pools = list(self._pools.values())
            self._pools.clear()
        for call in calls:
            call.context.cancel()
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)
        if self._disk:
            self._disk.close()

    def _direct(self, file: CachedFile, offset: int, length: int, demand: Demand) -> bytes:
        (data,) = _call(file, [(offset, length)], demand.context)
        demand.count(read=length, requests=1)
        return data

    def _gather(self, file: CachedFile, numbers: Iterable[int], demand: Demand) -> dict[int, bytes]:
        found, flights = self._board(file, numbers, demand, join=True)
        demand.count(hits=len(found))
        try:
            for flight in flights:
                landed: dict[int, bytes] = demand.awaited(flight.landed)
                found |= landed
        finally:
            for flight in flights:
                self._leave(flight)
        return found

    def _board(
        self, file: CachedFile, numbers: Iterable[int], demand: Demand, *, join: bool
    ) -> tuple[dict[int, bytes], list[Flight]]:
        """The blocks at hand, and the flights (one of them new, if need be) that bring the others."""
        found: dict[int, bytes] = {}
        missing: list[int] = []
        flights: dict[int, Flight] = {}
        with self._lock:
            for number in numbers:
                key = (file.key, number)
                data = self._memory.get(key)
                if data is not None:
                    self._memory.move_to_end(key)
                    found[number] = data
                elif (flight := self._flights.get(key)) is None:
                    missing.append(number)
                elif join:
                    flights[id(flight)] = flight
            for flight in flights.values():
                flight.waiting += 1
            started = Flight(file, tuple(missing), demand, waiting=1) if missing else None
            if started:
                flights[id(started)] = started
                self._flights |= {(file.key, number): started for number in missing}
        if started:
            self._dispatch(started)
        return found, list(flights.values())

    def _leave(self, flight: Flight) -> None:
        with self._lock:
            flight.waiting -= 1
            if flight.waiting or flight.landed.done():
                return
            # Nobody who comes now may wait for a flight that is being called back.
            self._unlist(flight)
            call = flight.call
            idle = call is not None and not any(each.waiting for each in call.flights)
        if call and idle:
            call.context.cancel()

    def _unlist(self, flight: Flight) -> None:
        for number in flight.blocks:
            if self._flights.get((flight.file.key, number)) is flight:
                del self._flights[(flight.file.key, number)]

    def _dispatch(self, flight: Flight) -> None:
        source = flight.file.connector.name
        key = flight.file.key
        pool = self._pool(source)
        with self._lock:
            batched = flight.file.connector.one_call
            busy = key in self._queued
            if batched:
                self._queued.setdefault(key, []).append(flight)
        if not batched:
            pool.submit(self._fly, [flight])
        elif not busy:
            pool.submit(self._fly_queued, key)

    def _pool(self, source: str) -> ThreadPoolExecutor:
        with self._lock:
            pool = self._pools.get(source)
            if pool is None:
                pool = self._pools[source] = ThreadPoolExecutor(
                    _FETCHERS, thread_name_prefix=f"blocks-{source}"
                )
            return pool

    def _fly_queued(self, key: tuple[str, str, str]) -> None:
        """Whatever gathers while one call runs makes the next one."""
        while True:
            with self._lock:
                flights = self._queued[key]
                if not flights:
                    del self._queued[key]
                    return
                self._queued[key] = []
            self._fly(flights)

    def _fly(self, flights: list[Flight]) -> None:
        call = Call(flights)
        with self._lock:
            for flight in flights:
                flight.call = call
            wanted = [flight for flight in flights if flight.waiting]
        try:
            found = self._bring(wanted, call.context)
        except BaseException as error:  # noqa: BLE001 (whoever waits raises it)
            self._land(flights, {}, error)
        else:
            self._land(flights, found, None)

    def _bring(self, flights: list[Flight], context: ScanContext) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for flight in flights:
            file = flight.file
            stored = self._from_disk(file, flight.blocks)
            flight.demand.count(hits=len(stored))
            found |= stored
        missing = [number for flight in flights for number in flight.blocks if number not in found]
        for flight in flights:
            flight.demand.count(fetched=sum(number not in found for number in flight.blocks))
        if not missing:
            return found
        spans = list(spans_of(file, sorted(missing)))
        parts = _call(file, spans, context)
        flights[0].demand.count(read=sum(map(len, parts)), requests=len(spans))
        for (offset, _), part in zip(spans, parts, strict=True):
            found |= cut_blocks(part, offset, file.connector.block_bytes)
        if self._disk:
            for number in missing:
                self._disk.put(_disk_key(file, number), found[number])
        return found

    def _from_disk(self, file: CachedFile, numbers: Iterable[int]) -> dict[int, bytes]:
        if not self._disk:
            return {}
        found = ((number, self._disk.get(_disk_key(file, number))) for number in numbers)
        return {number: data for number, data in found if data is not None}

    def _land(self, flights: list[Flight], found: dict[int, bytes], error: BaseException | None) -> None:
        with self._lock:
            for flight in flights:
                self._unlist(flight)
                for number in flight.blocks:
                    if number in found:
                        self._keep((flight.file.key, number), found[number])
        for flight in flights:
            if error is not None:
                flight.landed.set_exception(error)
            else:
                flight.landed.set_result({n: found[n] for n in flight.blocks if n in found})

    def _keep(self, key: tuple[tuple[str, str, str], int], data: bytes) -> None:
        if len(data) > self._budget or key in self._memory:
            return
        self._memory[key] = data
        self._bytes += len(data)
        while self._bytes > self._budget:
            _, dropped = self._memory.popitem(last=False)
            self._bytes -= len(dropped)


def _call(file: CachedFile, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
    parts = file.connector.read(file.file, ranges, context)
    if [len(part) for part in parts] != [length for _, length in ranges]:
        raise SourceChanged(
            file.connector.name, f"file '{file.file.path}' is shorter than listed", hint="run the query again"
        )
    return parts


def _disk_key(file: CachedFile, number: int) -> str:
    return "\0".join((*file.key, str(file.connector.block_bytes), str(number)))
