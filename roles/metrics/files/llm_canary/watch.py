# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a request of ours as soon as somebody needs its place."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Callable, Optional, Type

# Seconds between two looks: for so long somebody may wait for us.
PAUSE = 0.2


class Watch:
    """While it is entered, ends the connection at the first ``obstacle`` and after ``seconds``. ``obstacle`` is told afterwards; ``late`` is for time."""

    def __init__(self, connection: socket.socket, seconds: float, look: Callable[[], str]) -> None:
        self.obstacle, self.late = "", False
        self._connection, self._seconds, self._look = connection, seconds, look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        deadline = time.monotonic() + self._seconds
        while not self._over.wait(PAUSE):
            self.late = time.monotonic() > deadline
            found = "" if self.late else self._look()
            if self._over.is_set():
                return
            self.obstacle = found
            if self.late or self.obstacle:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)
                return
