#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_server
short_description: Make nginx or Caddy run with exactly this configuration
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes the configuration of the web server, makes sure that the service is enabled and runs, and that it has loaded what lies on the disk.
  - The program itself checks the new configuration, together with every file that it includes, before it takes the place of the old one.
    A configuration that it refuses never gets there, and the old one goes on serving.
  - Whether to load the configuration again is decided from the state of the host and not from what changed in this run. A run that was
    killed between writing a file and loading it is finished by the next one.
  - Loading does not interrupt requests. A module and not a template with a handler, because the check needs the file in place of the main
    one, and because a handler of a run that was killed is lost.
  - When the other of the two web servers was set up by this collection, it is stopped when this one is ready to start, and what the
    collection put there is removed. When this one does not start, the other is started again. Its package stays installed.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  provider:
    description:
      - The web server.
      - The configuration of V(nginx) is C(/etc/nginx/nginx.conf). The file that was there before the first run is kept beside it, with
        C(.before-llm-host) behind its name.
      - The configuration of V(caddy) is C(/etc/llm-gateway/caddy/Caddyfile). Caddy starts without it, and root loads it through a socket.
    type: str
    choices: [nginx, caddy]
    default: nginx
  config:
    description: The whole content of the configuration file. Secrets belong into files that it includes, since a diff shows the content.
    type: str
    required: true
  files:
    description:
      - More files without secrets that belong to the configuration, such as scripts and drop-ins of the unit.
      - When the configuration is refused, they become again what they were.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the file. It belongs to root and is readable for everybody.
        type: path
        required: true
      content:
        description: Its whole content.
        type: str
        required: true
  watch:
    description:
      - Files that the configuration makes the program read when it is loaded, such as certificates. A directory stands for the files in it.
      - When one of them differs from what was loaded last, the configuration is loaded again.
    type: list
    elements: path
    default: []
  reloaded:
    description:
      - Files that the configuration names too, but that another program replaces and then has loaded, as certbot does with a certificate.
      - The configuration is loaded again only when one of them is newer than what nginx runs.
    type: list
    elements: path
    default: []
  pending:
    description:
      - Files of O(watch) and O(reloaded) that this run wrote or, in check mode, would have written, so that check mode announces loading them.
    type: list
    elements: path
    default: []
  disable:
    description: Links to remove before the configuration is checked, such as the one that enables the distribution's default site.
    type: list
    elements: path
    default: []
  logs:
    description:
      - Log files that only members of the group C(adm) may read besides the web server, which itself would make them readable for everybody.
    type: list
    elements: path
    default: []
  keys:
    description: Files that the web server must be able to read and nobody else, such as the key of a certificate.
    type: list
    elements: path
    default: []
  url:
    description: Address on this host that must answer with status 200 at the end. Certificates are not verified. Empty asks nothing.
    type: str
    default: ""
  timeout:
    description: How many seconds loading, and the answer from O(url), may take.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Serve the gateway
  llm.host.gateway_server:
    config: "{{ lookup('ansible.builtin.template', 'nginx.conf.j2') }}"
    watch: [/etc/nginx/conf.d, /etc/llm-gateway/nginx/keys.map]
    disable: [/etc/nginx/sites-enabled/default]
    url: https://127.0.0.1/healthz
"""

RETURN = r"""
actions:
  description:
    - What was done, or would be in check mode.
    - Any of V(protect), V(disable), V(write), V(enable), V(retire), V(start), V(restart), V(reload).
  type: list
  elements: str
  returned: success
  sample: [write, reload]
written:
  description: The files that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/nginx/nginx.conf]
"""

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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._web_engines import ENGINES, Engine, EngineError
from ansible_collections.llm.host.plugins.module_utils._web_server import Loaded, Plan, digest_of, files_of, is_loaded, make_plan

NOTE = "/run/llm-gateway.loaded"
LOG_MODE = 0o640


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


class Server:
    """The wanted web server, and the other one that it may have to take the place of."""

    def __init__(self, engine: Engine, other: Engine) -> None:
        self.engine = engine
        self.other = other

    def apply(self, plan: Plan, *, files: t.Sequence[HostFile], access: t.Sequence[Access], keys: t.Sequence[str], timeout: int) -> None:
        for item in access:
            if item.path in plan.protect:
                item.give()
        with self._links_gone(plan.disable):
            if plan.write:
                self._replace([file for file in files if file.path in plan.write])
            elif plan.start or plan.restart or plan.reload:
                self._check(self.engine.config)
        if plan.enable:
            self.engine.enable()
        if plan.retire:
            self._take_over(plan, keys, timeout)
        else:
            self._load(plan, timeout)

    def _load(self, plan: Plan, timeout: int) -> None:
        if plan.start or plan.restart:
            self.engine.start("start" if plan.start else "restart", timeout)
        elif plan.reload:
            self.engine.reload(timeout)

    def _take_over(self, plan: Plan, keys: t.Sequence[str], timeout: int) -> None:
        """Both want the same ports, so one stops before the other starts."""
        served = self.other.installed and self.other.service().active
        if served:
            self.other.stop()
        try:
            self._load(plan, timeout)
        except EngineError as error:
            if not served:
                raise
            self.engine.stop()
            for item in key_access(self.other, keys):
                item.give()
            self.other.start("start", timeout)
            raise EngineError(f"{error} {self.other.title} serves as before.") from error
        self.other.forget()

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
                    undo.callback(_put_back, file.path, read_text(file.path))
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


def _put_back(path: str, content: str | None) -> None:
    if content is None:
        os.unlink(path)
    else:
        HostFile(path, content).write()


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_note() -> Loaded:
    try:
        words = read_bytes(NOTE).decode().split()
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
    return {"before_header": file.path, "after_header": file.path, "before": read_text(file.path) or "", "after": file.content}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "provider": {"type": "str", "choices": list(ENGINES), "default": "nginx"},
            "config": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "watch": {"type": "list", "elements": "path", "default": []},
            "reloaded": {"type": "list", "elements": "path", "default": []},
            "pending": {"type": "list", "elements": "path", "default": []},
            "disable": {"type": "list", "elements": "path", "default": []},
            "logs": {"type": "list", "elements": "path", "default": []},
            "keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "url": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params: dict[str, t.Any] = module.params
    engine, other = (
        ENGINES[name](module.run_command, lambda program: module.get_bin_path(program, opt_dirs=["/usr/sbin"]))
        for name in sorted(ENGINES, key=lambda name: name != params["provider"])
    )
    if not engine.installed and not module.check_mode:
        module.fail_json(msg=f"{engine.title} is not on this host: install Debian's package {engine.name} first.")
    files = [HostFile(entry["path"], entry["content"]) for entry in params["files"]] + [HostFile(engine.config, params["config"])]
    access = [Access(path, engine.user, "adm", LOG_MODE, create=True) for path in params["logs"]]
    access += key_access(engine, params["keys"])
    watched = [*(file.path for file in files), *params["watch"]]
    pending = set(params["pending"]) & {*watched, *params["reloaded"]}
    server = Server(engine, other)
    try:
        service = engine.service()
        digest, changed_at = on_disk(watched)
        written = [file for file in files if file.differs()]
        plan = make_plan(
            service=service,
            loaded=not pending
            and is_loaded(service=service, known=read_note(), digest=digest, changed_at=changed_at)
            and (not params["reloaded"] or engine.loaded_at(service) > on_disk(params["reloaded"])[1]),
            write=[file.path for file in written],
            ours=engine.started_as_wanted(service, [file.path for file in written]),
            protect=[item.path for item in access if not item.given()],
            disable=[link for link in params["disable"] if os.path.islink(link)],
            retire=other.is_ours,
        )
        diff = [diff_of(file) for file in written]
        if not module.check_mode:
            if plan.changed:
                server.apply(plan, files=files, access=access, keys=params["keys"], timeout=params["timeout"])
            if params["url"]:
                wait_for(params["url"], engine.title, timeout=params["timeout"])
            if plan.retire or plan.start or plan.restart or plan.reload:
                loaded = Loaded(pid=engine.service().pid, digest=on_disk(watched)[0])
                HostFile(NOTE, f"{loaded.pid} {loaded.digest}\n").write()
    except (EngineError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=plan.changed, actions=actions_of(plan), written=[file.path for file in written], diff=diff)


if __name__ == "__main__":
    main()
