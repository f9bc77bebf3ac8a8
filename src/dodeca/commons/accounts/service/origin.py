"""Where a request comes from, as far as the rules care."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from dodeca.kernel.http import Call
from dodeca.kernel.limits import network

LONGEST_USER_AGENT = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """The address and the program of a caller; both empty for commands and jobs."""

    address: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, call: Call) -> Origin:
        """The origin of a request."""
        agent = call.request.headers.get("user-agent", "")
        return cls(call.address, "".join(c for c in agent if c.isprintable())[:LONGEST_USER_AGENT])

    @property
    def network(self) -> str:
        """What limits count by: the IPv4 address, the IPv6 /64; "local" for sockets without an address."""
        try:
            return network(self.address)
        except ValueError:
            return "local"

    @property
    def is_loopback(self) -> bool:
        """Whether the caller is a program on this very machine (people behind a proxy are told apart by it)."""
        try:
            return ip_address(self.address).is_loopback
        except ValueError:
            return True


NOWHERE = Origin()
