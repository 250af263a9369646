#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_nginx
short_description: Make nginx run with exactly this configuration
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes nginx's main configuration file, makes sure that the service is enabled and runs, and that it has loaded what lies on the disk.
  - nginx itself checks the new configuration, together with every file that it includes, before it takes the place of the old one.
    A configuration that nginx refuses never gets there, and the old one goes on serving.
  - Whether to load the configuration again is decided from the state of the host and not from what changed in this run. A run that was
    killed between writing a file and loading it is finished by the next one.
  - Loading does not interrupt requests. A module and not a template with a handler, because the check needs the file in place of the main
    one, and because a handler of a run that was killed is lost.
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
  config:
    description: The whole content of the main configuration file. Secrets belong into files that it includes, since a diff shows the content.
    type: str
    required: true
  path:
    description:
      - Path of the main configuration file.
      - The file that was there before the first run is kept beside it, with C(.before-llm-host) behind its name.
    type: path
    default: /etc/nginx/nginx.conf
  watch:
    description:
      - Files that the configuration makes nginx read when it is loaded, such as certificates. A directory stands for the files in it.
      - When one of them differs from what was loaded last, the configuration is loaded again.
    type: list
    elements: path
    default: []
  pending:
    description:
      - Files of O(watch) that this run wrote or, in check mode, would have written, so that check mode announces loading them.
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
      - Log files that only members of the group C(adm) may read besides nginx. nginx itself would make them readable for everybody.
    type: list
    elements: path
    default: []
  service:
    description: Name of the systemd unit.
    type: str
    default: nginx.service
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
  llm.host.gateway_nginx:
    config: "{{ lookup('ansible.builtin.template', 'nginx.conf.j2') }}"
    watch: [/etc/nginx/conf.d, /etc/llm-gateway/keys.map]
    disable: [/etc/nginx/sites-enabled/default]
    url: https://127.0.0.1/healthz
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode. Any of V(protect), V(disable), V(write), V(enable), V(start), V(reload).
  type: list
  elements: str
  returned: success
  sample: [write, reload]
"""

import contextlib
import dataclasses
import os
import shutil
import ssl
import stat
import tempfile
import time
import typing as t
import urllib.error
import urllib.request

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._nginx import (
    PROPERTIES,
    Loaded,
    Plan,
    Service,
    digest_of,
    files_of,
    is_loaded,
    make_plan,
    parse_service,
    refusals,
)

ERROR_LOG = "/var/log/nginx/error.log"
NOTE = "/run/llm-gateway.loaded"
MODE = 0o644
KEPT = ".before-llm-host"
LOG_MODE = 0o640


class NginxError(Exception):
    """nginx or systemd refused something; the text is a sentence for the user."""


class Nginx:
    """The service on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._program = module.get_bin_path("nginx", opt_dirs=["/usr/sbin"])
        self._unit: str = module.params["service"]
        self._path: str = module.params["path"]

    @property
    def installed(self) -> bool:
        return self._program is not None

    def service(self) -> Service:
        if not self.installed:
            return Service()
        offset = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        return parse_service(self._systemctl("show", f"--property={','.join(PROPERTIES)}", self._unit), offset=offset)

    def check(self, path: str) -> None:
        code, output, error = self._module.run_command([self._program, "-t", "-q", "-c", path])
        if code != 0:
            reason = refusals(output + error).replace(path, self._path) or (output + error).strip()
            raise NginxError(
                f"nginx refuses the new configuration, so {self._path} stays as it is and what runs goes on running: {reason}. "
                f"Correct the variable or the file that it names, and run again."
            )

    def apply(self, plan: Plan, *, config: str, timeout: int) -> None:
        for log in plan.protect:
            protect(log)
        links = {path: os.readlink(path) for path in plan.disable}
        for path in links:
            os.unlink(path)
        try:
            if plan.write:
                self._replace(config)
            elif plan.start or plan.reload:
                self.check(self._path)
        except BaseException:
            for path, target in links.items():
                os.symlink(target, path)
            raise
        if plan.enable:
            self._systemctl("enable", self._unit)
        if plan.start:
            self._load("start", timeout=timeout, before=frozenset())
        elif plan.reload:
            self._load("reload", timeout=timeout, before=_workers(self.service().pid))

    def _replace(self, config: str) -> None:
        directory = os.path.dirname(self._path)
        # Beside the file that it replaces: nginx takes relative includes from the directory of its main file.
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=".nginx.conf-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(config)
                file.flush()
                os.fchown(file.fileno(), 0, 0)
                os.fchmod(file.fileno(), MODE)
                os.fsync(file.fileno())
            self.check(temporary)
            self._keep_foreign()
            os.replace(temporary, self._path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _keep_foreign(self) -> None:
        """Keep a main file that is not ours, once: the package's, or one that somebody wrote."""
        kept = f"{self._path}{KEPT}"
        if os.path.exists(self._path) and not os.path.exists(kept):
            shutil.copy2(self._path, kept)

    def _load(self, verb: str, *, timeout: int, before: frozenset[int]) -> None:
        log_size = os.path.getsize(ERROR_LOG) if os.path.exists(ERROR_LOG) else 0
        code, output, error = self._module.run_command(["systemctl", verb, self._unit])
        deadline = time.monotonic() + timeout
        while code == 0 and time.monotonic() < deadline:
            if _workers(self.service().pid) - before:
                return
            reason = refusals(_read_from(ERROR_LOG, log_size))
            if "[emerg]" in _read_from(ERROR_LOG, log_size):
                raise NginxError(f"nginx did not {verb} with the new configuration: {reason}.")
            time.sleep(0.05)
        reason = refusals(_read_from(ERROR_LOG, log_size)) or error.strip() or output.strip() or f"no new worker after {timeout} s"
        raise NginxError(f"nginx did not {verb} with the new configuration: {reason}. See journalctl --unit {self._unit}.")

    def _systemctl(self, *arguments: str) -> str:
        code, output, error = self._module.run_command(["systemctl", *arguments])
        if code != 0:
            raise NginxError(f"systemctl {' '.join(arguments)} failed: {error.strip() or output.strip()}.")
        return output


def _workers(master: int) -> frozenset[int]:
    """Worker processes of this master that take new connections."""
    found = set()
    for entry in os.listdir("/proc") if master else ():
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parent = file.read().rpartition(")")[2].split()[1]
            if int(parent) != master:
                continue
            with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as file:
                title = file.read().replace("\0", " ").strip()
        except OSError:
            continue
        if title == "nginx: worker process":
            found.add(int(entry))
    return frozenset(found)


def _read_from(path: str, offset: int) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(65536).decode(errors="replace")
    except OSError:
        return ""


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_note() -> Loaded:
    try:
        words = read_bytes(NOTE).decode().split()
        return Loaded(pid=int(words[0]), digest=words[1])
    except (OSError, ValueError, IndexError):
        return Loaded()


def write_note(note: Loaded) -> None:
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(NOTE), prefix=".llm-gateway-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{note.pid} {note.digest}\n")
    os.replace(temporary, NOTE)


def on_disk(paths: t.Iterable[str]) -> tuple[str, float]:
    """Digest of the files, and when the last of them came to be what it is."""
    files = files_of(paths)
    return digest_of({path: read_bytes(path) for path in files}), max((os.stat(path).st_ctime for path in files), default=0.0)


def differs(path: str, config: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return True
    same = stat.S_ISREG(status.st_mode) and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (MODE, 0, 0)
    return not same or read_bytes(path) != config.encode()


def protected(log: str) -> bool:
    try:
        return stat.S_IMODE(os.stat(log).st_mode) == LOG_MODE
    except OSError:
        return False


def protect(log: str) -> None:
    """As Debian's package and its log rotation make nginx's own logs."""
    with open(log, "a", encoding="utf-8") as file:
        os.fchmod(file.fileno(), LOG_MODE)
    shutil.chown(log, user="www-data", group="adm")


def wait_for(url: str, *, timeout: int) -> None:
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
            raise NginxError(f"nginx runs, but {url} did not answer within {timeout} s, the last try ended with: {seen}.")
        time.sleep(0.1)


def actions_of(plan: Plan) -> list[str]:
    return [field.name for field in dataclasses.fields(plan) if getattr(plan, field.name)]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "str", "required": True},
            "path": {"type": "path", "default": "/etc/nginx/nginx.conf"},
            "watch": {"type": "list", "elements": "path", "default": []},
            "pending": {"type": "list", "elements": "path", "default": []},
            "disable": {"type": "list", "elements": "path", "default": []},
            "logs": {"type": "list", "elements": "path", "default": []},
            "service": {"type": "str", "default": "nginx.service"},
            "url": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    path, config = module.params["path"], module.params["config"]
    watched = [path, *module.params["watch"]]
    pending = set(module.params["pending"]) & set(watched)
    nginx = Nginx(module)
    if not nginx.installed and not module.check_mode:
        module.fail_json(msg="nginx is not on this host: install Debian's package nginx first.")
    try:
        service = nginx.service()
        digest, changed_at = on_disk(watched)
        plan = make_plan(
            service=service,
            loaded=not pending and is_loaded(service=service, known=read_note(), digest=digest, changed_at=changed_at),
            write=differs(path, config),
            protect=[log for log in module.params["logs"] if not protected(log)],
            disable=[link for link in module.params["disable"] if os.path.islink(link)],
        )
        before = _read_from(path, 0)
        if plan.changed and not module.check_mode:
            nginx.apply(plan, config=config, timeout=module.params["timeout"])
        if module.params["url"] and not module.check_mode:
            wait_for(module.params["url"], timeout=module.params["timeout"])
        if (plan.start or plan.reload) and not module.check_mode:
            write_note(Loaded(pid=nginx.service().pid, digest=on_disk(watched)[0]))
    except (NginxError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=plan.changed,
        actions=actions_of(plan),
        diff={"before_header": path, "after_header": path, "before": before, "after": config} if plan.write else {},
    )


if __name__ == "__main__":
    main()
