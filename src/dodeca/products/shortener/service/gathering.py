"""Plain links that accounts ask for at the same moment, made by one call: half the work of making one after another.

What is decided is what `creating.create` decides, in the same words; only whoever asks for more than a target is left
to that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession, detached
from dodeca.kernel.errors import DodecaError
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import aliases, blocklist, creating, domains, inserting
from dodeca.products.shortener.service.creating import Made, Wanted
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.targets import Target, judge_target


class _Taken(Exception):
    """An id or a code is taken already, one time in millions: then each link is made by itself."""


def create_together(session: WriteSession, shortener: Shortener, wanted: Sequence[Wanted]) -> list[Any]:
    """Make plain links; gives for each what its `then` makes of it, or the DodecaError that tells why not."""
    if len(wanted) == 1:
        return [_create_alone(session, shortener, wanted[0])]
    judged = _refused_or_judged(session, shortener, wanted)
    now = clock.now()
    made: list[dict[str, Any]] = []
    results: list[Any] = []
    for one, target in zip(wanted, judged, strict=True):
        if isinstance(target, DodecaError):
            results.append(target)
            continue
        domain_id = domains.chosen(shortener.hosts(session), one.actor, None)
        values = inserting.fresh_link(one.actor.account_id, domain_id, one.codes.take(), target, now)
        made.append(values)
        results.append(detached(Link, (values["id"],), values))
    codes = [(values["domain_id"], values["short_code"], values["id"]) for values in made]
    if aliases.equal_aliases(session, codes) or not inserting.insert_all(session, made, codes):
        raise _Taken
    for n, (one, result) in enumerate(zip(wanted, results, strict=True)):
        if isinstance(result, Link):
            results[n] = one.then(session, Made(result, is_new=True))
    return results


def _create_alone(session: WriteSession, shortener: Shortener, one: Wanted) -> Any:
    try:
        made = creating.create(session, shortener, one.actor, one.wish, one.codes)
    except DodecaError as error:
        return error
    return one.then(session, made)


def _refused_or_judged(
    session: WriteSession, shortener: Shortener, wanted: Sequence[Wanted]
) -> list[Target | DodecaError]:
    """The target of each, or why it may not be one."""
    policy = shortener.hosts(session).policy
    judged: list[Target | DodecaError] = []
    for one in wanted:
        try:
            judged.append(judge_target(one.wish.target or "", policy))
        except DodecaError as error:
            judged.append(error)
    blocked = blocklist.blocked_among(session, [target for target in judged if isinstance(target, Target)])
    return [blocklist.refusal() if target in blocked else target for target in judged]
