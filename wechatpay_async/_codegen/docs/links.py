"""Checks a built site: no dead link or anchor, no page out of reach of the front page, nothing loaded from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Findings", "check_site"]


@dataclass
class Findings:
    """What is wrong with a site; `clean` when nothing is."""

    dead: list[str] = field(default_factory=list[str])
    orphans: list[str] = field(default_factory=list[str])
    foreign: list[str] = field(default_factory=list[str])
    pages: int = 0

    @property
    def clean(self) -> bool:
        """No dead link, no page that nothing leads to, no script, style or picture of another host."""
        return not (self.dead or self.orphans or self.foreign)

    def report(self) -> str:
        """One line a finding."""
        kinds = [("dead link", self.dead), ("not reached from the front page", self.orphans), ("loaded from outside", self.foreign)]
        return "\n".join(f"{kind}: {finding}" for kind, findings in kinds for finding in findings)


class _Page(HTMLParser):
    """The links, the anchors and the loaded files of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag in {"script", "img", "iframe"} and "src" in attributes:
            self.loaded.append(attributes["src"])
        if tag == "link" and attributes.get("rel") in {"stylesheet", "icon", "preconnect"}:
            self.loaded.append(attributes.get("href", ""))


def check_site(site: Path) -> Findings:
    """Read every page of a built site."""
    pages = {path.relative_to(site).as_posix(): _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    findings = Findings(pages=len(pages))
    leads_to: dict[str, set[str]] = {name: set() for name in pages}
    for name, page in pages.items():
        findings.foreign += [f"{name}: {source}" for source in page.loaded if urlsplit(source).netloc]
        for link in page.links:
            target = _target(site, name, link)
            if target is None:
                continue
            file, anchor = target
            if not (site / file).is_file() or (anchor and file in pages and anchor not in pages[file].anchors):
                findings.dead.append(f"{name}: {link}")
            elif file in pages:
                leads_to[name].add(file)
    reached = _reached(leads_to, "index.html")
    findings.orphans = sorted(name for name in pages if name not in reached and not name.endswith("404.html"))
    return findings


def _target(site: Path, page: str, link: str) -> tuple[str, str] | None:
    """The file and the anchor that an internal link means; None for one that leads out of the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    base = (site / page).resolve()
    path = (base.parent / unquote(parts.path)).resolve() if parts.path else base
    if path.is_dir() or parts.path.endswith("/"):
        path /= "index.html"
    return _relative(path, site.resolve()), unquote(parts.fragment)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else f"../{path.name}"


def _reached(leads_to: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(leads_to.get(name, ()))
    return seen
