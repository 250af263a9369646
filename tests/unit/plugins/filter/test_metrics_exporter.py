# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._metrics_exporter import exporter_config
from ansible_collections.llm.host.plugins.plugin_utils._metrics_program import program_files

DEFAULTS = {
    "ollama_version": "0.32.15",
    "ollama_models_dir": "/usr/share/ollama/.ollama/models",
    "ollama_instances": [{"name": "default", "port": 11434}],
}
GROUPS = {"ollama": ["gpu-01"], "tailscale": ["gpu-01"]}
DIGEST = "a" * 64


def config(variables, vendors=(), bound=None):
    return exporter_config("gpu-01", {"gpu-01": variables}, GROUPS, DEFAULTS, vendors, bound)


def test_a_host_that_says_nothing_has_the_defaults_of_the_role():
    assert config({}) == {
        "version": "0.32.15",
        "servers": [{"name": "default", "url": "http://127.0.0.1:11434", "gpus_expected": False}],
        "stores": [{"path": "/usr/share/ollama/.ollama/models", "at": "/mnt/0"}],
        "models": [],
        "kept": [],
        "exclusive": False,
        "gpus_expected": None,
        "tailscale": True,
    }


def test_a_host_without_ollama_tells_of_the_tailnet_only():
    found = exporter_config("edge", {"edge": {}}, GROUPS, DEFAULTS)
    assert found == {"servers": [], "stores": [], "models": [], "gpus_expected": None, "tailscale": False}


@pytest.mark.parametrize(
    ("variables", "vendors", "expected", "count"),
    [
        pytest.param({}, ["nvidia"], [True], None, id="the-host-has-gpus"),
        pytest.param({}, ["intel"], [False], None, id="none-that-ollama-computes-with"),
        pytest.param({"ollama_expect_gpu": False}, ["nvidia"], [False], None, id="none-is-expected"),
        pytest.param(
            {"ollama_instances": [{"name": "a", "port": 1, "gpus": ["x", "y"]}, {"name": "b", "port": 2, "gpus": ["y"]}]}, [], [True, True], 2,
            id="named-ones-are-expected-also-where-they-are-lost",
        ),
        pytest.param({"ollama_instances": [{"name": "a", "port": 1, "gpus": []}]}, ["nvidia"], [False], None, id="an-instance-without-gpus"),
        pytest.param({"metrics_gpus": 4}, [], [True], 4, id="said"),
        pytest.param({"metrics_gpus": 0}, ["nvidia"], [False], 0, id="said-that-there-are-none"),
    ],
)  # fmt: skip
def test_which_gpus_are_expected(variables, vendors, expected, count):
    found = config(variables, vendors)
    assert [server["gpus_expected"] for server in found["servers"]] == expected
    assert found["gpus_expected"] == count


@pytest.mark.parametrize(
    ("bind", "bound", "url"),
    [
        pytest.param("loopback", None, "http://127.0.0.1:11434", id="loopback"),
        pytest.param("10.20.0.5", None, "http://10.20.0.5:11434", id="an-address"),
        pytest.param("0.0.0.0", None, "http://127.0.0.1:11434", id="everywhere"),
        pytest.param("fd00::5", None, "http://[fd00::5]:11434", id="ipv6"),
        pytest.param("tailscale", {"addresses": ["100.64.0.3"]}, "http://100.64.0.3:11434", id="as-the-host-told"),
        pytest.param("tailscale", None, "http://100.64.0.0:11434", id="not-known-yet"),
    ],
)
def test_where_the_host_asks_its_servers(bind, bound, url):
    assert config({"ollama_bind": bind}, bound=bound)["servers"][0]["url"] == url


def test_models_have_their_pin_or_the_lock_and_built_ones_none():
    found = config(
        {
            "ollama_models": [
                {"name": "pinned", "digest": DIGEST},
                {"name": "locked:latest"},
                {"name": "free"},
                {"name": "built", "from": "base:1b"},
                {"name": "written", "modelfile_content": "FROM other\nPARAMETER num_ctx 1\n"},
                {"name": "weights", "from": "/data/model.gguf"},
                {"name": "gone", "state": "absent"},
            ],
            "ollama_models_lock": {"locked": "sha256:" + DIGEST, "built": DIGEST},
            "ollama_models_exclusive": True,
        }
    )
    assert found["models"] == [
        {"name": "pinned", "digest": DIGEST},
        {"name": "locked:latest", "digest": "sha256:" + DIGEST},
        *({"name": name} for name in ("free", "built", "written", "weights")),
    ]
    assert (found["kept"], found["exclusive"]) == (["base:1b", "other"], True)


def test_a_program_brings_what_it_imports(tmp_path):
    utils = tmp_path / "plugins" / "module_utils"
    utils.mkdir(parents=True)
    start = "from ansible_collections.llm.host.plugins.module_utils."
    (utils / "_a.py").write_text(f"{start}_b import B\n")
    (utils / "_b.py").write_text(f"{start}_a import A\n")
    (utils / "_c.py").write_text("")
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(f"import json\n{start}_a import A\n")
    assert program_files(str(program), "/lib", tmp_path) == [
        {"path": f"/lib/{path}", "content": text, "shown": False}
        for path, text in (
            ("ansible_collections/llm/host/plugins/module_utils/_a.py", f"{start}_b import B\n"),
            ("ansible_collections/llm/host/plugins/module_utils/_b.py", f"{start}_a import A\n"),
            ("program/__main__.py", f"import json\n{start}_a import A\n"),
        )
    ]
