# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server that the collection took for itself becomes what it was before. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil

from ansible_collections.llm.host.plugins.module_utils._web_engines import Engine

__all__ = ("Leave", "leave", "plan_leave")


@dataclasses.dataclass(frozen=True)
class Leave:
    """``put_back`` is for one that was taken, ``resume`` loads what it had before; ``stop`` and ``disable`` are for one that had nothing to do."""

    stop: bool = False
    disable: bool = False
    put_back: bool = False
    resume: bool = False
    remove: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [name for name, there in dataclasses.asdict(self).items() if there]


def plan_leave(engine: Engine) -> Leave:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one."""
    remove, service = tuple(engine.traces()), engine.service()
    if not engine.is_taken(service):
        # A first run that was killed before it took the server left files at most.
        return Leave(remove=remove)
    if engine.serves_others():
        return Leave(put_back=True, resume=service.active, remove=remove)
    return Leave(stop=service.active, disable=service.enabled, put_back=True, remove=remove)


def leave(engine: Engine, plan: Leave, *, timeout: int) -> None:
    """What the next run knows it by goes last."""
    if plan.stop:
        engine.stop()
    if plan.disable:
        engine.systemctl("disable", engine.unit)
    if plan.put_back:
        engine.put_back()
    if engine.drop_in in plan.remove:
        os.unlink(engine.drop_in)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(engine.drop_in))
        engine.systemctl("daemon-reload")
    if plan.resume:
        engine.resume(timeout)
    elif plan.put_back and not engine.serves_others():
        engine.idle()
    for path in (engine.directory, engine.trace):
        if path not in plan.remove or path == engine.drop_in:
            continue
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
