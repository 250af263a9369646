# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import openai
from shared import CHAT, EMBED, KEY, MESSAGES, URL, WRONG_KEY, problem, show

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY)
wrong = openai.OpenAI(base_url=f"{URL}/v1", api_key=WRONG_KEY)
stream = client.chat.completions.create(model=CHAT, messages=MESSAGES, max_tokens=16, stream=True)
counted = client.chat.completions.create(model=CHAT, messages=MESSAGES, max_tokens=16, stream=True, stream_options={"include_usage": True})

show(
    models=[model.id for model in client.models.list()],
    chat=client.chat.completions.create(model=CHAT, messages=MESSAGES, max_tokens=16).choices[0].message.content,
    response=client.responses.create(model=CHAT, input="hello", max_output_tokens=16).output_text,
    stream=[event.choices[0].delta.content for event in stream if event.choices],
    counters=[event.usage.model_dump(exclude_none=True) for event in counted if event.usage],
    uncounted=[event.choices for event in client.completions.create(model=CHAT, prompt="hello", max_tokens=4, stream=True) if event.usage],
    embedding=client.embeddings.create(model=EMBED, input="hello").data[0].embedding,
    wrong_key=problem(wrong.models.list),
    wrong_key_chat=problem(lambda: wrong.chat.completions.create(model=CHAT, messages=MESSAGES)),
    unknown_model=problem(lambda: client.chat.completions.create(model="no-such-model", messages=MESSAGES)),
    unknown_embedding=problem(lambda: client.embeddings.create(model="no-such-model", input="hello")),
)
