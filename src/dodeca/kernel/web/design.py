"""What `/_design`, the page of all components, shows. The page is also the first one that axe-core checks."""

from __future__ import annotations

from datetime import timedelta
from math import sin

from markupsafe import Markup

from dodeca.kernel.clock import now
from dodeca.kernel.web.forms import Form
from dodeca.kernel.web.shell import Tone

TONES: tuple[Tone, ...] = ("neutral", "accent", "good", "warn", "bad", "info")


def context() -> dict[str, object]:
    """The context of `design.html`, besides `shell`: example values, plainly named as such."""
    moment = now()
    days = [moment.date() - timedelta(days=29 - index) for index in range(31)]
    clicks = [
        (f"{day.day} {day:%b}", round(1900 + 900 * sin(index / 3.1) + 60 * index)) for index, day in enumerate(days)
    ]
    links = [("s/launch", "https://example.org/spring/launch", 48_213, "good"),
             ("s/menu", "https://example.com/menu/today.pdf", 1_204, "good"),
             ("s/old", "https://example.net/archive/2029", 17, "warn")]  # fmt: skip
    return {
        "tones": TONES,
        "moment": moment,
        "clicks": clicks,
        "countries": [("Germany", 4210), ("India", 3904), ("France", 1893), ("Brazil", 1202), ("Kenya", 640)],
        "refused": Form(
            {"address": ["htps:/example"], "words": ["What was typed is still here."], "size": ["m"]},
            {"address": "This is not a web address. It should start with https://.", "terms": "Please agree first."},
        ),
        "columns": [
            {"key": "code", "label": "Short link"},
            {"key": "target", "label": "Leads to"},
            {"key": "made", "label": "Made"},
            {"key": "state", "label": "State"},
            {"key": "clicks", "label": "Clicks", "numeric": True},
        ],
        "rows": [
            {
                "code": code,
                "target": target,
                "made": f"{index + 1} May 2031",
                "state": Markup('<span class="badge badge--dot tone tone--{}">{}</span>').format(
                    tone, "Active" if tone == "good" else "Expires soon"
                ),
                "clicks": f"{count:,}",
            }
            for index, (code, target, count, tone) in enumerate(links)
        ],
        "happened": [
            {"text": "Link edited", "time": moment - timedelta(minutes=4), "icon": "pencil", "tone": "accent"},
            {"text": "1,000 clicks reached", "time": moment - timedelta(hours=5), "icon": "trophy", "tone": "good"},
            {
                "text": "Target did not answer",
                "time": moment - timedelta(days=2),
                "icon": "triangle-alert",
                "tone": "warn",
                "detail": "Checked again after ten minutes: reachable.",
            },
            {"text": "Link created", "time": moment - timedelta(days=9), "icon": "plus"},
        ],
        "found": [
            {
                "title": "Spring launch",
                "href": "#found-1",
                "text": Markup("The page for our <mark>spring</mark> launch, with all dates and prices."),
                "meta": "Short link · 48.2k clicks",
            },
            {"title": "Spring menu", "href": "#found-2", "text": "What the kitchen serves from March on."},
        ],
    }
