# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the status page in Chromium as different people do, and prints what there is to see, as JSON.

Runs in llm-host/lab:client with this folder, as browse.py does. Arguments: the page's URL with name and password, and the address of its
host. By stdin come answers that the page gets in the place of the gateway's, by name: {"status": 200, "body": "…"}, or null where the
gateway cannot be reached.
"""

from __future__ import annotations

import json
import sys
import typing as t
import urllib.parse

from browse import CONTRAST, OVERFLOW, VIEWS, look, requests, start, tour
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

DRAWN = "return !document.getElementById('age').textContent.startsWith('Reading')"
# As the person who wrote the answer means it, and without a wait.
ANSWER = """
const answer = ANSWER_JSON;
window.fetch = async () => {
  if (!answer) throw new TypeError("Failed to fetch");
  return new Response(answer.body, { status: answer.status });
};
"""
SEEN = """
const all = (selector) => [...document.querySelectorAll(selector)];
const text = (e) => e.innerText.trim();
return {
  age: text(document.getElementById("age")),
  trouble: text(document.getElementById("trouble")),
  hidden: document.getElementById("figures").hidden,
  alerts: all("#alert-list li").map(text),
  cards: all("#cards .card").map((e) => [text(e.querySelector("h3")), text(e.querySelector(".value"))]),
  charts: all("svg").map((e) => [e.getAttribute("role"), e.getAttribute("aria-label"), e.querySelector("path.first").getAttribute("d")]),
  meters: all("meter").map((e) => [e.getAttribute("aria-label"), e.value]),
  models: all("#model-table tbody tr").map((e) => [...e.children].map(text)),
  loaded: all("#host-list section").map((e) =>
    [text(e.querySelector("h3")), [...e.querySelectorAll("tbody tr")].map((r) => [...r.children].map(text))]),
  hours: all("#hours tbody tr").length,
  unnamed: all("section, [role=region]")
    .filter((e) => !(e.getAttribute("aria-label") || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim())).length,
  landmarks: all("header, main, footer, nav").map((e) => e.tagName),
  headings: all("h1, h2, h3").map((e) => e.tagName),
  ids: all("[id]").map((e) => e.id),
  scopes: all("th").map((e) => e.scope),
};
"""
COUNT = "return performance.getEntriesByType('resource').filter((e) => e.name.endsWith('.json')).length"


def opened(driver: webdriver.Chrome, url: str) -> None:
    driver.get(url)
    WebDriverWait(driver, 30, poll_frequency=0.05).until(lambda _: driver.execute_script(DRAWN))


def answered(driver: webdriver.Chrome, url: str, name: str, answer: t.Any) -> dict[str, t.Any]:
    """What is seen when this is the answer, on a phone, where there is least room."""
    source = ANSWER.replace("ANSWER_JSON", json.dumps(answer))
    stub = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})["identifier"]
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True})
        opened(driver, url)
        driver.save_screenshot(f"/shots/status-{name}.png")
        return {**driver.execute_script(SEEN), "overflow": driver.execute_script(OVERFLOW), "contrast": driver.execute_script(CONTRAST)}
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": stub})


def again(driver: webdriver.Chrome) -> bool:
    """Whether figures are asked for once more when a person comes back to the page, and the focus stays where it was."""
    place = "document.querySelector('#host-list .scroll').focus()"
    driver.execute_script(place)
    where = driver.execute_script("return document.activeElement.id")
    before = driver.execute_script(COUNT)
    driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    WebDriverWait(driver, 10, poll_frequency=0.05).until(lambda _: driver.execute_script(COUNT) > before)
    driver.execute_async_script("setTimeout(arguments[0], 300)")
    return bool(where) and driver.execute_script("return document.activeElement.id") == where


def main(url: str, address: str) -> None:
    answers = json.load(sys.stdin)
    driver = start(str(urllib.parse.urlsplit(url).hostname), address)
    try:
        opened(driver, url)
        views = {name: look(driver, name, "status-") for name in VIEWS}
        seen = driver.execute_script(SEEN)
        opened(driver, url)
        keyboard = tour(driver)
        stays = again(driver)
        asked = requests(driver)
        complaints = [entry["message"] for entry in driver.get_log("browser")]
        states = {name: answered(driver, url, name, answer) for name, answer in answers.items()}
        complaints += [entry["message"] for entry in driver.get_log("browser")]
        print(
            json.dumps(
                {
                    "views": views,
                    "seen": seen,
                    "keyboard": keyboard,
                    "stays": stays,
                    "requests": asked,
                    "complaints": complaints,
                    "states": states,
                }
            )
        )
    finally:
        driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
