"""A page in a real browser, as tests of pages use it; what no page should do is noticed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# axe-core's rules of the Web Content Accessibility Guidelines 2.0 to 2.2, levels A and AA.
_LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@contextmanager
def opened(chromium: Any, path: Path) -> Iterator[Any]:
    """Yield a page of a file; nothing may be requested, said or asked, however it is used."""
    context = chromium.new_context(viewport={"width": 1600, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(60_000)
    noticed: list[str] = []
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("dialog", lambda dialog: noticed.append(dialog.message) or dialog.dismiss())
    url = path.as_uri()
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("data:", url)) else noticed.append(asked.url),
    )
    page.goto(url)
    yield page
    assert noticed == []
    context.close()


def too_wide(page: Any) -> int:
    """Return how many pixels of the page lie beyond its right edge."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def drawn(page: Any) -> bool:
    """Tell whether every image of the page is there."""
    of_images = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    return page.evaluate(of_images)


def assert_accessible(page: Any) -> None:
    """Assert that axe-core finds no violation of level A or AA, whatever is folded up."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page, options=_LEVELS)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10
