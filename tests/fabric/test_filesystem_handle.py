"""Positions of a handle, by thread and in sequence."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fabric.errors import InternalError
from fabric.filesystem_handle import Handle

BODY = bytes(range(256)) * 1000


def handle(fetch: Callable[[int, int], bytes] | None = None, ahead: list[Any] | None = None) -> Handle:
    return Handle(
        len(BODY),
        fetch or (lambda offset, length: BODY[offset : offset + length]),
        lambda offset, length: ahead.append((offset, length)) if ahead is not None else None,
    )


def in_thread(action: Callable[[], Any]) -> Any:
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(action()))
    thread.start()
    thread.join()
    return result[0]


def test_seek_tell_and_read_work_as_of_a_file() -> None:
    with handle() as opened:
        assert opened.read(3) == BODY[:3]
        assert opened.tell() == 3
        assert opened.seek(2, os.SEEK_CUR) == 5
        assert opened.read(2) == BODY[5:7]
        assert opened.seek(-4, os.SEEK_END) == len(BODY) - 4
        assert opened.read() == BODY[-4:]
        assert opened.read(10) == b""
        assert opened.seek(len(BODY) + 10) == len(BODY) + 10
        assert opened.read(1) == b""
        assert opened.readable()
        assert opened.seekable()
        assert not opened.closed
    assert opened.closed


def test_a_thread_between_seek_and_read_of_another_does_not_move_it() -> None:
    opened = handle()
    opened.seek(1000)
    assert in_thread(lambda: (opened.seek(5000), opened.read(4))[1]) == BODY[5000:5004]
    assert opened.tell() == 1000
    assert opened.read(4) == BODY[1000:1004]


def test_two_handles_of_one_thread_do_not_mix() -> None:
    one, two = handle(), handle()
    one.seek(100)
    two.seek(200)
    assert (one.read(2), two.read(2)) == (BODY[100:102], BODY[200:202])
    assert (one.read(2), two.read(2)) == (BODY[102:104], BODY[202:204])


def test_reads_without_seek_go_on_where_the_last_thread_stopped() -> None:
    opened = handle()
    opened.seek(10)
    assert opened.read(5) == BODY[10:15]
    assert in_thread(lambda: opened.read(5)) == BODY[15:20]
    assert opened.read(5) == BODY[20:25]
    in_thread(lambda: opened.seek(0))
    assert opened.read(5) == BODY[:5]
    assert in_thread(lambda: opened.read(5)) == BODY[5:10]


def test_a_read_that_could_be_meant_in_two_ways_is_an_error() -> None:
    inside, leave = threading.Event(), threading.Event()

    def fetch(offset: int, length: int) -> bytes:
        if offset == 50:
            inside.set()
            leave.wait(10)
        return BODY[offset : offset + length]

    opened = handle(fetch)
    slow = threading.Thread(target=lambda: (opened.seek(50), opened.read(1)))
    slow.start()
    inside.wait(10)
    opened.seek(70)
    opened.read(1)
    leave.set()
    slow.join()
    with pytest.raises(InternalError):
        opened.read(1)


def test_reads_that_follow_one_another_fetch_ahead_and_others_do_not() -> None:
    ahead: list[tuple[int, int]] = []
    opened = handle(ahead=ahead)
    for offset in (5000, 1000, 9000):
        opened.seek(offset)
        opened.read(1000)
    assert ahead == []
    for _ in range(3):
        opened.read(1000)
    assert ahead == [(11_000, len(BODY) - 11_000)]
