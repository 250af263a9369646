#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_report
short_description: Tokens, requests and errors by user, model and day, from Prometheus
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Asks the Prometheus of this host for what the gateways counted. Days are those of UTC.
  - Numbers are exact, for days that are over and of which no sample is missing. A request is counted on the day on which Prometheus first saw that
    it was counted, which is up to one scrape after it ended.
  - Counters that began within a day count from 0, and so do those whose process was started anew.
  - An error is an answer with a status of 400 or more, also 499, the client that went away.
  - Changes nothing.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
  idempotent:
    support: full
options:
  url:
    description: Where Prometheus answers.
    type: str
    default: http://127.0.0.1:9090
  days:
    description: How many days, today among them.
    type: int
    default: 7
  interval:
    description: Every how many seconds Prometheus reads the metrics of the gateways. What it misses is told by this.
    type: float
    default: 15
  timeout:
    description: How many seconds an answer of Prometheus may take.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Count the last month
  llm.host.usage_report:
    days: 31
  register: usage
"""

RETURN = r"""
rows:
  description: What each user used of each model on each day. A day without any has one row without user and model.
  returned: success
  type: list
  elements: dict
  contains:
    day:
      description: The day.
      type: str
    user:
      description: The user, as the metrics call them.
      type: str
    model:
      description: The model.
      type: str
    requests:
      description: How many requests. None when nothing is known of that day.
      type: int
    errors:
      description: How many of them were answered with an error.
      type: int
    prompt_tokens:
      description: Tokens of prompts.
      type: int
    completion_tokens:
      description: Tokens of answers.
      type: int
    missing_minutes:
      description: For how many minutes of the day the metrics of a gateway were not read.
      type: int
    closed:
      description: Whether the day is over.
      type: bool
  sample:
    - {day: "2026-11-27", user: alice, model: "llama3.2:1b", requests: 12, errors: 0, prompt_tokens: 310, completion_tokens: 2204, missing_minutes: 0,
       closed: true}
report:
  description: The same as a table for people.
  returned: success
  type: str
  sample: "day         user   model        requests  errors  prompt tokens  completion tokens"
csv:
  description: The same as CSV, the first line with the names of the columns.
  returned: success
  type: str
  sample: "day,user,model,requests,errors,prompt_tokens,completion_tokens,missing_minutes,closed"
"""

import csv
import dataclasses
import io
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._prometheus import Prometheus, PrometheusError
from ansible_collections.llm.host.plugins.module_utils._usage import report, table, usage


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:9090"},
            "days": {"type": "int", "default": 7},
            "interval": {"type": "float", "default": 15},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    days = module.params["days"]
    if days < 1:
        module.fail_json(msg=f"days is {days}: write 1 for today, or more.")
    try:
        rows = usage(
            Prometheus(module.params["url"], timeout=module.params["timeout"]),
            days=days,
            now=time.time(),
            interval=module.params["interval"],
        )
    except PrometheusError as error:
        module.fail_json(msg=str(error))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table(rows))
    module.exit_json(changed=False, rows=[dataclasses.asdict(row) for row in rows], report=report(rows), csv=text.getvalue())


if __name__ == "__main__":
    main()
