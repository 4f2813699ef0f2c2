"""The block cache over a folder that records what is asked of it."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabric.blocks import BlockCache
from fabric.blocks_flights import CachedFile, Demand
from fabric.errors import BadData, Cancelled, FabricError, SourceChanged, Unreachable
from fabric.spi import ScanContext
from tests.fabric.watched_folder import DirectFolder, OneCallFolder, WatchedFolder

BODY = random.Random(7).randbytes(100_500)


@pytest.fixture
def folder(tmp_path: Path) -> WatchedFolder:
    (tmp_path / "a.bin").write_bytes(BODY)
    return WatchedFolder(tmp_path)


@pytest.fixture
def open_cache() -> Iterator[Callable[..., BlockCache]]:
    opened: list[BlockCache] = []

    def make(**arguments: object) -> BlockCache:
        opened.append(BlockCache(**arguments))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def cached(folder: WatchedFolder) -> CachedFile:
    return CachedFile("store", folder, folder.file("a.bin"))


def demand() -> Demand:
    return Demand(ScanContext())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 1),
        (0, 1000),
        (999, 2),
        (1000, 1000),
        (500, 5000),
        (0, 100_500),
        (100_499, 1),
        (100_400, 500),
        (100_500, 10),
        (200_000, 1),
        (7, 0),
    ],
)
def test_a_read_gives_the_files_bytes(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder, offset: int, length: int
) -> None:
    cache = open_cache()
    for _ in range(2):
        assert cache.read(cached(folder), offset, length, demand()) == BODY[offset : offset + length]


def test_what_is_in_memory_is_not_fetched_again(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file, first, second = open_cache(), cached(folder), demand(), demand()
    cache.read(file, 1500, 3000, first)
    assert folder.calls == [[(1000, 4000)]]
    assert (first.context.bytes, first.context.requests, first.context.cache_hits) == (4000, 1, 0)
    cache.read(file, 2000, 1000, second)
    assert (second.context.bytes, second.context.requests, second.context.cache_hits) == (0, 0, 1)
    assert (first.context.cached, second.context.cached) == ("0 of 4 blocks", "1 of 1 blocks")
    cache.read(file, 0, 6000, third := demand())
    assert folder.calls[1:] == [[(0, 1000), (5000, 1000)]]
    assert third.context.cached == "4 of 6 blocks"


def test_many_ranges_are_fetched_by_one_call(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file = open_cache(), cached(folder)
    cache.fetch(file, [(10, 5), (5500, 1000), (100_000, 9999), (20, 5)], demand())
    assert folder.calls == [[(0, 1000), (5000, 2000), (100_000, 500)]]
    cache.read(file, 5500, 1000, demand())
    assert len(folder.calls) == 1


def test_readers_of_one_block_wait_for_one_fetch(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file = open_cache(), cached(folder)
    folder.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(cache.read, file, 100, 50, demand()) for _ in range(8)]
        until(lambda: bool(folder.calls))
        time.sleep(0.05)
        folder.gate.set()
        assert {read.result() for read in reads} == {BODY[100:150]}
    assert folder.calls == [[(0, 1000)]]


def test_a_failed_fetch_reaches_every_reader_and_is_not_remembered(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file = open_cache(), cached(folder)
    folder.gate.clear()
    folder.error = Unreachable("far", "gone")
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(cache.read, file, 0, 10, demand()) for _ in range(4)]
        until(lambda: bool(folder.calls))
        time.sleep(0.05)
        folder.gate.set()
        for read in reads:
            with pytest.raises(Unreachable):
                read.result()
    folder.error = None
    assert cache.read(file, 0, 10, demand()) == BODY[:10]


def test_a_short_answer_of_a_source_is_an_error(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "read", lambda file, ranges, context: [b"x"] * len(ranges))
    with pytest.raises(SourceChanged, match="shorter"):
        open_cache().read(cached(folder), 0, 10, demand())


def test_a_cancelled_reader_returns_at_once_and_its_fetch_is_called_back(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file, asked = open_cache(), cached(folder), demand()
    folder.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(cache.read, file, 0, 10, asked)
        until(lambda: bool(folder.calls))
        asked.context.cancel()
        with pytest.raises(Cancelled):
            read.result(timeout=0.5)
    assert folder.contexts[0].cancelled
    with pytest.raises(Cancelled):
        cache.read(file, 0, 10, asked)
    assert cache.read(file, 0, 10, demand()) == BODY[:10]


def test_a_cancelled_reader_does_not_take_the_fetch_from_another(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file, leaving = open_cache(), cached(folder), demand()
    folder.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.read, file, 0, 10, leaving)
        until(lambda: bool(folder.calls))
        second = pool.submit(cache.read, file, 0, 10, demand())
        time.sleep(0.1)
        leaving.context.cancel()
        with pytest.raises(Cancelled):
            first.result(timeout=0.5)
        assert not folder.contexts[0].cancelled
        folder.gate.set()
        assert second.result() == BODY[:10]
    assert len(folder.calls) == 1


def test_the_memory_budget_holds_and_drops_what_was_used_least_recently(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file = open_cache(memory_bytes=10_000), cached(folder)
    cache.read(file, 0, 10_000, demand())
    cache.read(file, 0, 1, demand())
    cache.read(file, 10_000, 1000, demand())
    assert cache._bytes == sum(map(len, cache._memory.values())) <= 10_000
    folder.calls.clear()
    cache.read(file, 0, 1, demand())
    assert folder.calls == []
    cache.read(file, 1000, 1, demand())
    assert folder.calls == [[(1000, 1000)]]


def test_a_budget_of_nothing_keeps_nothing(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder, tmp_path: Path
) -> None:
    cache, file = open_cache(memory_bytes=0, directory=tmp_path / "cache", disk_bytes=0), cached(folder)
    for _ in range(2):
        assert cache.read(file, 0, 2000, demand()) == BODY[:2000]
    assert len(folder.calls) == 2
    assert not (tmp_path / "cache").exists()


def test_a_source_without_blocks_is_read_as_asked(
    open_cache: Callable[..., BlockCache], tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    folder = DirectFolder(tmp_path)
    cache, file, asked = open_cache(), cached(folder), demand()
    assert cache.read(file, 7, 5, asked) == BODY[7:12]
    cache.fetch(file, [(0, 10)], asked)
    cache.read_ahead(file, 0, 10, asked)
    assert folder.calls == [[(7, 5)]]
    assert (asked.context.bytes, asked.context.requests) == (5, 1)


def test_reads_that_gather_while_one_call_runs_share_the_next(
    open_cache: Callable[..., BlockCache], tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    folder = OneCallFolder(tmp_path)
    cache, file = open_cache(), cached(folder)
    folder.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(cache.read, file, 0, 10, demand())
        until(lambda: bool(folder.calls))
        offsets = range(10_000, 80_000, 10_000)
        others = [pool.submit(cache.read, file, offset, 10, demand()) for offset in offsets]
        until(lambda: len(cache._queued[file.key]) == 7)
        folder.gate.set()
        assert first.result() == BODY[:10]
        assert [read.result() for read in others] == [BODY[o : o + 10] for o in offsets]
    assert len(folder.calls) == 2
    assert sorted(folder.calls[1]) == [(offset, 1000) for offset in offsets]


def test_reading_ahead_fetches_without_waiting_and_is_called_back_with_the_query(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    cache, file, asked = open_cache(), cached(folder), demand()
    cache.read_ahead(file, 0, 5000, asked)
    until(lambda: cache._bytes == 5000)
    assert cache.read(file, 0, 5000, asked) == BODY[:5000]
    assert len(folder.calls) == 1
    folder.gate.clear()
    cache.read_ahead(file, 50_000, 5000, asked)
    until(lambda: len(folder.calls) == 2)
    asked.stop()
    assert folder.contexts[1].cancelled
    cache.read_ahead(file, 90_000, 1000, asked)
    until(lambda: not cache._flights)


def test_another_state_of_a_file_shares_no_block(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder, tmp_path: Path
) -> None:
    cache, before = open_cache(), cached(folder)
    cache.read(before, 0, 1000, demand())
    (tmp_path / "a.bin").write_bytes(BODY[::-1])
    after = cached(folder)
    assert cache.read(after, 0, 1000, demand()) == BODY[::-1][:1000]
    assert cache.read(before, 0, 1000, demand()) == BODY[:1000]
    with pytest.raises(SourceChanged):
        cache.read(before, 5000, 1000, demand())


def test_another_store_shares_no_block(open_cache: Callable[..., BlockCache], folder: WatchedFolder) -> None:
    cache = open_cache()
    cache.read(CachedFile("one", folder, folder.file("a.bin")), 0, 10, demand())
    cache.read(CachedFile("two", folder, folder.file("a.bin")), 0, 10, demand())
    assert len(folder.calls) == 2


def test_many_threads_read_right_bytes_from_a_small_cache(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder, tmp_path: Path
) -> None:
    cache = open_cache(memory_bytes=20_000, directory=tmp_path / "cache", disk_bytes=40_000)
    file = cached(folder)
    folder.delay = 0.0002
    wrong: list[object] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(150):
            asked = demand()
            offset, length = chance.randrange(len(BODY)), chance.randrange(1, 6000)
            if chance.random() < 0.1:
                threading.Timer(chance.random() / 500, asked.context.cancel).start()
            try:
                if cache.read(file, offset, length, asked) != BODY[offset : offset + length]:
                    wrong.append((offset, length))
            except Cancelled:
                continue
            except FabricError as error:
                wrong.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not cache._flights
    assert cache._bytes <= 20_000


def test_an_error_of_the_source_is_raised_as_it_is(
    open_cache: Callable[..., BlockCache], folder: WatchedFolder
) -> None:
    folder.error = BadData("far", "no")
    with pytest.raises(BadData, match="source 'far': no"):
        open_cache().read(cached(folder), 0, 10, demand())


def test_closing_calls_back_what_is_on_its_way(folder: WatchedFolder) -> None:
    cache = BlockCache()
    folder.gate.clear()
    cache.read_ahead(cached(folder), 0, 1000, demand())
    until(lambda: bool(folder.calls))
    cache.close()
    assert folder.contexts[0].cancelled
