"""What every page is made of: templates, texts of ours that stand in it, and what a browser lets it do."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from fleet.model.text import printable
from fleet.report.layout import LONGEST_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A text of ours for the page, and the hash by which its policy allows it."""

    text: Markup
    source: str


@cache
def templates() -> jinja2.Environment:
    """Those of the pages; whatever they show is made safe first."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fleet.report.page"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = _shown
    return environment


def _shown(value: object) -> object:
    """Every text that is no markup of ours, made safe to show before it is escaped."""
    return printable(value, LONGEST_VALUE) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def asset(*names: str) -> Asset:
    """Files of the folder ``assets``, one after the other."""
    folder = files("fleet.report.page") / "assets"
    text = "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Asset(text=Markup(text), source=f"'sha256-{digest}'")  # noqa: S704 a file of ours


def style() -> Asset:
    """The look of every page."""
    return asset("page.css")


def policy(look: Asset, script: Asset | None = None) -> str:
    """What a browser lets the page do: https://www.w3.org/TR/CSP3/."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {look.source}",
            *((f"script-src {script.source}",) if script else ()),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
