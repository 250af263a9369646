# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights and adapters that lie on the controller: found, hashed, and sent to the host when it lacks them.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.module_utils._files import FilesError, HostFile, find_files
from ansible_collections.llm.host.plugins.module_utils._modelfile import ModelfileError, compose, is_path, parse
from ansible_collections.llm.host.plugins.module_utils._state import State, StateDir, StateError
from ansible_collections.llm.host.plugins.plugin_utils._modelfiles import ModelfileReader
from ansible_collections.llm.host.plugins.plugin_utils._progress_line import readable_bytes

__all__ = ["ControllerFiles"]

Entry = t.Dict[str, t.Any]


class ControllerFiles:
    """The files of one task. Their digests are remembered in Ansible's own directory, for gigabytes are slow to read."""

    def __init__(self, action: ActionBase, reader: ModelfileReader) -> None:
        self._action = action
        self._reader = reader
        self._memory = StateDir(os.path.join(constants.config.get_config_value("ANSIBLE_HOME"), "llm_host"))
        self._state: State | None = None
        self._found: dict[str, HostFile] = {}

    def describe(self, entry: Entry, *, label: str) -> Entry:
        """The entry with what the module is to know of the files that its relative paths mean."""
        described = [
            {"path": path, "name": file.key, "digest": file.digest, "size": file.size}
            for path in _relative_paths(entry)
            for file in self._look(path, entry, label)
        ]
        return {**entry, "controller_files": described} if described else entry

    @contextlib.contextmanager
    def staged(self, digests: t.Sequence[str], *, tell: t.Callable[[str], None]) -> t.Iterator[t.Callable[[Entry], Entry]]:
        """Send files to the host; yields what writes their places there into a task's arguments.

        They are removed when the work has ended. When that is not known, the module is left to do it.
        """
        if not digests:
            yield lambda arguments: arguments
            return
        shell = self._action._connection._shell
        folder = self._action._make_tmp_path()
        shell.tmpdir = None
        places = {}
        for digest in digests:
            file = self._found[digest]
            tell(f"sending {file.path.name}, {readable_bytes(file.size)}")
            places[digest] = self._action._transfer_file(str(file.path), shell.join_path(folder, digest.replace(":", "-")))
        self._action._fixup_perms2([folder, *places.values()], execute=False)
        try:
            yield lambda arguments: _with_places(arguments, places)
        except AnsibleConnectionFailure:
            # The work goes on and reads them; the module removes them.
            raise
        except Exception:
            self._action._remove_tmp_path(folder, force=True)
            raise
        self._action._remove_tmp_path(folder, force=True)

    def _look(self, path: str, entry: Entry, label: str) -> tuple[HostFile, ...]:
        place = self._reader.find_beside(path, modelfile=entry.get("modelfile"), label=label)
        if self._state is None:
            self._state = self._recall()
        known = dict(self._state.digests)
        try:
            files = find_files(place, self._state.digests)
        except FilesError as exc:
            raise AnsibleActionFail(f"{label}: on the controller, {exc}") from None
        if self._state.digests != known:
            with contextlib.suppress(StateError):
                self._memory.write(self._state)
        self._found.update({file.digest: file for file in files})
        return files

    def _recall(self) -> State:
        try:
            return self._memory.read()
        except StateError:
            return State()


def _relative_paths(entry: Entry) -> tuple[str, ...]:
    if entry.get("state") == "absent":
        return ()
    paths: tuple[str, ...] = ()
    text, source = entry.get("modelfile_content"), entry.get("from")
    if text is not None:
        # Mistakes are the module's to report, with their line.
        with contextlib.suppress(ModelfileError):
            paths = compose(parse(str(text), source=""), source="")[0].paths
    elif isinstance(source, str) and is_path(source):
        paths = (source,)
    return tuple(path for path in dict.fromkeys(paths) if not path.startswith("/"))


def _with_places(arguments: Entry, places: t.Mapping[str, str]) -> Entry:
    def placed(entry: t.Any) -> t.Any:
        files = entry.get("controller_files") if isinstance(entry, dict) else None
        if not files:
            return entry
        return {**entry, "controller_files": [{**file, "staged": places.get(file["digest"])} for file in files]}

    if isinstance(arguments.get("models"), list):
        return {**arguments, "models": [placed(entry) for entry in arguments["models"]]}
    return t.cast(Entry, placed(arguments))
