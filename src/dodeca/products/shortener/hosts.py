"""What a host name or address in a target URL means: private, our own, registrable domain, look-alike.

All functions take hosts as the WHATWG parser (ada) gives them: lower case, punycode, IPv4 in dotted decimal,
IPv6 in brackets. So every other spelling (0x7f.1, 2130706433, full-width digits) has become the plain one
before.
"""

from __future__ import annotations

import functools
import ipaddress
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

import ada_url
from publicsuffixlist import PublicSuffixList

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # "this network", of which 0.0.0.0 reaches the local machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space behind carrier NAT, RFC 6598
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds serve their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PRIVATE_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in ("::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")
)
# Networks whose addresses carry an IPv4 address that a router or translator will really contact,
# with the position of its lowest bit: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
_EMBEDDING_V4 = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
_PRIVATE_NAMES = ("localhost", "local", "internal")

# Second-level labels that phishing pages imitate most. Only names of five letters and more: short ones
# (ebay, ups) are too often equal to honest words once look-alikes are folded.
_BRANDS_TEXT = """
    adobe alibaba aliexpress allegro amazon americanexpress apple atlassian badoo barclays binance bitly
    blizzard booking chase citibank cloudflare coinbase coursera deutschebank discord disney docusign
    dropbox etherscan facebook fedex flipkart gitlab github gmail google googlemail hermes hotmail icloud
    indeed instagram intuit kraken linkedin mastercard mercadolibre metamask microsoft microsoftonline
    netflix office office365 opensea outlook paypal paytm pinterest postbank rakuten reddit revolut roblox
    santander shopify skype slack snapchat sparkasse spotify steamcommunity steampowered stripe swisscom
    telegram tiktok trezor tumblr twitch twitter venmo vinted vodafone walmart wellsfargo whatsapp
    wikipedia yahoo yandex youtube
"""
BRANDS = frozenset(_BRANDS_TEXT.split())


class OwnHosts:
    """The hosts under which this installation answers.

    On a `shared` host (that of the public URL) only the shortener's paths are short links; on a `dedicated`
    host (the product's own hostname, a custom domain) every path but `/` is. Names may come in any case, with
    a port or a trailing dot.
    """

    SHORT_PATHS = ("/s/", "/api/shortener/")

    def __init__(self, shared: Iterable[str] = (), dedicated: Iterable[str] = ()) -> None:
        self.dedicated = frozenset(map(canonical_host, dedicated))
        self.shared = frozenset(map(canonical_host, shared)) - self.dedicated

    def is_short_link(self, host: str, path: str) -> bool:
        """Whether a parsed URL of this host and (percent-encoded) path is answered by our own redirect."""
        name = host.rstrip(".")
        if name in self.dedicated:
            return path not in ("", "/")
        return name in self.shared and unquote(path).startswith(self.SHORT_PATHS)


def canonical_host(host: str) -> str:
    """A host from settings or a table, without port and trailing dot, as the URL parser would spell it."""
    try:
        return str(ada_url.URL(f"http://{host.strip()}/").hostname).rstrip(".")
    except ValueError:
        return host.strip().lower().rstrip(".")


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """What holds for a host, whoever links to it."""

    private: bool
    """Loopback, private, link-local, multicast or unspecified; or a name that only a local network knows."""
    domain: str
    """The registrable domain (public suffix list and one label), or the host itself when it has none."""
    lookalike: bool
    """Could be taken for another host by a reader: mixed scripts, or confusable with a brand."""
    unicode: str = field(default="")
    """The host as it may be shown to people."""


@functools.lru_cache(maxsize=32_768)
def judge_host(host: str) -> HostVerdict:
    """Judge a host as given by the URL parser. Pure, and cached: a few hosts hold most targets."""
    address = parse_address(host)
    if address is not None:
        return HostVerdict(is_private_address(address), str(address), lookalike=False, unicode=host)
    name = host.rstrip(".")
    shown = ada_url.idna_to_unicode(name) if "xn--" in name else name
    domain = registrable_domain(name)
    return HostVerdict(is_private_name(name), domain, _is_lookalike(name, shown, domain), shown)


def parse_address(host: str) -> IPAddress | None:
    """The IP address that a parsed host is, or None for a name. IPv6 may stand in brackets, with a zone."""
    bare = host.strip("[]")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return None


def is_private_address(address: IPAddress) -> bool:
    """Whether an address is not for the public, looking through IPv6 forms that carry an IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in network for network in _PRIVATE_V4)
    if any(address in network for network in _PRIVATE_V6):
        return True
    for network, shift in _EMBEDDING_V4:
        if address in network:
            return is_private_address(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFF_FFFF))
    return False


def is_private_name(name: str) -> bool:
    """Whether a host name means something only on a local network: `localhost`, `*.local`, one label,
    empty."""
    labels = name.rstrip(".").rsplit(".", 1)
    return len(labels) < 2 or labels[1] in _PRIVATE_NAMES


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registrable_domain(name: str) -> str:
    """`www.example.co.uk` gives `example.co.uk`; a public suffix or single label gives itself."""
    return str(_suffixes().privatesuffix(name) or name)


# Script sets that one language writes together; UTS 39, "highly restrictive" profile.
_COMMON_SCRIPTS = frozenset({"COMMON", "INHERITED"})
_WRITTEN_TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)


def _is_lookalike(name: str, shown: str, domain: str) -> bool:
    label = domain.partition(".")[0]
    if name == shown:
        return _imitates_brand(label)
    labels = shown.split(".")
    return any(_mixes_scripts(part) or _imitates_brand(part) for part in labels)


def _mixes_scripts(label: str) -> bool:
    if label.isascii():
        return False
    from confusable_homoglyphs import categories

    scripts = set(categories.unique_aliases(label)) - _COMMON_SCRIPTS
    return len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER)


def _imitates_brand(label: str) -> bool:
    return label not in BRANDS and skeleton(label) in _brand_skeletons()


@functools.cache
def _brand_skeletons() -> frozenset[str]:
    return frozenset(map(skeleton, BRANDS))


@functools.cache
def _prototypes() -> dict[int, str]:
    """Each confusable character with the ASCII letters it can be read as (Unicode's confusables.txt)."""
    from confusable_homoglyphs.confusables import confusables_data  # 8 MB, for hosts beyond ASCII alone

    table: dict[int, str] = {}
    for character, likenesses in confusables_data.items():
        if len(character) != 1 or character.isascii():
            continue
        for likeness in likenesses:
            text = likeness["c"]
            if text.isascii() and text.isalnum():
                table[ord(character)] = text.lower()
                break
    return table


def skeleton(label: str) -> str:
    """The label as a hasty reader sees it: two labels with one skeleton can be mistaken for each other.

    After UTS 39, with what matters in ASCII host names added: 1 l i are one letter, 0 is o, rn is m, vv is w.
    """
    folded = label.lower()
    if not folded.isascii():
        table = _prototypes()
        decomposed = unicodedata.normalize("NFD", folded.translate(table))
        folded = "".join(c for c in decomposed if not unicodedata.combining(c)).translate(table)
    folded = folded.translate({ord("0"): "o", ord("1"): "l", ord("i"): "l"})
    return folded.replace("rn", "m").replace("vv", "w")
