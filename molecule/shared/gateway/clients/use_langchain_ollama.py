# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from langchain_ollama import ChatOllama, OllamaEmbeddings
from shared import CHAT, EMBED, KEY, URL, WRONG_KEY, problem, show


def headers(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


def chat(model: str = CHAT, key: str = KEY) -> ChatOllama:
    return ChatOllama(model=model, base_url=URL, client_kwargs=headers(key), num_predict=16)


def embeddings(model: str = EMBED) -> OllamaEmbeddings:
    return OllamaEmbeddings(model=model, base_url=URL, client_kwargs=headers(KEY))


show(
    chat=chat().invoke("hello").text,
    stream=[piece.text for piece in chat().stream("hello")],
    embedding=embeddings().embed_query("hello"),
    wrong_key_chat=problem(lambda: chat(key=WRONG_KEY).invoke("hello")),
    unknown_model=problem(lambda: chat("no-such-model").invoke("hello")),
    unknown_embedding=problem(lambda: embeddings("no-such-model").embed_query("hello")),
)
