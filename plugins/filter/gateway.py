# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role gateway: what is wrong with its settings, which certificate is due, what page and configurations say."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._bind import wait_file, waits
from ansible_collections.llm.host.plugins.plugin_utils._gateway import (
    certificate_due,
    certificate_problems,
    gateway_problems,
    model_keys,
    subject_alt_names,
)
from ansible_collections.llm.host.plugins.plugin_utils._gateway_acme import acme_due, acme_failure, certbot_options
from ansible_collections.llm.host.plugins.plugin_utils._gateway_page import page_example, page_models
from ansible_collections.llm.host.plugins.plugin_utils._gateway_texts import basic_pattern, bytes_of, error_bodies

SERVICE = "llm-gateway"


def gateway_wait(addresses: t.Iterable[str]) -> dict[str, t.Any]:
    """How the web server waits at boot until the host has these addresses: ``lines`` for ``[Unit]``, and the ``file`` that they need."""
    return {"lines": waits(SERVICE, addresses), "file": wait_file(SERVICE)}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "gateway_acme_due": acme_due,
            "gateway_acme_failure": acme_failure,
            "gateway_alt_names": subject_alt_names,
            "gateway_basic_pattern": basic_pattern,
            "gateway_bytes": bytes_of,
            "gateway_certbot_options": certbot_options,
            "gateway_certificate_due": certificate_due,
            "gateway_certificate_problems": certificate_problems,
            "gateway_error_bodies": error_bodies,
            "gateway_model_keys": model_keys,
            "gateway_page_example": page_example,
            "gateway_page_models": page_models,
            "gateway_problems": gateway_problems,
            "gateway_wait": gateway_wait,
        }
