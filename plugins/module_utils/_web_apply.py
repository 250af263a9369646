# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server comes to run with exactly the wanted configuration, checked before it is used. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import os
import pwd
import shutil
import ssl
import stat
import tempfile
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._listeners import addresses_of, all_or_some
from ansible_collections.llm.host.plugins.module_utils._web_engines import Engine, EngineError
from ansible_collections.llm.host.plugins.module_utils._web_server import Loaded, Plan, digest_of, files_of, is_loaded, make_plan

__all__ = ("Access", "Server", "Wanted", "key_access")

HIDDEN = "(secret)\n"


@dataclasses.dataclass(frozen=True)
class Access:
    """Who may read a file besides its owner."""

    path: str
    owner: str
    group: str
    mode: int
    create: bool = False

    def given(self) -> bool:
        try:
            status = os.stat(self.path)
            owner, group = pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid
        except (OSError, KeyError):
            # A key that does not exist yet is not ours to make.
            return not self.create and not os.path.exists(self.path)
        return (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (self.mode, owner, group)

    def give(self) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            os.fchmod(file.fileno(), self.mode)
        shutil.chown(self.path, user=self.owner, group=self.group)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a server is to run with.

    ``files`` are written, the engine's configuration among them; ``watch`` are files that it reads besides; ``reloaded`` are files that another
    program replaces and then has loaded; ``pending`` are those of both that this run wrote or would have written; ``absent`` are files that are no part of it
    any more; ``addresses`` are those at which it listens on ``ports``, none for all.
    """

    files: t.Sequence[HostFile]
    watch: t.Sequence[str] = ()
    reloaded: t.Sequence[str] = ()
    pending: t.Sequence[str] = ()
    disable: t.Sequence[str] = ()
    absent: t.Sequence[str] = ()
    access: t.Sequence[Access] = ()
    keys: t.Sequence[str] = ()
    ports: t.Sequence[int] = ()
    addresses: t.Sequence[str] = ()


class Server:
    """The wanted server, the other one that it may have to take the place of, and where is noted what it has loaded."""

    def __init__(self, engine: Engine, *, note: str, other: Engine | None = None) -> None:
        self.engine = engine
        self.other = other
        self.note = note

    def ensure(self, wanted: Wanted, *, url: str, timeout: int, check_mode: bool) -> dict[str, t.Any]:
        """Make it so, but in check mode; returns what a module returns. Raises EngineError and OSError."""
        watched = [*(file.path for file in wanted.files), *wanted.watch]
        pending = set(wanted.pending) & {*watched, *wanted.reloaded}
        service = self.engine.service()
        digest, changed_at = on_disk(watched)
        written = [file for file in wanted.files if file.differs()]
        plan = make_plan(
            service=service,
            loaded=not pending
            and is_loaded(service=service, known=read_note(self.note), digest=digest, changed_at=changed_at)
            and (not wanted.reloaded or self.engine.loaded_at(service) > on_disk(wanted.reloaded)[1]),
            write=[file.path for file in written],
            remove=[path for path in wanted.absent if os.path.lexists(path)],
            ours=self.engine.started_as_wanted(service, [file.path for file in written]),
            # One address cannot be had besides all, nor all besides one, as long as the old sockets are open.
            moves=all_or_some(addresses_of(wanted.ports), wanted.addresses),
            protect=[item.path for item in wanted.access if not item.given()],
            disable=[link for link in wanted.disable if os.path.islink(link)],
            retire=self.other is not None and self.other.is_ours,
        )
        diff = [diff_of(file) for file in written]
        if not check_mode:
            if plan.changed:
                self.apply(plan, files=wanted.files, access=wanted.access, keys=wanted.keys, timeout=timeout)
            if url:
                wait_for(url, self.engine.title, timeout=timeout)
            if plan.retire or plan.start or plan.restart or plan.reload:
                loaded = Loaded(pid=self.engine.service().pid, digest=on_disk(watched)[0])
                HostFile(self.note, f"{loaded.pid} {loaded.digest}\n").write()
        return {"changed": plan.changed, "actions": actions_of(plan), "written": [file.path for file in written], "diff": diff}

    def apply(self, plan: Plan, *, files: t.Sequence[HostFile], access: t.Sequence[Access], keys: t.Sequence[str], timeout: int) -> None:
        for item in access:
            if item.path in plan.protect:
                item.give()
        with self._links_gone(plan.disable):
            if plan.write:
                self._replace([file for file in files if file.path in plan.write])
            elif plan.start or plan.restart or plan.reload:
                self._check(self.engine.config)
        for path in plan.remove:
            os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))
        if plan.enable:
            self.engine.enable()
        if self.other is not None and plan.retire:
            self._take_over(self.other, plan, keys, timeout)
        else:
            self._load(plan, timeout)

    def _load(self, plan: Plan, timeout: int) -> None:
        if plan.start or plan.restart:
            self.engine.start("start" if plan.start else "restart", timeout)
        elif plan.reload:
            self.engine.reload(timeout)

    def _take_over(self, other: Engine, plan: Plan, keys: t.Sequence[str], timeout: int) -> None:
        """Both want the same ports, so one stops before the other starts."""
        served = other.installed and other.service().active
        if served:
            other.stop()
        try:
            self._load(plan, timeout)
        except EngineError as error:
            if not served:
                raise
            self.engine.stop()
            for item in key_access(other, keys):
                item.give()
            other.start("start", timeout)
            raise EngineError(f"{error} {other.title} serves as before.") from error
        other.forget()

    def _check(self, path: str) -> None:
        reason = self.engine.check(path)
        if reason:
            raise EngineError(
                f"{self.engine.title} refuses the new configuration, so {self.engine.config} stays as it is and what runs goes on running: "
                f"{reason}. Correct the variable or the file that it names, and run again."
            )

    def _replace(self, files: t.Sequence[HostFile]) -> None:
        """The configuration last: it is checked beside the one that it replaces, since relative includes start from there."""
        with contextlib.ExitStack() as undo:
            for file in files:
                if file.path != self.engine.config:
                    undo.callback(_put_back, file, read_text(file.path))
                    file.write()
            for file in files:
                if file.path == self.engine.config:
                    self._replace_config(file)
                    break
            else:
                self._check(self.engine.config)
            undo.pop_all()

    def _replace_config(self, file: HostFile) -> None:
        os.makedirs(os.path.dirname(file.path), mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(file.path), prefix=".llm-gateway-")
        os.close(handle)
        try:
            file.write(beside=temporary)
            self._check(temporary)
            self.engine.keep_foreign()
            os.replace(temporary, file.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    @contextlib.contextmanager
    def _links_gone(self, paths: t.Iterable[str]) -> t.Iterator[None]:
        links = {path: os.readlink(path) for path in paths}
        for path in links:
            os.unlink(path)
        try:
            yield
        except BaseException:
            for path, target in links.items():
                os.symlink(target, path)
            raise


def key_access(engine: Engine, paths: t.Iterable[str]) -> list[Access]:
    return [Access(path, "root", engine.key_group, engine.key_mode) for path in paths]


def _put_back(file: HostFile, content: str | None) -> None:
    if content is None:
        os.unlink(file.path)
    else:
        dataclasses.replace(file, content=content).write()


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_note(path: str) -> Loaded:
    try:
        words = read_bytes(path).decode().split()
        return Loaded(pid=int(words[0]), digest=words[1])
    except (OSError, ValueError, IndexError):
        return Loaded()


def on_disk(paths: t.Iterable[str]) -> tuple[str, float]:
    """Digest of the files, and when the last of them came to be what it is."""
    files = files_of(paths)
    return digest_of({path: read_bytes(path) for path in files}), max((os.stat(path).st_ctime for path in files), default=0.0)


def wait_for(url: str, title: str, *, timeout: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # An opener of its own: a proxy in the environment has no business on this host.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    deadline = time.monotonic() + timeout
    seen = ""
    while True:
        try:
            with opener.open(url, timeout=5):
                return
        except urllib.error.HTTPError as error:
            seen = f"status {error.code}"
        except OSError as error:
            seen = str(getattr(error, "reason", error))
        if time.monotonic() > deadline:
            raise EngineError(f"{title} runs, but {url} did not answer within {timeout} s, the last try ended with: {seen}.")
        time.sleep(0.1)


def actions_of(plan: Plan) -> list[str]:
    return [field.name for field in dataclasses.fields(plan) if getattr(plan, field.name)]


def diff_of(file: HostFile) -> dict[str, str]:
    """Shows nothing of what not everybody may read."""
    before, after = read_text(file.path) or "", file.content
    if not file.mode & stat.S_IROTH:
        before, after = HIDDEN if before else "", HIDDEN
    return {"before_header": file.path, "after_header": file.path, "before": before, "after": after}
