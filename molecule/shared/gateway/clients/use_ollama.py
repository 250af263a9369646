# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ollama
from shared import CHAT, EMBED, KEY, MESSAGES, URL, WRONG_KEY, problem, show

client = ollama.Client(host=URL, headers={"Authorization": f"Bearer {KEY}"})
wrong = ollama.Client(host=URL, headers={"Authorization": f"Bearer {WRONG_KEY}"})
options = {"num_predict": 16}

show(
    models=[model.model for model in client.list().models],
    chat=client.chat(model=CHAT, messages=MESSAGES, options=options).message.content,
    stream=[event.message.content for event in client.chat(model=CHAT, messages=MESSAGES, options=options, stream=True)],
    embedding=client.embed(model=EMBED, input="hello").embeddings[0],
    wrong_key=problem(wrong.list),
    wrong_key_chat=problem(lambda: wrong.chat(model=CHAT, messages=MESSAGES)),
    unknown_model=problem(lambda: client.chat(model="no-such-model", messages=MESSAGES)),
    unknown_embedding=problem(lambda: client.embed(model="no-such-model", input="hello")),
    not_an_admin=problem(lambda: client.pull(CHAT)),
)
