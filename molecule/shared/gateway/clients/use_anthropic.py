# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import anthropic
from shared import CHAT, KEY, MESSAGES, URL, WRONG_KEY, problem, show

# A key goes as x-api-key, a token as Authorization: Bearer.
client = anthropic.Anthropic(base_url=URL, api_key=KEY)
bearer = anthropic.Anthropic(base_url=URL, api_key=None, auth_token=KEY)
wrong = anthropic.Anthropic(base_url=URL, api_key=WRONG_KEY)

with client.messages.stream(model=CHAT, messages=MESSAGES, max_tokens=16) as stream:
    pieces = list(stream.text_stream)

show(
    models=[model.id for model in client.models.list()],
    chat=client.messages.create(model=CHAT, messages=MESSAGES, max_tokens=16).content[0].text,
    bearer=bearer.messages.create(model=CHAT, messages=MESSAGES, max_tokens=16).content[0].text,
    stream=pieces,
    wrong_key=problem(wrong.models.list),
    wrong_key_chat=problem(lambda: wrong.messages.create(model=CHAT, messages=MESSAGES, max_tokens=16)),
    unknown_model=problem(lambda: client.messages.create(model="no-such-model", messages=MESSAGES, max_tokens=16)),
)
