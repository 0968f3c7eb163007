"""The pages in a real Chromium, as somebody who clicks and types sees them."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from tests.conftest import leave_out
from tests.support.project import Project

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A Chromium with an empty profile."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        leave_out("Chromium", "chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = str(binary)
    for argument in [*QUIET, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(argument)
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def address(project: Project) -> Iterator[str]:
    """Where ``make run`` serves the project, from a fresh clone on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with project.typing("make", "run", f"PORT={port}"):
        wait_for(f"http://127.0.0.1:{port}/health/ready")
        yield f"http://127.0.0.1:{port}"


def wait_for(url: str) -> None:
    """Ask until the server is ready, for twenty seconds at most."""
    for _ in range(100):
        try:
            with urlopen(url, timeout=5):
                return
        except URLError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


def press(browser: webdriver.Chrome, by: str, what: str) -> None:
    """Press a button or a link, and wait for the page that follows."""
    page = browser.find_element(By.TAG_NAME, "html")
    browser.find_element(by, what).click()
    WebDriverWait(browser, 20).until(staleness_of(page))


def test_a_book_is_added_through_the_form(browser: webdriver.Chrome, address: str) -> None:
    browser.get(address)
    assert browser.find_element(By.TAG_NAME, "h1").text == "Welcome to Baked"
    press(browser, By.LINK_TEXT, "The books")
    assert "No books yet" in browser.page_source

    for field, text in {"title": "<b>Solaris</b>", "author": "Lem & Co.", "year": "1961"}.items():
        browser.find_element(By.NAME, field).send_keys(text)
    press(browser, By.TAG_NAME, "button")
    cells = [cell.text for cell in browser.find_elements(By.TAG_NAME, "td")]
    assert cells == ["<b>Solaris</b>", "Lem & Co.", "1961", "wanted"]


def test_the_same_book_again_is_refused_in_words(browser: webdriver.Chrome, address: str) -> None:
    for _ in range(2):
        browser.get(f"{address}/books")
        browser.find_element(By.NAME, "title").send_keys("Solaris")
        browser.find_element(By.NAME, "author").send_keys("Lem")
        press(browser, By.TAG_NAME, "button")
    alert = browser.find_element(By.CSS_SELECTOR, "[role=alert]")
    assert alert.text == "Lem already has a book called Solaris."
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1
