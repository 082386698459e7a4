"""Redoc shows the schema under the policy of the pages, in both themes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.test_accessibility import AXE, CHECK

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
OF_REDOC = ("heading-order", "scrollable-region-focusable", "target-size")
"""Faults of Redoc's own elements, which its theme and our style sheet cannot mend."""
BACKGROUND = "() => getComputedStyle(document.querySelector('.menu-content')).backgroundColor"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_redoc(browser: Browser, live_server: LiveServer, theme: Any) -> None:
    context = browser.new_context(base_url=live_server.url, color_scheme=theme)
    context.add_init_script(path=AXE)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    answer = page.goto("/api/redoc/")
    assert answer is not None
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    page.locator("h2", has_text="Make a playlist").first.wait_for(timeout=60_000)
    shades = {"light": "rgb(250, 248, 244)", "dark": "rgb(21, 22, 26)"}
    assert page.evaluate(BACKGROUND) == shades[theme], "the style sheets of Redoc apply"
    # The policy keeps out the mark of Redoc's makers, which is on their server, and inline styles.
    kept_out = ("logo-mini.svg", "Applying inline style")
    broken = page.evaluate(CHECK, [[], OF_REDOC])
    assert broken == [], broken[:3]
    assert [line for line in told if not any(one in line for one in kept_out)] == []
    context.close()
