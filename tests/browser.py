"""A headless Chromium for tests of pages, which skip by name where there is none."""

import os
import shutil
from contextlib import contextmanager

import pytest


@contextmanager
def chromium(*options):
    """Start Chromium with more options, and close it."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need playwright"
    )
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("the browser tests need a Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=path, args=["--no-sandbox", *options]
        )
        yield browser
        browser.close()
