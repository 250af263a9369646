# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the run as soon as something has changed, as a power cut of the controller would."""

from __future__ import annotations

import multiprocessing
import os
import signal
import typing as t
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: die_after_change
type: notification
short_description: Kill the run right after the first task, or item of a loop, that reports a change
description:
  - The name of that task is added as a line to the file that the environment variable E(DIE_AFTER_CHANGE_LOG) names.
  - Kills the process group, so start ansible-playbook in one of its own.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "die_after_change"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._die_if_changed(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        self._die_if_changed(result)

    def _die_if_changed(self, result: t.Any) -> None:
        if not result.result.get("changed"):
            return
        with Path(os.environ["DIE_AFTER_CHANGE_LOG"]).open("a") as log:
            log.write(f"{result.task.get_name()}\n")
        # Workers have sessions of their own.
        for worker in multiprocessing.active_children():
            worker.kill()
        os.killpg(os.getpgrp(), signal.SIGKILL)
