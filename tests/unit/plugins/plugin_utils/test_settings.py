# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._settings import SettingsError, check_instances, instance_environment, misspelt

DEFAULT = {"name": "default", "port": 11434}
SETTINGS: dict[str, t.Any] = {
    "instances": [DEFAULT],
    "bind": "loopback",
    "host": "127.0.0.1",
    "private_networks": [],
    "accept_exposed_api": False,
    "models_dir": "/usr/share/ollama/.ollama/models",
    "keep_alive": "30m",
    "num_parallel": 1,
    "max_queue": 512,
    "max_loaded_models": None,
    "context_length": None,
    "flash_attention": None,
    "kv_cache_type": None,
    "no_cloud": True,
    "origins": [],
    "https_proxy": "",
    "http_proxy": "",
    "no_proxy": [],
    "environment": {},
    "secret_environment": {},
}


def environment(instance: dict[str, t.Any] = DEFAULT, *, first: bool = True, **changed: t.Any):
    return instance_environment({**SETTINGS, **changed}, instance=instance, first=first)


def test_defaults_say_what_they_mean_and_leave_the_rest_to_ollama():
    assert environment().public == {
        "OLLAMA_HOST": "127.0.0.1:11434",
        "OLLAMA_KEEP_ALIVE": "30m",
        "OLLAMA_MAX_QUEUE": "512",
        "OLLAMA_MODELS": "/usr/share/ollama/.ollama/models",
        "OLLAMA_NO_CLOUD": "true",
        "OLLAMA_NUM_PARALLEL": "1",
    }


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        pytest.param(
            {"flash_attention": "off"}, "OLLAMA_FLASH_ATTENTION", "false", id="off-means-false-and-not-true-as-ollama-would-read-it"
        ),
        pytest.param({"no_cloud": "no"}, "OLLAMA_NO_CLOUD", "false", id="no-means-false"),
        pytest.param({"keep_alive": -1}, "OLLAMA_KEEP_ALIVE", "-1", id="keep-alive-for-ever"),
        pytest.param({"keep_alive": "1h30m"}, "OLLAMA_KEEP_ALIVE", "1h30m", id="keep-alive-as-a-go-duration"),
        pytest.param({"bind": "::1"}, "OLLAMA_HOST", "[::1]:11434", id="ipv6-loopback-gets-brackets"),
        pytest.param(
            {"bind": "10.1.2.3", "private_networks": ["10.0.0.0/8"]},
            "OLLAMA_HOST",
            "10.1.2.3:11434",
            id="an-address-the-inventory-calls-private",
        ),
        pytest.param(
            {"bind": "tailscale", "host": "100.101.102.103"}, "OLLAMA_HOST", "100.101.102.103:11434", id="the-address-that-a-tailnet-gave"
        ),
        pytest.param({"bind": "eth1", "host": "fd00::7"}, "OLLAMA_HOST", "[fd00::7]:11434", id="the-address-of-an-interface"),
        pytest.param(
            {"bind": "0.0.0.0", "accept_exposed_api": True},
            "OLLAMA_HOST",
            "0.0.0.0:11434",
            id="all-addresses-when-accepted-in-so-many-words",
        ),
        pytest.param(
            {"origins": ["https://*.example.com", "app://x"][:1]}, "OLLAMA_ORIGINS", "https://*.example.com", id="a-wildcard-origin"
        ),
        pytest.param({"environment": {"OLLAMA_DEBUG": 1}}, "OLLAMA_DEBUG", "1", id="a-free-number"),
        pytest.param({"environment": {"OLLAMA_SCHED_SPREAD": True}}, "OLLAMA_SCHED_SPREAD", "true", id="a-free-boolean"),
        pytest.param({"environment": {"GGML_X": 'a "b" %c \\'}}, "GGML_X", 'a "b" %c \\', id="any-text-in-a-free-variable"),
        pytest.param(
            {"https_proxy": "http://proxy:3128"}, "NO_PROXY", "localhost,127.0.0.1,::1", id="a-proxy-is-never-used-for-the-host-itself"
        ),
    ],
)
def test_a_setting_becomes(changed, name, value):
    assert environment(**changed).public[name] == value


@pytest.mark.parametrize(
    ("changed", "variable"),
    [
        pytest.param({"keep_alive": "soon"}, "ollama_keep_alive", id="keep-alive-soon"),
        pytest.param({"keep_alive": ""}, "ollama_keep_alive", id="keep-alive-empty"),
        pytest.param({"bind": "0.0.0.0"}, "ollama_accept_exposed_api", id="all-addresses"),
        pytest.param(
            {"bind": "0.0.0.0", "private_networks": ["0.0.0.0/0"]},
            "ollama_private_networks[0] is 0.0.0.0/0",
            id="all-addresses-called-private",
        ),
        pytest.param(
            {"bind": "10.1.2.3", "private_networks": ["10.0.0.0/8", "203.0.113.0/24"]},
            "of which the internet has addresses",
            id="a-public-network",
        ),
        pytest.param({"bind": "gpu-01.example.com"}, "the name of an interface", id="a-host-name"),
        pytest.param({"bind": "tailscale", "origins": ["*"]}, "any web page", id="every-page-in-a-private-network"),
        pytest.param({"bind": "203.0.113.9"}, "ollama_private_networks", id="a-public-address"),
        pytest.param({"bind": "10.1.2.3", "private_networks": ["10.0.0/x"]}, "ollama_private_networks[0]", id="a-network-that-is-none"),
        pytest.param({"bind": "http://127.0.0.1"}, "ollama_bind", id="a-url-for-an-address"),
        pytest.param({"bind": "127.0.0.1:11434"}, "ollama_bind", id="a-port-in-the-address"),
        pytest.param({"models_dir": "models"}, "ollama_models_dir", id="a-relative-store"),
        pytest.param({"num_parallel": 0}, "ollama_num_parallel", id="no-slot"),
        pytest.param({"num_parallel": "four"}, "ollama_num_parallel", id="a-word-for-a-number"),
        pytest.param({"num_parallel": True}, "ollama_num_parallel", id="a-boolean-for-a-number"),
        pytest.param({"flash_attention": "maybe"}, "ollama_flash_attention", id="maybe"),
        pytest.param({"kv_cache_type": "q3"}, "ollama_kv_cache_type", id="an-unknown-cache-type"),
        pytest.param({"origins": ["example.com"]}, "ollama_origins[0]", id="an-origin-without-scheme-would-make-ollama-panic"),
        pytest.param({"origins": ["https://a", "a, b"]}, "ollama_origins[1]", id="two-origins-in-one"),
        pytest.param({"origins": ["https://*.*.x"]}, "ollama_origins[0]", id="two-wildcards"),
        pytest.param({"https_proxy": "proxy:3128"}, "ollama_https_proxy", id="a-proxy-without-scheme"),
        pytest.param({"environment": {"OLLAMA_KEEPALIVE": "1h"}}, "ollama_keep_alive", id="a-misspelt-variable-is-told-its-name"),
        pytest.param({"environment": {"OLLAMA_KEEP_ALIVE": "1h"}}, "ollama_keep_alive", id="a-typed-variable-through-the-back-door"),
        pytest.param({"environment": {"OLLAMA_GPU_LAYERS": 3}}, "num_gpu", id="a-variable-that-never-existed"),
        pytest.param({"environment": {"OLLAMA_VULKAN": "off"}}, "takes for true", id="off-in-a-free-boolean"),
        pytest.param({"environment": {"A B": "x"}}, "ollama_environment.A B", id="a-name-with-a-blank"),
        pytest.param({"environment": {"A": "x\ny"}}, "ollama_environment.A", id="two-lines"),
        pytest.param({"environment": {"A": ["x"]}}, "ollama_environment.A", id="a-list"),
        pytest.param({"secret_environment": {"https_proxy": "x"}}, "ollama_https_proxy", id="a-proxy-in-lower-case"),
    ],
)
def test_bad_input_is_named(changed, variable):
    with pytest.raises(SettingsError) as caught:
        environment(**changed)
    assert variable in str(caught.value)


def test_a_proxy_with_a_password_is_for_roots_eyes_only():
    found = environment(https_proxy="http://user:hunter2@proxy:3128", secret_environment={"HF_TOKEN": "s3cret"})
    assert found.secret == {"HF_TOKEN": "s3cret", "HTTPS_PROXY": "http://user:hunter2@proxy:3128"}
    assert "hunter2" not in str(found.public)


def test_only_the_first_instance_prunes_the_shared_store():
    assert "OLLAMA_NOPRUNE" not in environment(first=True).public
    assert environment(first=False).public["OLLAMA_NOPRUNE"] == "true"


@pytest.mark.parametrize(
    ("gpus", "mask"),
    [
        pytest.param(["GPU-8ac5ad6b-3ebb-4e22-a2a0-3f1d7ae1f3ee"], "CUDA_VISIBLE_DEVICES", id="nvidia"),
        pytest.param(["GPU-4b2c1a9f3d7e5f60"], "ROCR_VISIBLE_DEVICES", id="amd"),
    ],
)
def test_a_masked_gpu_does_not_come_back_through_vulkan(gpus, mask):
    public = environment({"name": "gpu0", "port": 11434, "gpus": gpus}).public
    assert (public[mask], public["OLLAMA_VULKAN"]) == (gpus[0], "false")


@pytest.mark.parametrize(
    ("instances", "sentence"),
    [
        pytest.param([], "is empty", id="none"),
        pytest.param([DEFAULT, {"name": "default", "port": 1}], "both named 'default'", id="one-name-twice"),
        pytest.param([DEFAULT, {"name": "b", "port": 11434}], "both use port 11434", id="one-port-twice"),
        pytest.param([{"name": "a b", "port": 1}], "ollama_instances[0].name", id="a-name-with-a-blank"),
        pytest.param([{"name": "a", "port": 70000}], "ollama_instances[0].port", id="a-port-that-is-none"),
        pytest.param([{"name": "a", "port": 1, "gpus": ["first"]}], "nvidia-smi -L", id="a-gpu-that-is-none"),
    ],
)
def test_instances_that_cannot_be_units_are_refused(instances, sentence):
    with pytest.raises(SettingsError) as caught:
        check_instances(instances)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("ollama_keep_alvie", [("ollama_keep_alvie", "ollama_keep_alive")], id="a-typing-slip"),
        pytest.param("ollama_keep_alive", [], id="the-right-name"),
        pytest.param("ollama_team_contact", [], id="a-variable-of-the-team-itself"),
    ],
)
def test_misspelt_variables_are_found(name, found):
    assert misspelt([name], known=["ollama_keep_alive", "ollama_version"]) == found
