"""Domains, tags, folders, groups and UTM templates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    delete,
    get,
    page_of,
    patch,
    post,
    put,
)
from dodeca.products.shortener.models import Domain, Folder, Group, Tag, UtmTemplate
from dodeca.products.shortener.service import Installed, domains, groups, installed, labels
from dodeca.products.shortener.service.wishes import Name, Url

# Domains


class DomainRequest(ClosedRequest):
    """A domain, and where its own pages lead."""

    domain: Name
    home_url: Url | None = None
    not_found_url: Url | None = None
    expired_url: Url | None = None


class DomainChange(ClosedRequest):
    """What is given is changed; "" takes an address away."""

    home_url: Url | None = None
    not_found_url: Url | None = None
    expired_url: Url | None = None


class VerifyRequest(ClosedRequest):
    """Moderators may approve a domain without its record."""

    approve: bool = False


class DomainView(msgspec.Struct):
    """A domain. Its owner proves it with a TXT record `txt_name` that holds `txt_value`."""

    domain: str
    status: str
    txt_name: str
    txt_value: str
    home_url: str | None
    not_found_url: str | None
    expired_url: str | None
    created_at: datetime
    checked_at: datetime | None

    @classmethod
    def of(cls, row: Domain) -> DomainView:
        """The public form of a row."""
        return cls(
            row.host, row.status, domains.txt_name(row), row.token, row.home_url, row.not_found_url, row.expired_url,
            row.created_at, row.checked_at,
        )  # fmt: skip


class DomainList(msgspec.Struct):
    """A page of domains."""

    domains: list[DomainView]
    next_cursor: str | None


@post("/domains", access=Access.MEMBER)
def add_domain(session: DbWrite, shortener: Installed, call: Calling, data: AnyBody[DomainRequest]) -> DomainView:
    """Enter a domain, to be verified next."""
    urls = {"home_url": data.home_url, "not_found_url": data.not_found_url, "expired_url": data.expired_url}
    return DomainView.of(domains.add(session, shortener, call.member(), data.domain, **urls))


@get("/domains", access=Access.MEMBER)
def list_domains(
    session: DbRead, call: Calling, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> DomainList:
    """The caller's domains; a moderator's list holds all."""
    statement = domains.visible_to(call.member())
    page = page_of(session, statement, order=[Domain.created_at, Domain.id], limit=limit, cursor=cursor)
    return DomainList([DomainView.of(row) for row in page.items], page.next_cursor)


@get("/domains/{domain:str}", access=Access.MEMBER)
def read_domain(session: DbRead, call: Calling, domain: FromPath[str]) -> DomainView:
    """One domain."""
    return DomainView.of(domains.find(session, call.member(), domain))


@patch("/domains/{domain:str}", access=Access.MEMBER)
def change_domain(
    session: DbWrite, shortener: Installed, call: Calling, domain: FromPath[str], data: AnyBody[DomainChange]
) -> DomainView:
    """Change where the domain's own pages lead."""
    given = {name: getattr(data, name) for name in data.__struct_fields__ if getattr(data, name) is not None}
    return DomainView.of(domains.change(session, shortener, call.member(), domain, **given))


@delete("/domains/{domain:str}", access=Access.MEMBER)
def remove_domain(session: DbWrite, shortener: Installed, call: Calling, domain: FromPath[str]) -> None:
    """Give a domain without links up."""
    domains.remove(session, shortener, call.member(), domain)


@post("/domains/{domain:str}/verify", access=Access.MEMBER, status=200)
async def verify_domain(call: Calling, domain: FromPath[str], data: AnyBody[VerifyRequest]) -> DomainView:
    """Look for the TXT record now."""
    return DomainView.of(await domains.verify(installed(call), call.member(), domain, approve=data.approve))


# Tags, folders, UTM templates


class NameRequest(ClosedRequest):
    """A name."""

    name: Name


class TemplateRequest(ClosedRequest):
    """A name and UTM parameters."""

    name: Name
    utm: dict[str, Any]


class TemplateChange(ClosedRequest):
    """What is given is changed."""

    name: Name | None = None
    utm: dict[str, Any] | None = None


class TagView(msgspec.Struct):
    """A tag and how many links have it."""

    id: str
    name: str
    links: int = 0


class FolderView(msgspec.Struct):
    """A folder."""

    id: str
    name: str


class TemplateView(msgspec.Struct):
    """Named UTM parameters."""

    id: str
    name: str
    utm: dict[str, Any]


class TagList(msgspec.Struct):
    """All tags of the caller, by name."""

    tags: list[TagView]


class FolderList(msgspec.Struct):
    """A page of folders."""

    folders: list[FolderView]
    next_cursor: str | None


class TemplateList(msgspec.Struct):
    """A page of templates."""

    utm_templates: list[TemplateView]
    next_cursor: str | None


@post("/tags", access=Access.MEMBER)
def add_tag(session: DbWrite, call: Calling, data: AnyBody[NameRequest]) -> TagView:
    """Make a tag."""
    row = labels.add(session, Tag, call.member(), data.name)
    return TagView(row.id, row.name)


@get("/tags", access=Access.MEMBER)
def list_tags(session: DbRead, call: Calling) -> TagList:
    """All tags with the number of their links."""
    return TagList([TagView(tag.id, tag.name, count) for tag, count, *_ in labels.tag_counts(session, call.member())])


@patch("/tags/{tag_id:str}", access=Access.MEMBER)
def rename_tag(session: DbWrite, call: Calling, tag_id: FromPath[str], data: AnyBody[NameRequest]) -> TagView:
    """Rename a tag."""
    row = labels.change(session, Tag, call.member(), tag_id, name=data.name)
    return TagView(row.id, row.name)


@delete("/tags/{tag_id:str}", access=Access.MEMBER)
def remove_tag(session: DbWrite, call: Calling, tag_id: FromPath[str]) -> None:
    """Delete a tag; its links stay."""
    labels.remove(session, Tag, call.member(), tag_id)


@post("/folders", access=Access.MEMBER)
def add_folder(session: DbWrite, call: Calling, data: AnyBody[NameRequest]) -> FolderView:
    """Make a folder."""
    row = labels.add(session, Folder, call.member(), data.name)
    return FolderView(row.id, row.name)


@get("/folders", access=Access.MEMBER)
def list_folders(
    session: DbRead, call: Calling, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> FolderList:
    """The caller's folders by name."""
    statement = labels.visible_to(Folder, call.member())
    order = [Folder.key, Folder.id]
    page = page_of(session, statement, order=order, limit=limit, cursor=cursor, descending=False)
    return FolderList([FolderView(row.id, row.name) for row in page.items], page.next_cursor)


@patch("/folders/{folder_id:str}", access=Access.MEMBER)
def rename_folder(session: DbWrite, call: Calling, folder_id: FromPath[str], data: AnyBody[NameRequest]) -> FolderView:
    """Rename a folder."""
    row = labels.change(session, Folder, call.member(), folder_id, name=data.name)
    return FolderView(row.id, row.name)


@delete("/folders/{folder_id:str}", access=Access.MEMBER)
def remove_folder(session: DbWrite, call: Calling, folder_id: FromPath[str]) -> None:
    """Delete a folder; its links stay."""
    labels.remove(session, Folder, call.member(), folder_id)


@post("/utm-templates", access=Access.MEMBER)
def add_template(session: DbWrite, call: Calling, data: JSONBody[TemplateRequest]) -> TemplateView:
    """Make a template."""
    row = labels.add(session, UtmTemplate, call.member(), data.name, utm=data.utm)
    return TemplateView(row.id, row.name, row.utm)


@get("/utm-templates", access=Access.MEMBER)
def list_templates(
    session: DbRead, call: Calling, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> TemplateList:
    """The caller's templates by name."""
    statement = labels.visible_to(UtmTemplate, call.member())
    order = [UtmTemplate.key, UtmTemplate.id]
    page = page_of(session, statement, order=order, limit=limit, cursor=cursor, descending=False)
    return TemplateList([TemplateView(row.id, row.name, row.utm) for row in page.items], page.next_cursor)


@patch("/utm-templates/{template_id:str}", access=Access.MEMBER)
def change_template(
    session: DbWrite, call: Calling, template_id: FromPath[str], data: JSONBody[TemplateChange]
) -> TemplateView:
    """Change what is given."""
    given = {name: value for name in ("name", "utm") if (value := getattr(data, name)) is not None}
    row = labels.change(session, UtmTemplate, call.member(), template_id, **given)
    return TemplateView(row.id, row.name, row.utm)


@delete("/utm-templates/{template_id:str}", access=Access.MEMBER)
def remove_template(session: DbWrite, call: Calling, template_id: FromPath[str]) -> None:
    """Delete a template."""
    labels.remove(session, UtmTemplate, call.member(), template_id)


# Groups


class RoleRequest(ClosedRequest):
    """owner, editor or viewer."""

    role: Name


class GroupView(msgspec.Struct):
    """A group and the caller's role in it."""

    id: str
    name: str
    role: str
    created_at: datetime


class GroupList(msgspec.Struct):
    """A page of groups."""

    groups: list[GroupView]
    next_cursor: str | None


class MemberView(msgspec.Struct):
    """Somebody in a group."""

    username: str
    name: str
    role: str


class MemberList(msgspec.Struct):
    """Who is in a group."""

    members: list[MemberView]


def _group(session: DbRead, call: Any, row: Group) -> GroupView:
    return GroupView(row.id, row.name, groups.role_in(session, call.member(), row.id) or "", row.created_at)


@post("/groups", access=Access.MEMBER)
def add_group(session: DbWrite, call: Calling, data: AnyBody[NameRequest]) -> GroupView:
    """Found a group."""
    return _group(session, call, groups.add(session, call.member(), data.name))


@get("/groups", access=Access.MEMBER)
def list_groups(
    session: DbRead, call: Calling, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
) -> GroupList:
    """The caller's groups."""
    statement = groups.visible_to(call.member())
    page = page_of(session, statement, order=[Group.created_at, Group.id], limit=limit, cursor=cursor)
    return GroupList([_group(session, call, row) for row in page.items], page.next_cursor)


@get("/groups/{group_id:str}", access=Access.MEMBER)
def read_group(session: DbRead, call: Calling, group_id: FromPath[str]) -> GroupView:
    """One group."""
    return _group(session, call, groups.find(session, call.member(), group_id))


@patch("/groups/{group_id:str}", access=Access.MEMBER)
def rename_group(session: DbWrite, call: Calling, group_id: FromPath[str], data: AnyBody[NameRequest]) -> GroupView:
    """Rename a group; for its owners."""
    return _group(session, call, groups.rename(session, call.member(), group_id, data.name))


@delete("/groups/{group_id:str}", access=Access.MEMBER)
def remove_group(session: DbWrite, call: Calling, group_id: FromPath[str]) -> None:
    """Dissolve a group; for its owners."""
    groups.remove(session, call.member(), group_id)


@get("/groups/{group_id:str}/members", access=Access.MEMBER)
def list_members(session: DbRead, call: Calling, group_id: FromPath[str]) -> MemberList:
    """Who is in a group."""
    rows = groups.members(session, call.member(), group_id)
    return MemberList([MemberView(account.username, account.name, role) for account, role in rows])


@put("/groups/{group_id:str}/members/{username:str}", access=Access.MEMBER)
def set_member(
    session: DbWrite, call: Calling, group_id: FromPath[str], username: FromPath[str], data: AnyBody[RoleRequest]
) -> MemberList:
    """Take somebody in, or give another role; for owners."""
    groups.set_member(session, call.member(), group_id, username, data.role)
    session.flush()
    rows = groups.members(session, call.member(), group_id)
    return MemberList([MemberView(account.username, account.name, role) for account, role in rows])


@delete("/groups/{group_id:str}/members/{username:str}", access=Access.MEMBER)
def remove_member(session: DbWrite, call: Calling, group_id: FromPath[str], username: FromPath[str]) -> None:
    """Put somebody out (for owners), or leave."""
    groups.remove_member(session, call.member(), group_id, username)


routes = [
    add_domain,
    list_domains,
    read_domain,
    change_domain,
    remove_domain,
    verify_domain,
    add_tag,
    list_tags,
    rename_tag,
    remove_tag,
    add_folder,
    list_folders,
    rename_folder,
    remove_folder,
    add_template,
    list_templates,
    change_template,
    remove_template,
    add_group,
    list_groups,
    read_group,
    rename_group,
    remove_group,
    list_members,
    set_member,
    remove_member,
]
