"""A real browser, without a window: Chromium and its driver, as Debian packs them."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAIT = 60
"""Seconds for anything in the browser; the machine may be busy."""


def missing_browser() -> str:
    """Why there is no browser to test with; empty where there is one."""
    if not any(map(shutil.which, BROWSERS)):
        return "needs Chromium: apt-get install chromium"
    return "" if shutil.which("chromedriver") else "needs Chromium's driver: apt-get install chromium-driver"


@contextmanager
def browser(profile: Path, *, dark: bool = False) -> Iterator[Chrome]:
    """A browser with a profile of its own, that writes down its console and its requests."""
    options = ChromeOptions()
    options.binary_location = next(path for path in map(shutil.which, BROWSERS) if path)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root has none
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--window-size=1400,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(WAIT)
        driver.set_script_timeout(WAIT)
        scheme = "dark" if dark else "light"
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        yield driver
    finally:
        driver.quit()


def requests(driver: Chrome) -> Sequence[str]:
    """The addresses that were asked for since the last call."""
    return [
        event["params"]["request"]["url"] for event in _events(driver) if event["method"] == "Network.requestWillBeSent"
    ]


def console(driver: Chrome) -> Sequence[str]:
    """What the browser has complained of since the last call."""
    return [entry["message"] for entry in driver.get_log("browser")]


def _events(driver: Chrome) -> Iterator[dict[str, Any]]:
    for entry in driver.get_log("performance"):
        yield json.loads(entry["message"])["message"]
