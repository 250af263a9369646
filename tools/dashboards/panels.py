# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of panels that the dashboards are made of. Each has a title, a sentence, a unit and what it asks Prometheus."""

from __future__ import annotations

import dataclasses
import typing as t

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = ["Ask", "Board", "board", "lines", "number", "rows", "variable"]

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "llm.host"
Board = dashboard.Dashboard
Panel = t.Union[timeseries.Panel, stat.Panel, table.Panel]
THIRD, HALF, WHOLE = 8, 12, 24
"""Of the width of a dashboard."""


@dataclasses.dataclass(frozen=True)
class Ask:
    """A query, and what its series are called."""

    expr: str
    legend: str = ""


def board(uid: str, title: str, description: str) -> Board:
    """An empty dashboard of the last six hours, which can be switched to another Prometheus."""
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus").hide(VariableHide.DONT_HIDE)
    source = source.current(VariableOption(selected=True, text="llm.host", value="llm-prometheus"))
    others = dashboard.DashboardLink("Others of llm.host").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True).keep_time(True)
    made = dashboard.Dashboard(title).uid(uid).description(description).tags([TAG]).link(others)
    made = made.time("now-6h", "now").refresh("1m").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    return made.with_variable(source)


def variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """What the reader chooses from: one, several, or all."""
    made = dashboard.QueryVariable(name).label(label).query(query).datasource(SOURCE).multi(True).include_all(True)
    made = made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return made.current(VariableOption(text="All", value="$__all", selected=True))


def lines(title: str, description: str, unit: str, *asks: Ask, stacked: bool = False, most: float | None = None) -> timeseries.Panel:
    """Series over time."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).datasource(SOURCE).span(THIRD).height(8).min(0)
    panel = panel.line_width(1.5).fill_opacity(30 if stacked else 8).show_points(VisibilityMode.NEVER)
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    panel = panel.legend(legend.calcs(["lastNotNull"])).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if most is not None:
        panel = panel.max(most)
    return _asking(panel, asks)


def number(
    title: str, description: str, unit: str, expr: str, *, bad_from: float | None = None, bad_below: float | None = None
) -> stat.Panel:
    """One number, of now or of the chosen time, green or red where it is good or bad."""
    whole = "$__range" in expr
    panel = stat.Panel().title(title).description(description).unit(unit).datasource(SOURCE).span(4).height(4)
    panel = panel.graph_mode(BigValueGraphMode.NONE if whole else BigValueGraphMode.AREA)
    panel = _asking(panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])), [Ask(expr)], instant=whole)
    if bad_from is None and bad_below is None:
        return panel.color_mode(BigValueColorMode.NONE)
    steps = [Threshold(color="green"), Threshold(value=bad_from, color="red")]
    if bad_below is not None:
        steps = [Threshold(color="red"), Threshold(value=bad_below, color="green")]
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return panel.color_mode(BigValueColorMode.VALUE).thresholds(thresholds)


def rows(title: str, description: str, unit: str, expr: str, columns: t.Sequence[str], value: str, *, span: int = HALF) -> table.Panel:
    """What is so now: a row for each series, with some of its labels."""
    panel = table.Panel().title(title).description(description).unit(unit).datasource(SOURCE).span(span).height(8)
    order = {name: place for place, name in enumerate([*columns, "Value"])}
    shown = DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": [*columns, "Value"]}})
    placed = DataTransformerConfig(id_val="organize", options={"indexByName": order, "renameByName": {"Value": value}})
    asked = prometheus.Dataquery().expr(expr).instant().format(PromQueryFormat.TABLE).datasource(SOURCE).ref_id("A")
    return panel.with_target(asked).with_transformation(shown).with_transformation(placed)


P = t.TypeVar("P", timeseries.Panel, stat.Panel)


def _asking(panel: P, asks: t.Iterable[Ask], *, instant: bool = False) -> P:
    for place, ask in enumerate(asks):
        query = prometheus.Dataquery().expr(ask.expr).datasource(SOURCE).ref_id(chr(ord("A") + place))
        query = query.instant() if instant else query.range()
        panel = panel.with_target(query.legend_format(ask.legend) if ask.legend else query)
    return panel
