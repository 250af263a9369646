# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ollama says about its devices, in the words of several versions."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.modules.ollama_gpu_info import found_gpus

SEARCH = 'time=2026 level=INFO source=runner.go:67 msg="discovering available GPUs..."'
CPU = 'time=2026 level=INFO source=types.go:60 msg="inference compute" id=cpu library=cpu compute="" name=cpu description=cpu type="" total="31.1 GiB"'
CUDA = (
    'time=2026 level=INFO source=types.go:42 msg="inference compute" id=GPU-1 library=CUDA compute=8.9 name=CUDA0 description="NVIDIA L40S" '
    'type=discrete total="44.5 GiB"'
)
OLDER = (
    'time=2025 level=INFO source=types.go:131 msg="inference compute" id=GPU-2 library=cuda variant=v12 name="Tesla T4" total="14.6 GiB"'
)
GRAPHICS = CUDA.replace("library=CUDA", "library=Vulkan").replace("type=discrete", "type=iGPU")


@pytest.mark.parametrize(
    ("lines", "gpus"),
    [
        pytest.param([SEARCH, CPU], [], id="the-cpu-only"),
        pytest.param([SEARCH, CUDA], ["CUDA NVIDIA L40S"], id="a-gpu"),
        pytest.param([OLDER], ["cuda Tesla T4"], id="a-gpu-of-an-older-version"),
        pytest.param([SEARCH, GRAPHICS], [], id="graphics-of-the-processor"),
        pytest.param([SEARCH, CUDA, SEARCH, CPU], [], id="the-last-start-counts"),
        pytest.param([], None, id="a-journal-that-begins-later"),
        pytest.param(["[GIN] 200 | GET /api/tags"], None, id="other-lines"),
    ],
)
def test_gpus_are_those_that_it_computes_on(lines, gpus):
    assert found_gpus(lines) == gpus
