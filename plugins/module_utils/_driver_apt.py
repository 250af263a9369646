# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt and dpkg, as far as a GPU driver needs them. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._driver_plan import Installed, Offer, Transaction
from ansible_collections.llm.host.plugins.module_utils._driver_sources import FORMAT, Archive, parse_targets

__all__ = ("LOCK_TIMEOUT", "Apt", "AptError", "find_archive", "parse_installed", "parse_offers", "parse_transaction")

ENVIRONMENT = {
    "LANG": "C",
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # needrestart would restart what uses the libraries of the driver.
    "NEEDRESTART_MODE": "l",
}
# How long to wait for another apt, such as that of unattended-upgrades.
LOCK_TIMEOUT = 600
NO_LOCK = "Could not get lock"
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
CONFOLD = ("--force-confdef", "--force-confold")
PREFERENCES = "/etc/apt/preferences.d"


class AptError(Exception):
    """apt or dpkg failed; the text is a sentence."""


class Run(t.Protocol):
    """How commands run: ``AnsibleModule.run_command``."""

    def __call__(self, args: list[str], *, environ_update: dict[str, str], cwd: str | None = None) -> tuple[int, str, str]: ...


class Apt:
    """``archives`` is where it downloads to, so that the cache of the host stays as it is."""

    def __init__(self, run: Run, archives: Path) -> None:
        self._run, self._archives = run, archives

    def installed(self) -> dict[str, Installed]:
        fields = ("binary:Package", "Version", "db:Status-Want", "db:Status-Status", "db:Status-Eflag", "Architecture")
        return parse_installed(self._output("dpkg-query", "-W", "-f", "\\t".join(f"${{{field}}}" for field in fields) + "\\n"))

    def files_of(self, package: str) -> list[str]:
        return self._output("dpkg-query", "-L", package).splitlines()

    def archives(self) -> tuple[Archive, ...]:
        """What apt has read, and what its files name besides."""
        command = ("apt-get", "indextargets", "--format", FORMAT)
        found = {(archive.uri, archive.suite, archive.component): archive for archive in parse_targets(self._output(*command))}
        for archive in parse_targets(self._output(*command, "--no-release-info"), read=False):
            found.setdefault((archive.uri, archive.suite, archive.component), archive)
        return tuple(found.values())

    def offers(self, names: t.Iterable[str]) -> dict[str, list[Offer]]:
        wanted = sorted(set(names))
        return parse_offers(self._do("apt-cache", "madison", *wanted)[1]) if wanted else {}

    def update(self, uri: str = "") -> None:
        """Read the lists anew. apt goes on with the old ones where a signature is wrong or a repository is away: of this one it must not."""
        code, output, errors = self._in_turn("apt-get", "-q", "update")
        lines = [line for line in (output + errors).splitlines() if line.startswith(("E:", "W:"))]
        concerned = [line for line in lines if uri and re.search(re.escape(uri.rstrip("/")) + r"(/|\s|$)", line)]
        if code or concerned:
            raise AptError(f"apt cannot read its sources: {_reason(chr(10).join(concerned or lines) or output)}")

    def simulate(self, arguments: t.Sequence[str], preferences: str | None = None) -> Transaction:
        """What apt would do. ``preferences`` is the file of preferences that is not written yet."""
        if preferences is None:
            return parse_transaction(self._simulation(arguments))
        with tempfile.TemporaryDirectory() as place:
            directory = Path(place)
            directory.chmod(0o755)
            for path in Path(PREFERENCES).glob("*"):
                if path.is_file() and path.name != "llm-host-gpu":
                    shutil.copy(path, directory)
            (directory / "llm-host-gpu").write_text(preferences, encoding="utf-8")
            return parse_transaction(self._simulation([f"-oDir::Etc::PreferencesParts={place}", *arguments]))

    def download(self, arguments: t.Sequence[str]) -> None:
        (self._archives / "partial").mkdir(parents=True, exist_ok=True)
        self._install(["--download-only", *arguments], "cannot download the packages")

    def fetch(self, versions: t.Mapping[str, str], target: Path) -> list[str]:
        """Download packages to go back to, and name those that apt has no more."""
        target.mkdir(parents=True, exist_ok=True)
        lost = []
        for name, version in versions.items():
            kept = find_archive((target, self._archives, Path("/var/cache/apt/archives")), name, version)
            if kept:
                if kept.parent != target:
                    shutil.copy(kept, target)
                continue
            # Here apt-get writes into the working directory, where its own user may not.
            command = ["apt-get", "-q", "download", "-oAPT::Sandbox::User=root", f"{name}={version}"]
            if self._run(command, environ_update=ENVIRONMENT, cwd=str(target))[0]:
                lost.append(name)
        return lost

    def install(self, arguments: t.Sequence[str]) -> None:
        (self._archives / "partial").mkdir(parents=True, exist_ok=True)
        self._install(arguments, "cannot install the packages")

    def wait(self) -> None:
        """Wait until no other apt or dpkg is at work: also that which outlived the run that started it."""
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            with contextlib.ExitStack() as stack:
                try:
                    for path in LOCKS:
                        # Of the kind that apt and dpkg use.
                        fcntl.lockf(stack.enter_context(open(path, "a", encoding="utf-8")), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise AptError(
                            f"Another apt or dpkg has been at work for {LOCK_TIMEOUT} s: wait until it is done, and run again."
                        ) from error
            time.sleep(1)

    def unfinished(self) -> list[str]:
        """Packages that dpkg was interrupted with, or failed at."""
        return sorted(name for name, package in self.installed().items() if not package.complete)

    def finish(self) -> str:
        """Let dpkg go on where it was interrupted; what it says when it cannot."""
        self.wait()
        code, output, errors = self._do("dpkg", *CONFOLD, "--configure", "-a")
        return _reason(output + errors) if code else ""

    def purge(self, names: t.Sequence[str]) -> None:
        self.wait()
        # Scripts of a package that is not whole may fail: what counts is how things are in the end.
        self._do("dpkg", "--purge", "--force-depends", "--force-remove-reinstreq", *names)

    def put_back(self, archives: t.Sequence[Path]) -> None:
        self.wait()
        self._do("dpkg", *CONFOLD, "--force-downgrade", "--force-depends", "--force-conflicts", "--force-hold", "-i", *map(str, archives))

    def mark(self, how: str, names: t.Sequence[str]) -> None:
        if names:
            self.wait()
            self._output("apt-mark", how, *names)

    def _simulation(self, arguments: t.Sequence[str]) -> str:
        command = self._command(["-s", *arguments])
        code, output, errors = self._do(*command)
        if code:
            raise AptError(f"apt finds no way to install {_asked(arguments)}: {_reason(output + errors)}")
        return output

    def _install(self, arguments: t.Sequence[str], problem: str) -> None:
        code, output, errors = self._in_turn(*self._command(arguments))
        if code:
            raise AptError(f"apt {problem}: {_reason(output + errors)}")

    def _command(self, arguments: t.Sequence[str]) -> list[str]:
        options = {"Dir::Cache::archives": f"{self._archives}/", "DPkg::Lock::Timeout": str(LOCK_TIMEOUT)}
        return [
            *("apt-get", "-q", "-y", "--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages", "--ignore-hold"),
            *(f"-o{name}={value}" for name, value in options.items()),
            *(f"-oDpkg::Options::={option}" for option in CONFOLD),
            "install",
            *arguments,
        ]

    def _output(self, *command: str) -> str:
        code, output, errors = self._do(*command)
        if code:
            raise AptError(f"{command[0]} failed: {_reason(errors or output)}")
        return output

    def _in_turn(self, *command: str) -> tuple[int, str, str]:
        """Once others have let go of the lists and of what is downloaded: for those locks apt does not wait, whatever DPkg::Lock::Timeout says."""
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            code, output, errors = self._do(*command)
            if not code or NO_LOCK not in errors or time.monotonic() > deadline:
                return code, output, errors
            time.sleep(1)

    def _do(self, *command: str) -> tuple[int, str, str]:
        return self._run(list(command), environ_update=ENVIRONMENT)


def find_archive(places: t.Iterable[Path], name: str, version: str) -> Path | None:
    """The downloaded package. In names of files apt writes the colon of an epoch as %3a."""
    pattern = f"{name.partition(':')[0]}_{version.replace(':', '%3a')}_*.deb"
    return next((path for place in places for path in sorted(place.glob(pattern))), None)


def parse_installed(output: str) -> dict[str, Installed]:
    """Packages by name; those of another architecture with it behind a colon."""
    rows = [cells for cells in (line.split("\t") for line in output.splitlines()) if len(cells) == 6]
    native = next((cells[5] for cells in rows if cells[0].partition(":")[0] == "dpkg"), "")
    found = {}
    for name, version, want, status, flag, _architecture in rows:
        if status != "not-installed":
            found[name[: -len(native) - 1] if native and name.endswith(f":{native}") else name] = Installed(
                version,
                held=want == "hold",
                complete=status in ("installed", "config-files") and flag == "ok",
                present=status != "config-files",
            )
    return found


def parse_offers(output: str) -> dict[str, list[Offer]]:
    """What ``apt-cache madison`` says: the newest version first."""
    found: dict[str, list[Offer]] = {}
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 3 and cells[2].endswith("Packages"):
            found.setdefault(cells[0], []).append(Offer(cells[1], cells[2].split()[0]))
    return found


def parse_transaction(output: str) -> Transaction:
    """What ``apt-get -s`` says."""
    install = re.findall(r"^Inst (\S+)(?: \[([^\]]+)\])? \((\S+) ", output, re.MULTILINE)
    remove = re.findall(r"^(?:Remv|Purg) (\S+)(?: \[([^\]]+)\])?", output, re.MULTILINE)
    return Transaction({name: (before, after) for name, before, after in install}, dict(remove))


def _asked(arguments: t.Sequence[str]) -> str:
    return ", ".join(argument for argument in arguments if not argument.startswith("-")) or "the packages"


def _reason(output: str) -> str:
    """What apt or dpkg complained about, in one line."""
    lines = [line.strip() for line in output.splitlines()]
    dependencies = [line for line in lines if " : Depends:" in line or " : Conflicts:" in line]
    broken = [
        f"{match[1]}: {lines[index + 1] if index + 1 < len(lines) else ''}"
        for index, line in enumerate(lines)
        if (match := re.match(r"dpkg: error processing (?:package|archive) (\S+)", line))
    ]
    errors = [line.partition(" ")[2] for line in lines if line.startswith(("E:", "W:"))] or [
        line for line in lines if line.startswith("dpkg: error")
    ]
    chosen = broken or dependencies or errors or [line for line in lines if line][-3:]
    return "; ".join(dict.fromkeys(chosen))[:600].rstrip(".") + "."
