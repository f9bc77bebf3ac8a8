"""What must always be true of links and their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.products.shortener.journal import JournalReader, list_journals
from dodeca.products.shortener.models import (
    SHARED_DOMAIN,
    Click,
    ClickDay,
    ClickHour,
    Domain,
    Group,
    GroupMember,
    JournalOffset,
    Link,
    ShortCode,
)
from dodeca.products.shortener.service import of
from dodeca.products.shortener.service.analytics import ALL, HOUR

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

FOUND = 50
LATE_SECONDS = 60.0
COMPARED_HOURS = 24
_DAY = ClickHour.hour // literal_column("24")


def generated_codes_equal_no_alias(session: ReadSession) -> Sequence[str]:
    """Generated codes that are an alias in another letter case."""
    taken = select(ShortCode.domain_id, ShortCode.alias_key).where(ShortCode.alias_key.is_not(None)).subquery()
    clash = (
        select(ShortCode.text)
        .join(
            taken,
            (taken.c.domain_id == ShortCode.domain_id) & (taken.c.alias_key == func.lower(ShortCode.text)),
        )
        .where(ShortCode.alias_key.is_(None))
    )
    return session.scalars(clash.limit(FOUND)).all()


def alias_keys_are_lower_case(session: ReadSession) -> Sequence[str]:
    """Aliases whose key is not their text in lower case."""
    wrong = ShortCode.alias_key.is_not(None) & (ShortCode.alias_key != func.lower(ShortCode.text))
    return session.scalars(select(ShortCode.text).where(wrong).limit(FOUND)).all()


def live_links_have_their_code(session: ReadSession) -> Sequence[int]:
    """Links without a live code, or whose shown code is not theirs; deleted ones that a code still leads to."""
    shown = select(ShortCode.text).where(
        ShortCode.link_id == Link.id, ShortCode.text == Link.short_code, ShortCode.released_at.is_(None)
    )
    leads = select(ShortCode.text).where(ShortCode.link_id == Link.id, ShortCode.released_at.is_(None))
    wrong = or_(
        Link.deleted_at.is_(None) & ~shown.exists(),
        Link.deleted_at.is_not(None) & leads.exists(),
    )
    return session.scalars(select(Link.id).where(wrong).limit(FOUND)).all()


def links_are_on_own_domains(session: ReadSession) -> Sequence[int]:
    """Live links on a domain that is neither their owner's nor the shared one."""
    statement = (
        select(Link.id)
        .outerjoin(Domain, Domain.id == Link.domain_id)
        .where(
            Link.domain_id != SHARED_DOMAIN,
            Link.deleted_at.is_(None),
            or_(Domain.id.is_(None), Domain.account_id != Link.user_id),
        )
    )
    return session.scalars(statement.limit(FOUND)).all()


def visits_left_fit_the_limit(session: ReadSession) -> Sequence[int]:
    """Links with more visits left than they may have."""
    return session.scalars(select(Link.id).where(Link.visits_left > Link.max_visits).limit(FOUND)).all()


def groups_have_an_owner(session: ReadSession) -> Sequence[str]:
    """Groups that nobody owns."""
    owners = select(GroupMember.group_id).where(GroupMember.group_id == Group.id, GroupMember.role == "owner")
    return session.scalars(select(Group.id).where(~owners.exists()).limit(FOUND)).all()


def counters_equal_days(session: ReadSession) -> Sequence[int]:
    """Links whose counters are not the sum of their days."""
    sums = (
        select(
            ClickDay.link_id,
            func.sum(ClickDay.clicks).label("clicks"),
            func.sum(ClickDay.uniques).label("uniques"),
            func.sum(ClickDay.bots).label("bots"),
        )
        .where(ClickDay.dimension == ALL)
        .group_by(ClickDay.link_id)
        .subquery()
    )
    wrong = or_(
        Link.clicks != func.coalesce(sums.c.clicks, 0),
        Link.unique_visitors != func.coalesce(sums.c.uniques, 0),
        Link.bots != func.coalesce(sums.c.bots, 0),
    )
    statement = select(Link.id).outerjoin(sums, sums.c.link_id == Link.id).where(wrong)
    return session.scalars(statement.limit(FOUND)).all()


def days_equal_hours(session: ReadSession) -> Sequence[str]:
    """Days that are not the sum of their hours."""
    hours = (
        select(
            ClickHour.link_id,
            _DAY.label("day"),
            ClickHour.dimension,
            ClickHour.value,
            func.sum(ClickHour.clicks).label("clicks"),
            func.sum(ClickHour.uniques).label("uniques"),
            func.sum(ClickHour.bots).label("bots"),
        )
        .group_by(ClickHour.link_id, _DAY, ClickHour.dimension, ClickHour.value)
        .subquery()
    )
    same = (
        (hours.c.link_id == ClickDay.link_id)
        & (hours.c.day == ClickDay.day)
        & (hours.c.dimension == ClickDay.dimension)
        & (hours.c.value == ClickDay.value)
    )
    wrong = or_(
        hours.c.link_id.is_(None),
        hours.c.clicks != ClickDay.clicks,
        hours.c.uniques != ClickDay.uniques,
        hours.c.bots != ClickDay.bots,
    )
    statement = select(ClickDay.link_id, ClickDay.day, ClickDay.dimension, ClickDay.value)
    found = session.execute(statement.outerjoin(hours, same).where(wrong).limit(FOUND))
    return [f"link {row[0]} day {row[1]} {row[2]} {row[3]!r}" for row in found]


def clicks_equal_hours(session: ReadSession) -> Sequence[str]:
    """Hours of the last day whose single clicks and roll-up differ."""
    since = int(clock.timestamp()) // HOUR - COMPARED_HOURS
    start = datetime.fromtimestamp(since * HOUR, UTC)
    counted: dict[tuple[int, int], list[int]] = {}
    rows = session.execute(select(Click.link_id, Click.at, Click.kind).where(Click.at >= start))
    for link_id, at, kind in rows:
        slot = counted.setdefault((link_id, int(at.timestamp()) // HOUR), [0, 0])
        slot[0] += kind == "click"
        slot[1] += kind == "bot"
    wrong = []
    rolled = select(ClickHour.link_id, ClickHour.hour, ClickHour.clicks, ClickHour.bots)
    for link_id, hour, clicks, bots in session.execute(
        rolled.where(ClickHour.hour >= since, ClickHour.dimension == ALL)
    ):
        if counted.pop((link_id, hour), [0, 0]) != [clicks, bots]:
            wrong.append(f"link {link_id} hour {hour}")
    wrong += [f"link {link_id} hour {hour}" for (link_id, hour), counts in counted.items() if any(counts)]
    return wrong[:FOUND]


def journals_are_folded(platform: Platform) -> Iterator[str]:
    """Journals that lag, are damaged, or are read further than they were written."""
    shortener = of(platform)
    folder = shortener.journal_folder
    for name in list_journals(folder) if folder.is_dir() else ():
        reader = JournalReader(folder, name)
        offset = platform.db.read(
            lambda session, name=name: session.scalar(  # type: ignore[misc]
                select(JournalOffset.offset).where(JournalOffset.name == name)
            )
        )
        waiting = next(iter(reader.read(offset or 0, 1)), None)
        if offset is not None and offset > reader.end() > 0:
            yield f"journal {name} is read to {offset}, beyond its end {reader.end()}"
        if waiting is not None:
            age = clock.timestamp() - waiting[1].at / 1000
            if age > LATE_SECONDS:
                yield f"journal {name} holds clicks that are {age:,.0f} seconds old and not counted"
        for damage in reader.damage:
            yield f"journal {name} has {damage.length} unreadable bytes at {damage.offset}"


invariants = {
    "generated codes equal no alias": generated_codes_equal_no_alias,
    "alias keys are lower case": alias_keys_are_lower_case,
    "live links have their code": live_links_have_their_code,
    "links are on own domains": links_are_on_own_domains,
    "visits left fit the limit": visits_left_fit_the_limit,
    "groups have an owner": groups_have_an_owner,
    "counters equal days": counters_equal_days,
    "days equal hours": days_equal_hours,
    "single clicks equal hours": clicks_equal_hours,
}
doctor = [journals_are_folded]
