# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import yaml
from shared import MESSAGES, show

# A configuration of LiteLLM's proxy, which comes in by stdin, read by the part of it that chooses a model.
models = yaml.safe_load(sys.stdin)["model_list"]
litellm.suppress_debug_info = True
router = litellm.Router(model_list=models, num_retries=0)

show(
    models=router.get_model_names(),
    chat=router.completion(model=models[0]["model_name"], messages=MESSAGES, max_tokens=16).choices[0].message.content,
)
