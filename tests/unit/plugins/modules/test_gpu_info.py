# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module returns, and that its documentation says the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from machines import MACHINES, NAMES, lay_out, recording

from ansible_collections.llm.host.plugins.module_utils._machine import Recorded
from ansible_collections.llm.host.plugins.modules import gpu_info

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


@pytest.mark.parametrize(
    ("machine", "sentences"),
    [
        pytest.param("mismatch", ["The NVIDIA driver that runs is 550.144.03, and the libraries are those of 550.163.01."], id="mismatch"),
        pytest.param("nouveau", ["nouveau drives 0000:01:00.0, so the NVIDIA driver cannot."], id="nouveau"),
        pytest.param(
            "amd-old-driver", ["The driver amdgpu 6.3.6 is older than ROCm 7, which Ollama is built with."], id="an-old-driver-of-amd"
        ),
        *[pytest.param(name, [], id=name) for name in NAMES if name not in ("mismatch", "nouveau", "amd-old-driver")],
    ],
)
def test_problems_of_recorded_machines(tmp_path, machine, sentences):
    assert [problem["what"] for problem in gpu_info.look(Recorded(lay_out(recording(machine), tmp_path)))["problems"]] == sentences


@pytest.mark.parametrize("machine", NAMES)
def test_every_value_is_documented_with_its_type(tmp_path, machine):
    def check(values, documented, where):
        assert set(values) == set(documented), where
        for name, value in values.items():
            entry = documented[name]
            assert value is None or isinstance(value, TYPES[entry["type"]]), f"{where}.{name}"
            for part in [value] if isinstance(value, dict) else value if isinstance(value, list) else []:
                if "contains" in entry:
                    check(part, entry["contains"], f"{where}.{name}")

    check(gpu_info.look(Recorded(lay_out(recording(machine), tmp_path))), yaml.safe_load(gpu_info.RETURN), machine)


@pytest.mark.parametrize("check_mode", [False, True], ids=["for-real", "check-mode"])
def test_it_changes_nothing_and_says_the_same_in_check_mode(tmp_path, capsys, check_mode):
    lay_out(recording("one-nvidia"), tmp_path)
    with patch_module_args({"root": str(tmp_path), "_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
        gpu_info.main()
    result = json.loads(capsys.readouterr().out)
    assert (result["changed"], result["gpus"][0]["name"], result["problems"]) == (False, "NVIDIA GeForce RTX 4090", [])


def test_a_root_that_is_no_directory_is_refused(tmp_path, capsys):
    with patch_module_args({"root": str(tmp_path / "none")}), pytest.raises(SystemExit):
        gpu_info.main()
    assert "write the root directory of a machine" in json.loads(capsys.readouterr().out)["msg"]


@pytest.mark.parametrize("machine", NAMES)
def test_a_recording_is_what_the_recorder_writes_with_other_ids(tmp_path, machine):
    """So it holds what the module reads and no more, and the recorder misses nothing."""
    lay_out(recording(machine), tmp_path)
    command = [sys.executable, str(MACHINES / "record.py"), "--root", str(tmp_path)]
    written = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    mine = recording(machine)
    assert not [uuid for uuid in UUID.findall(json.dumps(list(mine.values()))) if uuid in written]
    assert masked(json.loads(written)) == masked(mine)


def masked(machine):
    """Without what the recorder replaces."""
    secret = ("unique_id", "mok.pub", "MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23")
    text = json.dumps({path: "" if path.endswith(secret) else content for path, content in machine.items()}, sort_keys=True)
    return json.loads(UUID.sub("", text))
