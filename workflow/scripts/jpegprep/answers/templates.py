"""Pages that a browser opens without a network: the templates of the folder `web`, filled."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

_WEB = Path(__file__).with_name("web")


def rendered(template: str, **context: Any) -> str:
    """Return a page.

    Args:
        template: a file of the folder `web`.
        context: what stands in it. Text is escaped; the filter ``markdown`` makes HTML of it, but
            for links and images: names of classes and files make no requests.
    """
    environment = Environment(
        loader=FileSystemLoader(_WEB), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink"])
    environment.filters["markdown"] = lambda text: Markup(reader.render(text))
    environment.filters["capital"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["signed"] = lambda value: f"{100 * value:+.1f}".replace("-", "−")
    environment.globals["file"] = lambda name: Markup((_WEB / name).read_text(encoding="utf-8"))
    return environment.get_template(template).render(**context)


def script(text: str) -> Markup:
    """Return a script as it may stand in a page: its end is where the page says."""
    return Markup(re.sub("</script", r"<\\/script", text, flags=re.IGNORECASE))
