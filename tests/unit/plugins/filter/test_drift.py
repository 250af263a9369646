# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which results of modules become which sentences."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.llm.host.plugins.filter.drift import drift

DROP_IN = "/etc/systemd/system/ollama.service.d/10-llm-host.conf"
DECLARED = {
    "version": "v0.32.15",
    "models_dir": "/srv/models",
    "user": "ollama",
    "gpus": {"gpu.service": ["GPU-1"], "ollama.service": []},
    "on_cpu": ["embed"],
    "servers": ["one.default", "two.default"],
    "server": "nginx.service",
    "url": "https://llm.example.com",
    "traces": [{"path": "/var/lib/llm-host/undo.json", "what": "the last change", "mend": "run site.yml"}],
}


def texts(kind: str, result: t.Any) -> list[str]:
    return [entry["text"].removeprefix("gpu-01: ") for entry in drift({kind: result}, "gpu-01", DECLARED)]


def release(**changed: t.Any) -> dict[str, t.Any]:
    shown = {"version": "0.32.15", "link": "/opt/ollama/0.32.15/bin/ollama", "installed": ["0.32.15"]}
    diff = {"before_header": "/usr/local/bin/ollama", "before": {**shown, **changed.pop("before", {})}, "after": shown}
    return {"version": "0.32.15", "path": "/opt/ollama/0.32.15", "altered": [], "removed": [], "diff": diff, **changed}


def service(*actions: str, version: str = "0.32.15", reasons: tuple[str, ...] = ()) -> dict[str, t.Any]:
    return {"instances": [{"unit": "ollama.service", "actions": list(actions), "version": version, "reasons": list(reasons)}]}


def file(before: str, after: str, path: str = DROP_IN) -> dict[str, t.Any]:
    return {"diff": [{"before_header": path, "before": before, "after": after}]}


def host(**found: t.Any) -> dict[str, t.Any]:
    return {"undeclared": [], "running": [], "stores": [], "overrides": [], "paths": [], **found}


def model(action: str, *, before: str | None = "sha256:a", after: str | None = None, reason: str = "why") -> dict[str, t.Any]:
    return {"models": [{"name": "tiny:latest", "action": action, "reason": reason, "digest_before": before, "digest_after": after}]}


def memory(
    unit: str, *, vram: int, gpus: list[str] | None, name: str = "tiny:latest", blocked: str = "", node: str = ""
) -> dict[str, t.Any]:
    closed = [blocked] if blocked else []
    return {
        "nodes": [node] if node else [],
        "instances": [{"unit": unit, "gpus": gpus, "blocked": closed, "loaded": [{"name": name, "size": 100, "size_vram": vram}]}],
    }


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        pytest.param("release", release(), id="the-release-is-whole-and-active"),
        pytest.param("service", service(), id="a-unit-runs"),
        pytest.param("service", service(version="0.32.15+local"), id="build-metadata-is-no-other-version"),
        pytest.param("files", {"diff": []}, id="files-are-as-written"),
        pytest.param("preflight", host(), id="nothing-is-undeclared"),
        pytest.param("models", model("none"), id="a-model-is-as-declared"),
        pytest.param("firewall", {"actions": [], "diff": []}, id="the-firewall-stands"),
        pytest.param("firewall", {"skipped": True}, id="a-look-that-was-not-needed"),
        pytest.param("gpu", memory("gpu.service", vram=100, gpus=["CUDA L40S"]), id="a-model-is-wholly-on-the-gpu"),
        pytest.param("gpu", memory("ollama.service", vram=0, gpus=[]), id="a-host-without-gpu"),
        pytest.param("gpu", memory("ollama.service", vram=0, gpus=None), id="a-journal-that-does-not-tell"),
        pytest.param("gpu", memory("gpu.service", vram=0, gpus=["CUDA L40S"], name="embed:latest"), id="a-model-that-is-meant-for-the-cpu"),
        pytest.param("probe", {"checks": [{"name": "a stranger gets 401", "ok": True, "seen": "401"}]}, id="promises-are-kept"),
        pytest.param("endpoint", {"due": "", "configured": "ab", "served": "ab", "unlisted": []}, id="the-certificate-is-served"),
        pytest.param("user", {"changed": False}, id="the-user-is-as-declared"),
    ],
)
def test_what_is_as_declared_has_no_sentence(kind, result):
    assert texts(kind, result) == []


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        pytest.param(
            "release",
            release(altered=["lib/ollama/libggml.so: missing"]),
            ["/opt/ollama/0.32.15: expected the files of the release, found lib/ollama/libggml.so: missing; run site.yml."],
            id="a-library-is-gone",
        ),
        pytest.param(
            "release",
            release(before={"link": "/opt/other"}),
            ["/usr/local/bin/ollama: expected a link to /opt/ollama/0.32.15/bin/ollama, found /opt/other; run site.yml."],
            id="the-link-leads-elsewhere",
        ),
        pytest.param(
            "release",
            release(before={"installed": []}),
            ["/opt/ollama/0.32.15: expected Ollama 0.32.15, found nothing; run site.yml."],
            id="the-version-is-not-installed",
        ),
        pytest.param(
            "release",
            {"msg": "No way."},
            ["the release of Ollama: expected an answer, found No way; mend that, then run site.yml."],
            id="a-failure",
        ),
        pytest.param(
            "service", service("start", version=""), ["ollama.service: expected running, found stopped; run site.yml."], id="stopped"
        ),
        pytest.param(
            "service",
            service("enable", "restart", reasons=("x changed after the start",)),
            [
                "ollama.service: expected a unit that starts at boot, found one that does not; run site.yml.",
                "ollama.service: expected running with what is configured, found running with older settings (x changed after the start); run site.yml.",
            ],
            id="disabled-and-older-settings",
        ),
        pytest.param(
            "service",
            service(version="0.30.1"),
            ["ollama.service: expected Ollama 0.32.15, found Ollama 0.30.1; run site.yml."],
            id="another-version",
        ),
        pytest.param(
            "service",
            service(version=""),
            ["ollama.service: expected Ollama 0.32.15, found no answer; look at journalctl --unit ollama.service."],
            id="no-answer",
        ),
        pytest.param("files", file("", "text"), [f"{DROP_IN}: expected a file, found nothing; run site.yml."], id="a-file-is-gone"),
        pytest.param(
            "files",
            file('Environment="OLLAMA_KEEP_ALIVE=5m"\n', 'Environment="OLLAMA_KEEP_ALIVE=30m"\nUser=ollama\n'),
            [f"{DROP_IN}: expected OLLAMA_KEEP_ALIVE=30m, User=ollama, found OLLAMA_KEEP_ALIVE=5m, no User; run site.yml."],
            id="settings-were-changed",
        ),
        pytest.param(
            "files",
            file("# x\nUser=ollama\n", "User=ollama\n"),
            [f"{DROP_IN}: expected what the role writes, found another text from line 1 on; run site.yml."],
            id="a-comment-was-added",
        ),
        pytest.param(
            "files",
            file("(secret)\n", "(secret)\n", "/x/secret.env"),
            ["/x/secret.env: expected the content, owner and mode that the role gives it, found others; run site.yml."],
            id="a-secret-file",
        ),
        pytest.param(
            "preflight",
            host(undeclared=["ollama@old.service"], running=["ollama@old.service"]),
            [
                "ollama@old.service: expected nothing, since ollama_instances does not declare it, found an instance that runs; run site.yml."
            ],
            id="an-instance-that-nobody-declares",
        ),
        pytest.param(
            "preflight",
            host(stores=[{"path": "/old", "units": ["ollama.service"], "missing": ["tiny:latest"]}]),
            ["ollama_models_dir: expected /srv/models, found ollama.service with tiny:latest in /old; run move_models.yml."],
            id="models-elsewhere",
        ),
        pytest.param(
            "preflight",
            host(paths=["/var/lib/llm-host/undo.json"]),
            ["the last change: expected an end, found an interruption, of which /var/lib/llm-host/undo.json is left; run site.yml."],
            id="a-run-that-was-killed",
        ),
        pytest.param(
            "firewall",
            {"actions": ["load"], "diff": [{"before_header": "table inet llm_host", "before": "", "after": "rules"}]},
            ["the firewall's table inet llm_host: expected the rules that let in only whom it should, found nothing; run site.yml."],
            id="the-table-was-flushed",
        ),
        pytest.param(
            "ingress",
            {"actions": ["start"], "diff": []},
            ["llm-host-ingress.service: expected enabled and running, found stopped; run site.yml."],
            id="somebody-stopped-the-firewall-of-the-host",
        ),
        pytest.param(
            "models",
            model("pull", before=None, reason="it is missing"),
            ["model tiny:latest: expected a model, found nothing; run models.yml, or site.yml."],
            id="a-model-is-missing",
        ),
        pytest.param(
            "models",
            model("pull", after="sha256:b", reason="its digest differs from the pin"),
            ["model tiny:latest: expected sha256:b, found sha256:a (its digest differs from the pin); run models.yml, or site.yml."],
            id="a-model-was-replaced",
        ),
        pytest.param(
            "models",
            model("create", reason="its recipe changed"),
            ["model tiny:latest: expected what its recipe makes, found sha256:a: its recipe changed; run models.yml, or site.yml."],
            id="another-recipe",
        ),
        pytest.param(
            "models",
            model("remove", reason="it is not declared"),
            ["model tiny:latest: expected nothing, found a model (it is not declared); run models.yml, or site.yml."],
            id="a-model-too-many",
        ),
        pytest.param(
            "gpu",
            memory("ollama.service", vram=41, gpus=["CUDA L40S"]),
            [
                "model tiny:latest at ollama.service: expected all of it in the memory of GPUs, found 41 % of it there, the rest in the memory of the host; "
                "free memory on the GPU, or give the model less context."
            ],
            id="a-model-is-partly-on-the-cpu-of-a-host-with-a-gpu",
        ),
        pytest.param(
            "gpu",
            memory("gpu.service", vram=0, gpus=[]),
            [
                "gpu.service: expected the GPUs that its entry in ollama_instances names, found none; look at the driver, and restart the unit.",
                "model tiny:latest at gpu.service: expected all of it in the memory of GPUs, found 0 % of it there, the rest in the memory of the host; "
                "look at the driver, and restart the unit.",
            ],
            id="the-declared-gpu-was-not-found",
        ),
        pytest.param(
            "gpu",
            memory("ollama.service", vram=100, gpus=[], node="/dev/nvidia0"),
            ["ollama.service: expected the GPUs of the host, found none; look at the driver, and restart the unit."],
            id="the-gpu-of-the-host-was-not-found",
        ),
        pytest.param(
            "gpu",
            memory("ollama.service", vram=100, gpus=[], node="/dev/nvidia0", blocked="It may not use /dev/nvidia0: take your own out."),
            ["ollama.service: expected access to the GPUs, found It may not use /dev/nvidia0; take your own out."],
            id="the-unit-may-not-use-the-gpu",
        ),
        pytest.param(
            "hardware",
            {
                "problems": [
                    {"what": "The driver is 1, and the libraries are 2.", "cause": "It was upgraded.", "cure": "Reboot.", "reboot": True}
                ]
            },
            ["the GPUs: expected a driver that works, found The driver is 1, and the libraries are 2. It was upgraded; reboot."],
            id="the-driver-does-not-work",
        ),
        pytest.param(
            "settings",
            {"due": ["power_limit"]},
            ["gpu_power_limit: expected at every GPU, found another at one of them; run site.yml."],
            id="a-gpu-is-not-set-as-declared",
        ),
        pytest.param(
            "instances",
            {"instances": [{"name": "one.default", "state": "drain", "up": True}]},
            [
                "instance one.default at the balancer: expected ready, found taken out (drain); "
                "ansible-playbook llm.host.drain -e instance=one.default -e state=ready.",
                "instance two.default at the balancer: expected ready, found nothing; run site.yml.",
            ],
            id="one-instance-is-drained-and-one-is-not-known",
        ),
        pytest.param(
            "server",
            {"actions": ["start"], "diff": []},
            ["nginx.service: expected running, found stopped; run site.yml."],
            id="nginx-is-stopped",
        ),
        pytest.param(
            "server",
            {"actions": ["reload"], "diff": []},
            ["nginx.service: expected running with what is configured, found running with an older configuration; run site.yml."],
            id="nginx-has-not-read-its-files",
        ),
        pytest.param(
            "probe",
            {"msg": "all of it", "checks": [{"name": "a stranger gets 401", "ok": False, "seen": "200."}]},
            ["https://llm.example.com: expected a stranger gets 401, found 200; run site.yml."],
            id="a-promise-is-broken",
        ),
        pytest.param(
            "probe",
            {"checks": [{"name": name, "ok": False, "seen": f"{name}[Errno 111] Connection refused"} for name in ("", "GET /v1/models: ")]},
            ["https://llm.example.com: expected an answer, found [Errno 111] Connection refused; run site.yml."],
            id="nobody-answers-at-all",
        ),
        pytest.param(
            "problems",
            {
                "texts": [
                    "Task failed: Finalization of task args failed: The filter plugin 'llm.host.ollama_files' failed: ollama_bind is bad: write one."
                ]
            },
            ["the declaration: expected one that can be carried out, found ollama_bind is bad: write one; mend the inventory."],
            id="what-ansible-wraps-around-a-sentence-goes",
        ),
    ],
)
def test_what_is_not_as_declared_is_said_with_the_way_back(kind, result, expected):
    assert texts(kind, result) == expected


def tailscale(**changed: t.Any) -> dict[str, t.Any]:
    return {"differences": [], "actions": [], "version": "1.96.4", "key_days_left": None, "key_expiry": "", "foreign_serve": [], **changed}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(tailscale(key_days_left=15), [], id="a-key-that-holds"),
        pytest.param(
            tailscale(key_days_left=14, key_expiry="2026-12-12T00:00:00Z"), ["one that expires on 2026-12-12; extend it"], id="soon"
        ),
        pytest.param(
            tailscale(key_days_left=-1, key_expiry="2026-11-27T00:00:00Z"), ["one that expired on 2026-11-27; extend it"], id="expired"
        ),
        pytest.param(
            tailscale(differences=[{"name": "ssh", "wanted": "false", "found": "true"}]),
            ["tailscale's ssh: expected false, found true; run site.yml."],
            id="a-setting",
        ),
        pytest.param(tailscale(actions=["start"]), ["tailscaled.service: expected enabled and running, found not so"], id="no-daemon"),
        pytest.param(
            tailscale(foreign_serve=["http:80 -> http://127.0.0.1:1"]), ["found http:80 -> http://127.0.0.1:1; declare it"], id="served"
        ),
    ],
)
def test_what_a_node_of_a_tailnet_is_not(result, expected):
    found = drift({"tailscale": result}, "gpu-01", {"expiry_warning_days": 14})
    assert len(found) == len(expected)
    assert all(part in entry["text"] for part, entry in zip(expected, found))


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        pytest.param([], [], id="as-declared"),
        pytest.param(
            ["install", "hold"], ["the package tailscale: expected version 1.96.4, found 1.90.0; run site.yml."], id="another-version"
        ),
        pytest.param(["hold"], ["the package tailscale: expected held, found not held; run site.yml."], id="not-held"),
        pytest.param(["purge"], ["the package tailscale: expected nothing, found 1.90.0; run site.yml."], id="there-after-it-left"),
    ],
)
def test_what_the_package_of_tailscale_is_not(actions, expected):
    result = {"actions": actions, "version": "1.96.4", "before": "1.90.0", "diff": []}
    assert texts("tailscale_package", result) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param('Environment="MY_TOKEN=hunter2"\n', "", id="a-variable-that-is-not-declared"),
        pytest.param(
            'Environment="HTTPS_PROXY=http://me:hunter2@proxy"\n', 'Environment="HTTPS_PROXY=http://proxy"\n', id="a-proxy-with-a-password"
        ),
        pytest.param("# hunter2\n", "", id="a-comment"),
    ],
)
def test_no_secret_that_somebody_wrote_into_a_file_is_shown(before, after):
    (entry,) = drift({"files": file(before, f"{after}User=ollama\n")}, "gpu-01", DECLARED)
    assert "hunter2" not in str(entry)


def test_an_entry_can_be_read_by_machines():
    assert drift({"service": service("start", version="")}, "gpu-01", DECLARED) == [
        {
            "host": "gpu-01",
            "what": "ollama.service",
            "expected": "running",
            "found": "stopped",
            "mend": "run site.yml",
            "text": "gpu-01: ollama.service: expected running, found stopped; run site.yml.",
        }
    ]


@pytest.mark.parametrize(
    ("address", "source", "texts"),
    [
        pytest.param("10.86.0.7", "10.86.0.9", [], id="a-member-at-the-address-that-is-meant"),
        pytest.param(
            "10.86.0.7", "10.20.0.9", ["10.86.0.7 port 11434: expected no answer to localhost, which comes from 10.20.0.9"], id="a-stranger"
        ),
        pytest.param(
            "203.0.113.7",
            "10.86.0.9",
            ["203.0.113.7 port 11434: expected no answer to localhost, which comes from 10.86.0.9"],
            id="elsewhere",
        ),
    ],
)
def test_who_gets_in_from_where_one_should_not(address, source, texts):
    looked = [{"item": "localhost", "reached": [{"address": address, "port": 11434, "source": source}]}]
    found = drift({"reach": looked}, "gpu", {"addresses": ["10.86.0.7"], "members": ["10.86.0.0/16"]})
    assert [entry["text"].removeprefix("gpu: ").partition(", found")[0] for entry in found] == texts


def unit(*actions: str, reasons: tuple[str, ...] = (), fault: str = "") -> dict[str, t.Any]:
    return {"services": [{"name": "mtail.service", "actions": list(actions), "reasons": list(reasons), "fault": fault}]}


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        pytest.param("units", unit(), [], id="a-unit-as-declared"),
        pytest.param(
            "units", unit("enable", "start"),
            ["mtail.service: expected a unit that starts at boot, found one that does not; run site.yml.",
             "mtail.service: expected running, found stopped; run site.yml."],
            id="a-unit-that-does-not-run",
        ),
        pytest.param(
            "units", unit("restart", reasons=("/a changed after the start",)),
            ["mtail.service: expected running with what is configured, found running with older files (/a changed after the start); run site.yml."],
            id="a-unit-that-runs-with-older-files",
        ),
        pytest.param(
            "units", unit(fault="connection refused"),
            ["mtail.service: expected an answer, found connection refused; look at journalctl --unit mtail.service."],
            id="a-unit-that-does-not-answer",
        ),
        pytest.param("identity", {"due": ""}, [], id="a-good-certificate"),
        pytest.param(
            "identity", {"due": "it expires on 2027-01-26"},
            ["/etc/i.crt: expected a valid certificate for this host, found it expires on 2027-01-26; run site.yml."],
            id="a-certificate-that-is-due",
        ),
        pytest.param(
            "packages", {"missing_packages": ["mtail"]}, ["the package mtail: expected one that is installed, found nothing; run site.yml."],
            id="a-package-that-is-missing",
        ),
    ],
)  # fmt: skip
def test_what_the_exporters_of_a_host_are_not(kind, result, expected):
    entries = drift({kind: result}, "gpu-01", {"identity": "/etc/i.crt"})
    assert [entry["text"].removeprefix("gpu-01: ") for entry in entries] == expected
