"""Settings of music."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from dodeca.kernel.settings import SettingsGroup, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicSettings(SettingsGroup):
    """`music.*` in dodeca.toml, DODECA_MUSIC_* in the environment."""

    prefix: ClassVar[str] = "music"

    uploads: str = setting("open", "Who may upload: open (all members), review (an admin lets songs in), admins.")
    folder: str = setting("", "A folder of tagged files that is scanned and watched; more are added on the page.")
    scan_minutes: int = setting(60, "Minutes between scans of all folders, beside watching; 0 = never.", minimum=0)
    accel_prefix: str = setting(
        "", "Let nginx send the bytes of songs: a location marked internal whose alias is the media folder."
    )
    s3_redirect: bool = setting(
        False, "Where media lies in S3: send apps there (302) with a signed address instead of passing bytes through."
    )
    transcode_days: int = setting(30, "Days that an unused transcode is kept.", minimum=1)
    render_demo: bool = setting(True, "Render the demo's pieces at the first start.")
