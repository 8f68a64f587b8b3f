"""The report in headless Chromium: every picture is there, at both widths, in both schemes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Each picture's box, and how many drawn things in it have a colour and an extent.
PICTURES = """
return [...document.querySelectorAll('figure svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const drawn = [...svg.querySelectorAll('path, use, text')].filter(e => {
    const b = e.getBoundingClientRect();
    const s = getComputedStyle(e);
    return b.width + b.height > 0 && (s.fill + s.stroke) !== 'nonenone';
  });
  const small = [...svg.querySelectorAll('text')].filter(t => t.getBoundingClientRect().height < 8);
  return {name: svg.getAttribute('aria-label'), left: box.left, right: box.right,
          height: box.height, drawn: drawn.length, small: small.length};
});
"""


@pytest.fixture(scope="module")
def report(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from spark_jobs.jobs import demo
    from spark_jobs.running.launch import execute

    folder = tmp_path_factory.mktemp("demo")
    settings = demo.Demo(output=str(folder), rows=5_000, t=5)
    summary = execute(demo.JOB, settings, say=lambda line: None)
    assert summary.report == str(folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_picture_is_there(browser, report: Path, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(report.as_uri())
    assert browser.get_log("browser") == []
    page = "return getComputedStyle(document.body).backgroundColor"
    is_dark = browser.execute_script(page) != "rgb(255, 255, 255)"
    assert is_dark == (scheme == "dark")
    pictures = browser.execute_script(PICTURES)
    assert [picture["name"][:10] for picture in pictures] == [
        "Captions p",
        "Cumulative",
        "Share of c",
    ]
    for picture in pictures:
        assert picture["height"] > 150
        assert picture["drawn"] > 40
        assert picture["small"] == 0
        assert 0 <= picture["left"] < picture["right"] <= width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    bars = browser.execute_script(
        "return [...document.querySelectorAll('.bar')].map(b => b.getBoundingClientRect().width)"
    )
    assert len(bars) == 5
    assert min(bars) > 10
    assert bars == sorted(bars, reverse=True)


def test_paper_is_white_with_bars_and_all_settings(browser, report: Path) -> None:
    dark = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    browser.get(report.as_uri())
    colour = "return getComputedStyle(document.querySelector('{0}')).{1}"
    assert browser.execute_script(colour.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    assert browser.execute_script(colour.format(".bar", "printColorAdjust")) == "exact"
    height = "return document.querySelector('details table').getBoundingClientRect().height"
    assert browser.execute_script(height) > 50
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
