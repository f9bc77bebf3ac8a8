"""The settings of accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dodeca.kernel.settings import SettingsGroup, setting


@dataclass(frozen=True, kw_only=True)
class AccountSettings(SettingsGroup):
    """How people sign up and sign in."""

    prefix: ClassVar[str] = "accounts"

    registrations_per_hour: int = setting(300, "New accounts an hour from one address; 0 = no limit.", minimum=0)
    sign_ins_per_minute: int = setting(120, "Attempts to sign in a minute from one address; 0 = no limit.", minimum=0)
    session_days: int = setting(30, "Days without use after which a browser is signed out.", minimum=1)
    token_days: int = setting(30, "Days for which an API token is good.", minimum=1)
    grace_days: int = setting(14, "Days in which a deleted account can be taken back.", minimum=0)
