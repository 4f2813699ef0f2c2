from __future__ import annotations

import os
import socket
import subprocess
import sys

from server.control import Board, Channel

WRITER = """
import os, sys
from server.control import Board
board = Board(int(sys.argv[1]))
board.write(0, "a" * 16)
board.write(1, "b" * 16)
board.write(1)
board.write(255, "c" * 16)
board.write(256, "d" * 16)
os.abort()
"""


def test_what_stands_on_the_board_outlives_its_writer() -> None:
    with Board.file() as file:
        board = Board(file.fileno())
        assert board.read() == set()
        writer = [sys.executable, "-c", WRITER, str(file.fileno())]
        done = subprocess.run(writer, pass_fds=[file.fileno()], cwd=os.getcwd(), stderr=subprocess.DEVNULL)
        assert done.returncode < 0
        assert board.read() == {"a" * 16, "c" * 16}
        board.close()


def test_messages_arrive_whole_however_they_are_cut() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs:
        theirs.sendall(b'{"a": 1}\n{"b"')
        assert channel.receive() == [{"a": 1}]
        theirs.sendall(b": 2}\n")
        assert channel.receive() == [{"b": 2}]
    assert channel.receive() is None
    channel.send(late="no error")
    channel.close()
