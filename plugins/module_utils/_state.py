# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers between runs: how models were built, digests of large files, and one lock.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._files import KnownDigests
from ansible_collections.llm.host.plugins.module_utils._plan import Record

__all__ = ["LockTimeout", "State", "StateDamaged", "StateDir", "StateError", "host_lock"]

_VERSION = 1


class StateError(Exception):
    """The state directory cannot be used; the text says what to do."""


class StateDamaged(StateError):
    """The memory is there and cannot be understood."""


class LockTimeout(StateError):
    """Another run on this host did not finish in time."""


@dataclasses.dataclass
class State:
    """The memory itself."""

    records: dict[str, Record] = dataclasses.field(default_factory=dict)
    digests: KnownDigests = dataclasses.field(default_factory=KnownDigests)


class StateDir:
    """The directory that holds the memory."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._file = self.path / "models.json"

    def read(self) -> State:
        """What is remembered; nothing, when there is no memory yet."""
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            return State(
                records={
                    key: Record(
                        fingerprint=item["fingerprint"],
                        digest=item["digest"],
                        base_digest=item["base_digest"],
                        lines=tuple(item["lines"]),
                    )
                    for key, item in content["records"].items()
                },
                digests=KnownDigests(
                    {path: (int(size), int(mtime), str(digest)) for path, (size, mtime, digest) in content["digests"].items()}
                ),
            )
        except FileNotFoundError:
            return State()
        except OSError as exc:
            raise StateError(
                f"Cannot read {self._file} ({(exc.strerror or str(exc)).lower()}): use become: true, or another state_dir."
            ) from exc
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise StateDamaged(f"{self._file} is damaged: the models that are built on this host are built once more.") from exc

    def write(self, state: State) -> None:
        """Remember, by one rename."""
        content = {
            "version": _VERSION,
            "records": {key: dataclasses.asdict(record) for key, record in sorted(state.records.items())},
            "digests": dict(sorted(state.digests.items())),
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".models.", dir=self.path)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump(content, stream, indent=1)
                os.replace(temporary, self._file)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as exc:
            raise StateError(
                f"Cannot write the record of what is built here to {self._file} ({(exc.strerror or str(exc)).lower()}):"
                " use become: true, or another state_dir."
            ) from exc


@contextlib.contextmanager
def host_lock(
    directory: str,
    *,
    patience: float,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> t.Iterator[bool]:
    """Hold off other runs on this host. Yields whether it had to wait, so that what was read before is stale.

    Someone without write access to the directory works without the lock; Ollama itself has none either.
    """
    try:
        os.makedirs(directory, exist_ok=True)
        handle = os.open(os.path.join(directory, "models.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        if exc.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StateError(f"Cannot use state_dir {directory}: {(exc.strerror or str(exc)).lower()}.") from exc
        yield False
        return
    try:
        yield _wait_for(handle, directory, patience=patience, clock=clock, sleep=sleep)
    finally:
        os.close(handle)


def _wait_for(
    handle: int,
    directory: str,
    *,
    patience: float,
    clock: t.Callable[[], float],
    sleep: t.Callable[[float], None],
) -> bool:
    deadline = clock() + patience
    pause, waited = 0.2, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return waited
        except BlockingIOError:
            waited = True
        if clock() >= deadline:
            raise LockTimeout(
                f"Another run works on the models of this host (it holds {directory}/models.lock) and did not finish"
                f" within {patience:g} s: run again when it has."
            )
        sleep(pause)
        pause = min(5.0, pause * 2)
