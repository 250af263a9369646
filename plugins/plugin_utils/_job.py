# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that runs on the host by itself, and is looked at until it ends.

It outlives the controller and the connection. Built on what C(async) of ansible-core is built on.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

__all__ = ["run_job"]

_LONGEST = 7 * 24 * 3600
_RECONNECT = 120.0
_PAUSES = (0.3, 0.5, 1.0)
_PAUSE = 2.0
_GOES_ON, _ENDED = "llm-host-job-goes-on", "llm-host-job-ended"
_BOOKKEEPING = ("ansible_job_id", "finished", "results_file", "started", "stderr", "stderr_lines", "stdout", "stdout_lines")

Result = t.Dict[str, t.Any]


def run_job(
    action: ActionBase,
    module: str,
    arguments: dict[str, t.Any],
    *,
    variables: dict[str, t.Any],
    watch: str,
    show: t.Callable[[str], None],
) -> Result:
    """Run ``module`` in the background and return its result; ``show`` is given what the file ``watch`` holds meanwhile.

    :raises AnsibleConnectionFailure: when the host cannot be reached for two minutes; the job goes on there.
    """
    started = _start(action, module, arguments, variables)
    job = started.get("ansible_job_id")
    if not job or started.get("failed"):
        return _plain(started)
    _wait(action, str(job), str(started["results_file"]), watch=watch, show=show)
    result = _collect(action, str(job), variables)
    if not result.get("finished") or "could not find job" in str(result.get("msg")):
        raise AnsibleActionFail(
            "The work on the models of this host was killed before it ended, or the host was restarted. What was complete is"
            " kept; run again to finish."
        )
    with contextlib.suppress(AnsibleConnectionFailure):
        action._low_level_execute_command(f"rm -f {shlex.quote(str(started['results_file']))}")
    return _plain(result)


def _start(action: ActionBase, module: str, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> Result:
    asked = action._task.async_val
    # The wrapper ends the job after so many seconds.
    action._task.async_val = _LONGEST
    try:
        return t.cast(Result, action._execute_module(module_name=module, module_args=arguments, task_vars=variables, wrap_async=True))
    finally:
        action._task.async_val = asked


def _wait(action: ActionBase, job: str, results: str, *, watch: str, show: t.Callable[[str], None]) -> None:
    """Until the job has written its result or is gone. One plain command per look: a module would cost ten times as much."""
    # The brackets keep the pattern from finding the command that it stands in, and mean the same to the shell.
    pattern = f"[{job[0]}]{job[1:].split('.')[0]}"
    results = f"{shlex.quote(os.path.dirname(results))}/{pattern}*"
    command = (
        # Until the result is there, the file says that the job has started; the wrapper itself ends seconds later.
        f"if grep -qs '\"started\"' {results} && grep -qsa {shlex.quote(pattern)} /proc/[0-9]*/cmdline;"
        f" then echo {_GOES_ON}; else echo {_ENDED}; fi;"
        f" cat {shlex.quote(watch)} 2>/dev/null"
    )

    def look() -> Result:
        seen = t.cast(Result, action._low_level_execute_command(command))
        if _GOES_ON not in seen["stdout"] and _ENDED not in seen["stdout"]:
            raise AnsibleConnectionFailure(f"The host does not answer: {seen['stderr'].strip()}")
        return seen

    pauses = iter(_PAUSES)
    while True:
        time.sleep(next(pauses, _PAUSE))
        said = _patiently(action, look)["stdout"]
        if _ENDED in said:
            return
        show(said.partition(_GOES_ON)[2])


def _collect(action: ActionBase, job: str, variables: dict[str, t.Any]) -> Result:
    directory = action._remote_expand_user(action.get_shell_option("async_dir", default="~/.ansible_async"))
    arguments = {"jid": job, "mode": "status", "_async_dir": directory}

    def ask() -> Result:
        result = t.cast(
            Result, action._execute_module(module_name="ansible.legacy.async_status", module_args=arguments, task_vars=variables)
        )
        if not result.get("_ansible_parsed", True):
            raise AnsibleConnectionFailure(f"The host does not answer: {result.get('module_stderr') or result.get('msg')}")
        return result

    return _patiently(action, ask)


def _patiently(action: ActionBase, ask: t.Callable[[], Result]) -> Result:
    """Ask again while the host cannot be reached."""
    deadline = time.monotonic() + _RECONNECT
    while True:
        try:
            return ask()
        except AnsibleConnectionFailure as exc:
            if time.monotonic() >= deadline:
                raise AnsibleConnectionFailure(
                    f"{exc} The work on the models goes on on the host; the next run waits for it and takes up what it did."
                ) from exc
        time.sleep(_PAUSE)
        with contextlib.suppress(Exception):
            action._connection.reset()


def _plain(result: Result) -> Result:
    return {key: value for key, value in result.items() if key not in _BOOKKEEPING}
