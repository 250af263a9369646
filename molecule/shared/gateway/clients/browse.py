# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the page in Chromium as different people do, and prints what there is to see, as JSON.

Runs in llm-host/lab:client, where /ca.crt is the authority to trust; pictures go to /shots.
Arguments: the page's URL with name and password, and the address of its host.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
import urllib.parse
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

# name: (width, height, a phone, colours)
VIEWS = {
    "light": (1200, 900, False, "light"),
    "dark": (1200, 900, False, "dark"),
    "phone-light": (390, 844, True, "light"),
    "phone-dark": (390, 844, True, "dark"),
    # A page that is enlarged four times on a small screen.
    "narrow": (320, 640, True, "light"),
}

# Text whose contrast is too low for its size, by the formula of WCAG 2; colours as Chromium computed them.
CONTRAST = """
const parse = (colour) => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
const back = (element) => element ? over(parse(getComputedStyle(element).backgroundColor), back(element.parentElement)) : canvas;
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const found = [];
const look = (element, pseudo, text) => {
  const style = getComputedStyle(element, pseudo);
  const below = back(element);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
  found.push({ text: text.trim().slice(0, 40), ratio: ratio(over(parse(style.color), below), below), wanted: large ? 3 : 4.5 });
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (node.data.trim() && node.parentElement.getClientRects().length) look(node.parentElement, null, node.data);
}
for (const element of document.querySelectorAll("td, th")) {
  const content = getComputedStyle(element, "::before").content;
  if (content !== "none" && content !== "normal") look(element, "::before", content);
}
return found;
"""

# What reaches beyond the window, unless it lies in something that scrolls by itself.
OVERFLOW = """
const scrolls = (e) => e && (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
const hidden = (e) => e && (getComputedStyle(e).position === "absolute" || hidden(e.parentElement));
const width = document.documentElement.clientWidth;
return {
  page: document.documentElement.scrollWidth - width,
  beyond: [...document.body.querySelectorAll("*")]
    .filter((e) => e.getClientRects().length && !hidden(e) && !scrolls(e.parentElement) && e.getBoundingClientRect().right > width + 0.5)
    .map((e) => e.outerHTML.slice(0, 80)),
  // What a person must push aside to read it: fine for code, not for the table.
  table: [...document.querySelectorAll("main .scroll")].map((e) => e.scrollWidth - e.clientWidth),
};
"""

SHAPE = """
const all = (selector) => [...document.querySelectorAll(selector)];
const named = (e) => e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent).join(" ").trim();
return {
  lang: document.documentElement.lang,
  title: document.title,
  headings: all("h1, h2, h3").map((e) => [e.tagName, e.textContent]),
  landmarks: all("header, main, footer, nav").map((e) => e.tagName),
  unnamed: all("section, [role=region]").filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 80)),
  columns: all("thead th").map((e) => [e.textContent, e.scope]),
  rows: all("tbody tr").map((row) => [...row.children].map((e) => e.innerText.trim())),
  heads: all("tbody th").map((e) => e.scope),
  labels: all("tbody tr:first-child td").map((e) => e.dataset.label),
  examples: all("details").map((e) => [e.querySelector("summary").innerText.trim(), e.querySelector("pre").textContent]),
  ids: all("[id]").map((e) => e.id),
  small: all("summary, main a").filter((e) => e.tagName === "SUMMARY" && e.getBoundingClientRect().height < 24).map((e) => e.innerText),
};
"""

# What a screen reader is told of the table; styles can take its meaning away.
ROLES = ("table", "row", "columnheader", "rowheader", "cell")

# The longest name that a team could give a model.
LONG = """
const name = document.querySelector("tbody th code"), was = name.textContent;
name.textContent = was.repeat(80).slice(0, 120);
try { return (() => { LOOK })(); } finally { name.textContent = was; }
""".replace("LOOK", OVERFLOW)

SELECTED = """
return [...document.querySelectorAll("pre")].map((e) => e.textContent).indexOf(getSelection().toString());
"""

# Everything that can have the focus, in the order of the page, and what has it now.
STOPS = (
    "return [...document.querySelectorAll('a[href], summary, button, [tabindex]')].filter((e) => e.checkVisibility()).map(window.describe)"
)
DESCRIBE = "window.describe = (e) => e.tagName + ' ' + (e.innerText || e.id).trim().slice(0, 30)"
FOCUS = """
const e = document.activeElement, style = getComputedStyle(e);
return e === document.body ? null : { at: window.describe(e), ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
"""


def start(host: str, address: str) -> webdriver.Chrome:
    store = Path.home() / ".pki/nssdb"
    store.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"], check=True)
    subprocess.run(["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "gateway", "-i", "/ca.crt"], check=True)
    options = webdriver.ChromeOptions()
    for option in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-dev-shm-usage", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "disable-extensions", "user-data-dir=/tmp/profile", "hide-scrollbars",
        f"host-resolver-rules=MAP {host} {address}, MAP * ~NOTFOUND",
    ):  # fmt: skip
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))


def requests(driver: webdriver.Chrome) -> list[str]:
    """What the browser asked for since the last call, other than by the browser's own pages."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("chrome:", "data:"))]


def press(driver: webdriver.Chrome, key: str) -> t.Any:
    ActionChains(driver, duration=0).send_keys(key).perform()
    return driver.execute_script(FOCUS)


def tour(driver: webdriver.Chrome) -> dict[str, t.Any]:
    """Through the page with the keyboard alone: each example is opened on the way."""
    driver.execute_script(DESCRIBE)
    seen: list[t.Any] = []
    while (stop := press(driver, Keys.TAB)) is not None and len(seen) < 100:
        seen.append(stop)
        if stop["at"].startswith("SUMMARY") and not driver.execute_script("return document.activeElement.parentElement.open"):
            press(driver, Keys.ENTER)
    return {
        "stops": driver.execute_script(STOPS),
        "seen": seen,
        "closed": driver.execute_script("return document.querySelectorAll('details:not([open])').length"),
    }


def roles(driver: webdriver.Chrome) -> dict[str, int]:
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    found = [node.get("role", {}).get("value") for node in nodes if not node["ignored"]]
    return {role: found.count(role) for role in ROLES}


def selected(driver: webdriver.Chrome) -> int:
    """Which example is marked, to the letter, after a click on the first one; -1 for none."""
    driver.find_element("css selector", "pre").click()
    return int(driver.execute_script(SELECTED))


def look(driver: webdriver.Chrome, name: str, prefix: str = "") -> dict[str, t.Any]:
    """What there is to see in a view, whose pictures have this ``prefix``."""
    width, height, phone, colours = VIEWS[name]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": colours}]})
    driver.save_screenshot(f"/shots/{prefix}{name}.png")
    folded = driver.execute_script(OVERFLOW)
    driver.execute_script("for (const e of document.querySelectorAll('details')) { e.dataset.was = e.open; e.open = true; }")
    seen = {
        "overflow": [folded, driver.execute_script(OVERFLOW), driver.execute_script(LONG)],
        "contrast": driver.execute_script(CONTRAST),
        "roles": roles(driver),
    }
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "height": int(size["height"])})
    driver.save_screenshot(f"/shots/{prefix}{name}-whole.png")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_script("for (const e of document.querySelectorAll('details')) { e.open = e.dataset.was === 'true'; }")
    return seen


def main(url: str, address: str) -> None:
    driver = start(str(urllib.parse.urlsplit(url).hostname), address)
    try:
        driver.get(url)
        views = {name: look(driver, name) for name in VIEWS}
        shape = driver.execute_script(SHAPE)
        click = selected(driver)
        driver.get(url)
        keyboard = tour(driver)
        print(
            json.dumps(
                {
                    "views": views,
                    "shape": shape,
                    "click": click,
                    "keyboard": keyboard,
                    "requests": requests(driver),
                    "complaints": [entry["message"] for entry in driver.get_log("browser")],
                }
            )
        )
    finally:
        driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
