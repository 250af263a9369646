# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the modules that Ansible has packed from one run to the next: each run of a test would pack the same ones again."""

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

DOCUMENTATION = r"""
name: packed_modules
type: notification
short_description: Let runs share the modules that they send
description:
  - Packing a module means to parse all that it imports. Ansible does it once a run, which is a sixth of the controller's time in a run that changes nothing.
  - Packed modules lie in C(.cache/modules) of the checkout, apart for each state of the collection's plugins and each release of Ansible.
"""

ROOT = Path(__file__).parents[3]


def state() -> str:
    """A name for what the modules are made of."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted([*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/module_utils/*.py")]):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "packed_modules"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        shared = ROOT / ".cache/modules" / state()
        shared.mkdir(parents=True, exist_ok=True)
        Path(C.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(shared)
