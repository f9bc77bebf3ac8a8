"""The exit bundle: configuration with which other servers go on redirecting when Dodeca is gone.

Plain links (one target for everybody, for good) become lines of an nginx map, a `_redirects` file (Netlify,
Cloudflare Pages) or an `.htaccess`. All others are listed in comments at the end, with the reason, so that
their owner knows what would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dodeca.kernel.errors import Invalid

STATUSES = (301, 302, 307, 308)


@dataclass(frozen=True, slots=True)
class ExitLink:
    """A code and where it leads."""

    code: str
    location: str
    """Serialised target: ASCII without blanks."""
    status: int = 302
    any_case: bool = False
    """An alias, which is found in any letter case; generated codes only as written."""
    host: str | None = None
    """The custom domain, whose codes stand at its root; None for the shared host, where they stand under
    `/s/`."""
    reasons: tuple[str, ...] = ()
    """Why it is not plain; empty when it is."""

    @property
    def path(self) -> str:
        return f"/{self.code}" if self.host else f"/s/{self.code}"


def not_plain_because(
    *,
    rules: bool = False,
    password: bool = False,
    max_visits: bool = False,
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
    forward_query: bool = False,
    split: bool = False,
    warning: bool = False,
    inactive: str | None = None,
) -> tuple[str, ...]:
    """Why a link cannot be a line in a server's configuration. `inactive` is its status when it does not
    redirect."""
    reasons = {
        f"does not redirect now ({inactive})": inactive is not None,
        "has redirect rules": rules,
        "asks for a password": password,
        "counts its visits": max_visits,
        f"starts at {starts_at}": starts_at is not None,
        f"expires at {expires_at}": expires_at is not None,
        "forwards the query": forward_query,
        "splits visitors between targets": split,
        "warns before redirecting": warning,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def write_exit(exit_format: str, links: Iterable[ExitLink]) -> Iterator[str]:
    """The chunks of one configuration file. `exit_format` is nginx, redirects or htaccess; else Invalid."""
    try:
        write = _WRITERS[exit_format]
    except KeyError:
        raise Invalid(f"The format is one of: {', '.join(_WRITERS)}.", field="format") from None
    return write(links)


class _Sorter:
    """Passes plain links on and remembers a comment for each of the others."""

    def __init__(self, links: Iterable[ExitLink], *, dropped_at_end: str = "") -> None:
        self._links = links
        self._dropped_at_end = dropped_at_end
        self.rest: list[str] = []

    def plain(self) -> Iterator[ExitLink]:
        for link in self._links:
            reasons = link.reasons or self._unfit(link)
            if reasons:
                where = (link.host or "") + link.path
                self.rest.append(f"# {_comment(where)}: {_comment('; '.join(reasons))}\n")
            else:
                yield link

    def comments(self) -> Iterator[str]:
        if self.rest:
            yield f"\n# {len(self.rest)} links are not included:\n"
            yield from self.rest

    def _unfit(self, link: ExitLink) -> tuple[str, ...]:
        if not re.fullmatch(r"[\x21-\x7e]+", link.location):
            return ("has a target that is not a serialised URL",)
        if link.location.endswith(tuple(self._dropped_at_end)):
            return (f"has a target whose last character, {link.location[-1]}, this server would drop",)
        if link.status not in STATUSES:
            return (f"redirects with status {link.status}",)
        return ()


def _comment(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)


# nginx -------------------------------------------------------------------------------------------

_NGINX_HEAD = """\
# Short links for nginx 1.11.2 or later. Include this file in the http block, and in the server block write:
#
#     location /s/ { include dodeca-redirect.conf; }      # or `location /` on a custom domain
#
# where dodeca-redirect.conf holds these lines:
#
#     if ($dodeca_301) { return 301 $dodeca_301; }
#     if ($dodeca_302) { return 302 $dodeca_302; }
#     if ($dodeca_307) { return 307 $dodeca_307; }
#     if ($dodeca_308) { return 308 $dodeca_308; }
#     return 404;
#
# An nginx map ignores letter case, but codes do not. So an entry holds its exact path after "=", which the
# last maps compare again; "*" stands for an alias, which is found in any case.
map_hash_max_size 1048576;
map_hash_bucket_size 256;
geo $dodeca_dollar { default "$"; }  # the only way to write this character in a map
"""


def _write_nginx(links: Iterable[ExitLink]) -> Iterator[str]:
    sorter = _Sorter(links)
    seen: set[int] = set()
    own: list[str] = []
    again: list[str] = []
    yield _NGINX_HEAD
    yield 'map "$uri" $dodeca_shared {\n    default "";\n'
    for link in sorter.plain():
        key = f"{link.host or ''}{link.path}"
        lowered = hash(key.lower())
        if lowered in seen:
            host = re.escape(link.host) if link.host else "[^/]*"
            again.append(f'    "~^{host}{re.escape(link.path)}$" {_nginx_entry(link)};\n')
            continue
        seen.add(lowered)
        line = f'    "{key}" {_nginx_entry(link)};\n'
        if link.host:
            own.append(line)
        else:
            yield line
    yield from ("}\n", 'map "$host$uri" $dodeca_own {\n    default $dodeca_shared;\n', *own, "}\n")
    yield from ('map "$host$uri" $dodeca_entry {\n    default $dodeca_own;\n', *again, "}\n")
    for status in STATUSES:
        same = f"^(\\S+) (?:[*]|=\\1) {status} (?<dodeca_url_{status}>\\S+)$"
        yield f'map "$uri $dodeca_entry" $dodeca_{status} {{\n    default "";\n'
        yield f'    "~{same}" $dodeca_url_{status};\n}}\n'
    yield from sorter.comments()


def _nginx_entry(link: ExitLink) -> str:
    escaped = link.location.replace("\\", "\\\\").replace('"', '\\"').replace("$", "${dodeca_dollar}")
    which = "*" if link.any_case else f"={link.path}"
    return f'"{which} {link.status} {escaped}"'


# _redirects --------------------------------------------------------------------------------------


def _write_redirects(links: Iterable[ExitLink]) -> Iterator[str]:
    sorter = _Sorter(links)
    yield "# Short links for Netlify or Cloudflare Pages. Aliases are found as written here only.\n"
    for link in sorter.plain():
        source = f"https://{link.host}{link.path}" if link.host else link.path
        yield f"{source} {link.location} {link.status}\n"
    yield from sorter.comments()


# .htaccess ---------------------------------------------------------------------------------------


def _write_htaccess(links: Iterable[ExitLink]) -> Iterator[str]:
    sorter = _Sorter(links, dropped_at_end="?&")  # mod_rewrite tidies the ends of queries
    yield "# Short links for Apache httpd 2.4 with mod_rewrite, in the document root.\nRewriteEngine On\n"
    for link in sorter.plain():
        if link.host:
            yield f"RewriteCond %{{HTTP_HOST}} ^{re.escape(link.host)}(?::[0-9]+)?$ [NC]\n"
        flags = f"R={link.status},L,NE,QSD" + (",NC" if link.any_case else "")
        yield f"RewriteRule ^{re.escape(link.path[1:])}$ {_apache_target(link.location)} [{flags}]\n"
    yield from sorter.comments()


def _apache_target(location: str) -> str:
    """The target as a substitution: no `$1`, `%2`, `${map:…}` or `%{VARIABLE}` in it may be expanded.

    mod_rewrite takes the character after a backslash literally, and nothing reads the line before it.
    """
    return re.sub(r"[\\$%{}]", lambda found: "\\" + found[0], location)


_WRITERS: dict[str, Callable[[Iterable[ExitLink]], Iterator[str]]] = {
    "nginx": _write_nginx,
    "redirects": _write_redirects,
    "htaccess": _write_htaccess,
}
