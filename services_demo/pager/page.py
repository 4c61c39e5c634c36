# SPDX-License-Identifier: Apache-2.0
"""The pages as HTML. Everything that came from outside is escaped here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from services_demo.pager import links
from services_demo.pager.heart import Heart
from services_demo.pager.notification import Notification
from services_demo.pager.settings import Settings

_STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
_REFRESH_SECONDS = 5
_SEVERITIES = ("critical", "warning", "info")
#: Shown elsewhere on the card.
_SHOWN_ELSEWHERE = {"alertname", "severity", "team"}
_SHORT_ID = 8
_DAY = 86_400


def notifications(
    listed: Sequence[Notification], heart: Heart, settings: Settings, now: float
) -> str:
    """Return the first page: the state of the monitoring, what fires, what has ended."""
    firing = [each for each in listed if each.firing]
    ended = [each for each in listed if not each.firing]
    silent = heart.state(now) == "silent"
    title = "SILENT" if silent else f"{len(firing)} firing" if firing else "quiet"
    body = [
        "<header><h1>Notifications</h1><span class=grow></span>",
        _count(len(firing)),
        _pulse(heart, now),
        "</header>",
        _silence(heart, now) if silent else "",
        "<h2>Firing</h2>",
        *(_card(each, settings, now) for each in firing),
        "" if firing else _nothing(silent=silent),
    ]
    if ended:
        body += ["<h2>Resolved</h2>", *(_card(each, settings, now) for each in ended)]
    return _page(f"{title} · pager", "".join(body), refresh=True)


def runbook(name: str, section: str) -> str:
    """Return the page of one runbook; *section* is HTML already."""
    body = f'{_back()}<article class="runbook">{section}</article>'
    return _page(f"{name} · runbook", body)


def no_runbook(name: str, known: Sequence[str], reason: str = "") -> str:
    """Return the page that names the runbooks that there are."""
    listed = "".join(f'<li><a href="/runbooks/{escape(each)}">{escape(each)}</a>' for each in known)
    why = escape(reason) or "No alert has this name. There are:"
    body = (
        f"{_back()}<h1>There is no runbook {escape(repr(name))}</h1><p>{why}</p><ul>{listed}</ul>"
    )
    return _page("no such runbook", body)


def _page(title: str, body: str, *, refresh: bool = False) -> str:
    again = f'<meta http-equiv="refresh" content="{_REFRESH_SECONDS}">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _back() -> str:
    return '<nav><a href="/">← notifications</a></nav>'


def _count(firing: int) -> str:
    if firing:
        return f'<span class="state firing">{firing} firing</span>'
    return '<span class="state quiet">nothing fires</span>'


def _pulse(heart: Heart, now: float) -> str:
    age, state = heart.age(now), heart.state(now)
    if state == "silent":
        return ""
    if age is None:
        return '<span class="state waiting">waiting for the first heartbeat</span>'
    return f'<span class="state alive">monitoring is alive, heartbeat {_span(age)} ago</span>'


def _silence(heart: Heart, now: float) -> str:
    age = heart.age(now)
    seen = "No heartbeat came yet." if age is None else f"The last heartbeat came {_span(age)} ago."
    return (
        '<div class="silent">MONITORING IS SILENT'
        f"<small>{seen} One is due within {_span(heart.bound)}. Until it comes again, no alert "
        "would arrive: look whether Prometheus and Alertmanager run.</small></div>"
    )


def _nothing(*, silent: bool) -> str:
    text = "Nothing is known, because nothing arrives." if silent else "Nothing fires."
    return f'<p class="empty">{text}</p>'


def _card(each: Notification, settings: Settings, now: float) -> str:
    severity = each.severity if each.severity in _SEVERITIES else "other"
    state = "firing" if each.firing else "resolved"
    labels = " · ".join(
        f"{escape(key)}=<code>{escape(value)}</code>"
        for key, value in each.labels.items()
        if key not in _SHOWN_ELSEWHERE
    )
    return (
        f'<article class="{severity if each.firing else state}">'
        f'<div class="line"><span class="badge {severity}">{escape(each.severity)}</span>'
        f'<span class="badge {state}">{state}</span>'
        f'<span class="name">{escape(each.name)}</span>'
        f'<span class="faint">team {escape(each.team)}</span>'
        f'<span class="grow"></span>{_times(each, now)}</div>'
        f'<p class="summary">{escape(each.annotations.get("summary", ""))}</p>'
        f'<p class="description">{escape(each.annotations.get("description", ""))}</p>'
        f'<div class="labels">{labels}</div>{_links(each, settings)}</article>'
    )


def _times(each: Notification, now: float) -> str:
    """Return since when, how soon it was told, and when it was over."""
    parts = [f"since {_clock(each.starts_at, now)}"]
    told = each.received_at - each.starts_at
    if each.firing:
        parts.append(f"for {_span(now - each.starts_at)}")
        parts.append(f"told after {_span(told)}")
    else:
        ended = each.ends_at or each.resolved_at
        parts.append(f"lasted {_span(ended - each.starts_at)}")
        parts.append(f"over at {_clock(ended, now)}, told after {_span(each.resolved_at - ended)}")
    return f"<time>{' · '.join(parts)}</time>"


def _links(each: Notification, settings: Settings) -> str:
    leads = links.of(each, settings)
    shown = [("Runbook", leads.runbook), ("Dashboard", leads.dashboard)]
    shown.append(("Expression", leads.expression))
    for place, (trace, url) in enumerate(leads.traces):
        shown.append((f"{'Traces: ' if not place else ''}{trace[:_SHORT_ID]}", url))
    anchors = (f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in shown if url)
    return f'<div class="links">{"".join(anchors)}</div>'


def _clock(moment: float, now: float) -> str:
    local = time.localtime(moment)
    return time.strftime("%H:%M:%S" if abs(now - moment) < _DAY / 2 else "%d %b %H:%M", local)


def _span(seconds: float) -> str:
    """Return a span of time in the words of a person."""
    seconds = max(0.0, seconds)
    if seconds < 10:  # noqa: PLR2004 - below, tenths say something
        return f"{seconds:.1f} s"
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / _DAY:.0f} days"
