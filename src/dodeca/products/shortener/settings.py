"""Settings of the shortener."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from dodeca.kernel.settings import SettingsGroup, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShortenerSettings(SettingsGroup):
    """`shortener.*` in dodeca.toml, DODECA_SHORTENER_* in the environment."""

    prefix: ClassVar[str] = "shortener"

    anonymous_per_minute: int = setting(
        30, "Links a minute that one address may make without an account; 0 = no limit.", minimum=0
    )
    creations_per_minute: int = setting(6000, "Links a minute that one account may make; 0 = no limit.", minimum=0)
    unknown_per_minute: int = setting(
        120, "Unknown short codes a minute that one address may ask for; 0 = no limit.", minimum=0
    )
    private_targets: bool = setting(False, "Allow targets on loopback, private and local addresses.")
    extra_schemes: str = setting("", "Further schemes of targets beside http and https, such as mailto,tel.")
    fetch_titles: bool = setting(True, "Links made on the pages without a title get that of the page they lead to.")
    unused_days: int = setting(365, "Days without a click after which a link stops; 0 = never.", minimum=0)
    raw_click_days: int = setting(90, "Days that single clicks are kept; roll-ups stay.", minimum=1)
    cache_megabytes: int = setting(
        0,
        "Memory a process may keep for ready redirects, 1,500 links each megabyte; 0 = a sixteenth of the machine's.",
        minimum=0,
    )
    dns_servers: str = setting("", "Resolvers that check domains: address or address:port,… Default: the system's.")
