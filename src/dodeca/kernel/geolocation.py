"""Where an address of the network is: the country, and the city where there is a file for it."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import maxminddb
from ip3country import CountryLookup


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is. Empty text: not known."""

    country: str = ""
    """ISO 3166-1 alpha-2."""
    city: str = ""


class Geolocation:
    """Finds the place of an address: from an .mmdb file where one is configured, else the bundled IPv4
    table."""

    def __init__(self, mmdb: Path | None = None) -> None:
        """Raises OSError or maxminddb.InvalidDatabaseError when the file cannot be used."""
        self._mmdb = maxminddb.open_database(mmdb) if mmdb is not None else None
        self._find = functools.lru_cache(maxsize=32_768)(self._look_up)

    def place(self, address: str) -> Place:
        """The place of an IPv4 or IPv6 address; of anything else, nowhere."""
        return self._find(address)

    def _look_up(self, address: str) -> Place:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return Place()
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        if self._mmdb is not None:
            return _place_in(self._mmdb, ip)
        if isinstance(ip, ipaddress.IPv4Address):
            return Place(_bundled_countries().lookupNumeric(int(ip)) or "")
        return Place()


def _place_in(mmdb: maxminddb.Reader, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Place:
    try:
        record = mmdb.get(ip)
    except ValueError:  # an IPv6 address asked of a database of IPv4 only
        return Place()
    country = _member(record, "country", "iso_code") or _member(record, "registered_country", "iso_code")
    return Place(country, _member(record, "city", "names", "en"))


def _member(record: object, *path: str) -> str:
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, str) else ""


@functools.cache
def _bundled_countries() -> Any:
    return CountryLookup()
