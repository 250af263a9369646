# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

# Otherwise it asks the internet for a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from shared import CHAT, EMBED, KEY, MESSAGES, URL, WRONG_KEY, problem, show

V1 = f"{URL}/v1"
litellm.suppress_debug_info = True


def chat(model: str = f"openai/{CHAT}", base: str = V1, key: str = KEY, stream: bool = False) -> litellm.ModelResponse:
    return litellm.completion(model=model, api_base=base, api_key=key, messages=MESSAGES, max_tokens=16, stream=stream)


show(
    models=litellm.get_valid_models(check_provider_endpoint=True, custom_llm_provider="openai", api_key=KEY, api_base=V1),
    chat=chat().choices[0].message.content,
    as_ollama=chat(f"ollama_chat/{CHAT}", URL).choices[0].message.content,
    as_anthropic=chat(f"anthropic/{CHAT}", URL).choices[0].message.content,
    stream=[event.choices[0].delta.content for event in chat(stream=True)],
    embedding=litellm.embedding(model=f"openai/{EMBED}", api_base=V1, api_key=KEY, input=["hello"]).data[0]["embedding"],
    wrong_key_chat=problem(lambda: chat(key=WRONG_KEY)),
    wrong_key_as_ollama=problem(lambda: chat(f"ollama_chat/{CHAT}", URL, WRONG_KEY)),
    unknown_model=problem(lambda: chat("openai/no-such-model")),
)
