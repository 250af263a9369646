# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on trial: what was there comes back by itself, unless somebody confirms that the host can still be reached.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import os

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile
from ansible_collections.llm.host.plugins.module_utils._nftables import KeptTable
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units

__all__ = ("Trial",)

# Nothing of it outlives a boot, and neither does what is on trial.
FORMER = "/run/llm-host-ingress-former.nft"
UNDO = "llm-host-ingress-undo"


class Trial:
    """A transient timer of systemd that loads the former rules."""

    def __init__(self, kept: KeptTable, *, systemctl: Units, nft: str) -> None:
        self._kept = kept
        self._systemctl = systemctl
        self._nft = nft

    @property
    def pending(self) -> bool:
        return self._systemctl.states([f"{UNDO}.timer"])[0].running

    @property
    def left(self) -> bool:
        """Whether anything of a trial is there, also of one that is over."""
        return self.pending or os.path.lexists(FORMER)

    def begin(self, text: str, seconds: int) -> None:
        """Load these rules until the time is up. What a run that was killed has put on trial is not what comes back."""
        if not (self.pending and os.path.exists(FORMER)):
            HostFile(FORMER, self._kept.table.replaced_by(self._kept.loaded()), mode=0o600).write()
        self._stop()
        self._kept.must(
            "systemd-run", "--quiet", "--collect", f"--unit={UNDO}", f"--on-active={seconds}", "--timer-property=AccuracySec=100ms",
            self._nft, "-f", FORMER,
        )  # fmt: skip
        self._kept.must(self._nft, "-f", "-", data=text)

    def end(self) -> None:
        """Nothing comes back any more."""
        self._stop()
        if os.path.lexists(FORMER):
            os.unlink(FORMER)

    def _stop(self) -> None:
        for unit in (f"{UNDO}.timer", f"{UNDO}.service"):
            # One that is not there is as good as one that is stopped; it may also end meanwhile.
            if self._systemctl.states([unit])[0].loaded:
                try:
                    self._systemctl.do("stop", unit)
                except UnitError:
                    if self._systemctl.states([unit])[0].loaded:
                        raise
