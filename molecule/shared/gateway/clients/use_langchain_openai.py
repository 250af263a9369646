# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from shared import CHAT, EMBED, KEY, URL, WRONG_KEY, problem, show


def chat(model: str = CHAT, key: str = KEY) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key=key, max_tokens=16)


def embeddings(model: str = EMBED) -> OpenAIEmbeddings:
    # Otherwise it sends numbers of tokens as OpenAI's own models count them.
    return OpenAIEmbeddings(model=model, base_url=f"{URL}/v1", api_key=KEY, check_embedding_ctx_length=False)


show(
    chat=chat().invoke("hello").text,
    stream=[piece.text for piece in chat().stream("hello")],
    embedding=embeddings().embed_query("hello"),
    wrong_key_chat=problem(lambda: chat(key=WRONG_KEY).invoke("hello")),
    unknown_model=problem(lambda: chat("no-such-model").invoke("hello")),
    unknown_embedding=problem(lambda: embeddings("no-such-model").embed_query("hello")),
)
