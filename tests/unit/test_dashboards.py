# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's dashboards are what their source says, and ask for nothing that does not exist."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("fleet", "host", "user")
WORDS = {"and", "or", "unless", "bool", "offset"}


@pytest.fixture(name="source")
def _source(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools/dashboards")
    import generate

    return generate


@pytest.fixture(name="metrics")
def _metrics(monkeypatch) -> t.Mapping[str, frozenset[str]]:
    monkeypatch.syspath_prepend(ROOT / "tools/dashboards")
    from metrics import METRICS

    return METRICS


def read(name: str) -> dict[str, t.Any]:
    return json.loads((ROOT / f"roles/monitoring/files/dashboards/{name}.json").read_text())


def panels(name: str) -> list[dict[str, t.Any]]:
    return [panel for panel in read(name)["panels"] if panel["type"] != "row"]


def asked(name: str) -> t.Iterator[tuple[str, str, str]]:
    """Title, expression and legend of each query; those of the variables, too."""
    for panel in panels(name):
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target.get("legendFormat", "")
    for variable in read(name)["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            assert found, variable["query"]
            yield variable["name"], f"sum by ({found[2]}) ({found[1]})", ""


def names_and_labels(expr: str, legend: str = "") -> tuple[set[str], set[str]]:
    """The metrics and the labels that are named in an expression and its legend."""
    bare = re.sub(r'"[^"]*"', '""', expr)
    labels = {label for inside in re.findall(r"\{([^}]*)\}", bare) for label in re.findall(r"(\w+)\s*[=!]", inside)}
    grouping = r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)"
    labels |= {label.strip() for inside in re.findall(grouping, bare) for label in inside.split(",")}
    labels |= set(re.findall(r"\{\{(\w+)\}\}", legend))
    rest = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", re.sub(grouping, "", bare))
    return {name for name in re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*(?!\w|\s*\()", rest) if name not in WORDS}, labels


def test_names_and_labels_are_found():
    expr = 'a:b{c="d{e}"} or 0 * histogram_quantile(0.9, sum by (f, le) (rate(g_bucket{h!~"i"}[5m]))) unless on (j) vector(0)'
    assert names_and_labels(expr, "{{k}} p9") == ({"a:b", "g_bucket"}, {"c", "f", "le", "h", "j", "k"})


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_what_the_source_says(source, name):
    """Otherwise: python tools/dashboards/generate.py"""
    assert source.text(source.BOARDS[name]()) == (source.TARGET / f"{name}.json").read_text()


def test_there_is_no_file_without_a_source(source):
    assert sorted(path.stem for path in source.TARGET.iterdir()) == sorted(source.BOARDS)


def test_each_has_an_address_of_its_own(source):
    assert [read(name)["uid"] for name in NAMES] == [f"llm-host-{name}" for name in NAMES]
    assert len({read(name)["title"] for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_panel_has_a_sentence_a_unit_and_a_place(name):
    found = read(name)["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in panels(name):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
    taken = [
        (x, y)
        for panel in found
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken) and max(x for x, _ in taken) < 24


@pytest.mark.parametrize("name", NAMES)
def test_the_reader_chooses_the_prometheus(name):
    text = (ROOT / f"roles/monitoring/files/dashboards/{name}.json").read_text()
    assert read(name)["templating"]["list"][0]["type"] == "datasource"
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"${datasource}", f"llm-host-{name}"}
    assert all(target["datasource"]["uid"] == "${datasource}" for panel in panels(name) for target in panel["targets"])


@pytest.mark.parametrize("name", NAMES)
def test_only_metrics_and_labels_that_exist_are_asked_for(metrics, name):
    for title, expr, legend in asked(name):
        named, labels = names_and_labels(expr, legend)
        assert named and named <= set(metrics), title
        assert labels <= frozenset().union(*(metrics[metric] for metric in named)), title


def test_a_dashboard_of_hosts_or_users_shows_only_those_that_are_chosen():
    for name, choice in (("host", '=~"$instance"'), ("user", '=~"$user"')):
        for panel in panels(name):
            for target in panel["targets"]:
                selectors = re.findall(r"\{[^}]*\}", target["expr"])
                assert selectors and all(choice in selector for selector in selectors), panel["title"]
