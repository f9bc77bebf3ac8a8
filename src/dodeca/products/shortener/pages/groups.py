"""Groups: people who share links."""

from __future__ import annotations

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.shortener.models import Group
from dodeca.products.shortener.pages.surroundings import Line, Member, page
from dodeca.products.shortener.service import groups

ROLES = (
    ("viewer", "Viewer: only looks"),
    ("editor", "Editor: changes links"),
    ("owner", "Owner: manages members"),
)


class GroupForm(ClosedRequest):
    """A group's name."""

    name: Line = ""


class MemberForm(ClosedRequest):
    """Who, and as what."""

    username: Line = ""
    role: Line = "viewer"


def show_groups(session: ReadSession, call: Call, state: FormState) -> Page:
    """One's groups, and the form for a new one."""
    rows = session.scalars(groups.visible_to(call.member()).order_by(Group.name, Group.id)).all()
    return page(call, "groups.html", groups=rows, form=state.form)


@get("/groups", access=Access.MEMBER)
def groups_page(session: DbRead, call: Calling) -> Page:
    """The groups that one is in."""
    return show_groups(session, call, FormState())


@post("/groups", access=Access.MEMBER, status=200, form=show_groups)
def add_group(session: DbWrite, actor: Member, data: AnyBody[GroupForm]) -> Redirect:
    """Found a group."""
    group = groups.add(session, actor, data.name)
    return Redirect(f"/shortener/groups/{group.id}", toast="The group is there. Take people in.")


def show_group(session: ReadSession, call: Call, state: FormState) -> Page:
    """One group and its members."""
    actor, group_id = call.member(), str(call.request.path_params["group_id"])
    group = groups.find(session, actor, group_id)
    role = groups.role_in(session, actor, group_id)
    members = groups.members(session, actor, group_id)
    me = actor.username
    return page(call, "group.html", group=group, role=role, members=members, roles=ROLES, me=me, form=state.form)


@get("/groups/{group_id:str}", access=Access.MEMBER)
def group_page(session: DbRead, call: Calling, group_id: FromPath[str]) -> Page:
    """A group."""
    return show_group(session, call, FormState())


@post("/groups/{group_id:str}", access=Access.MEMBER, status=200)
def rename_group(session: DbWrite, actor: Member, group_id: FromPath[str], data: AnyBody[GroupForm]) -> Redirect:
    """Rename a group."""
    groups.rename(session, actor, group_id, data.name)
    return Redirect(f"/shortener/groups/{group_id}", toast="Renamed.")


@post("/groups/{group_id:str}/members", access=Access.MEMBER, status=200, form=show_group)
def set_member(session: DbWrite, actor: Member, group_id: FromPath[str], data: AnyBody[MemberForm]) -> Redirect:
    """Take somebody in, or change the role."""
    groups.set_member(session, actor, group_id, data.username.lstrip("@"), data.role)
    return Redirect(f"/shortener/groups/{group_id}", toast="Saved.")


@post("/groups/{group_id:str}/members/removal", access=Access.MEMBER, status=200)
def remove_member(session: DbWrite, actor: Member, group_id: FromPath[str], data: AnyBody[MemberForm]) -> Redirect:
    """Put somebody out, or leave."""
    try:
        groups.remove_member(session, actor, group_id, data.username)
    except NotFound:
        raise
    except DodecaError as error:
        return Redirect(f"/shortener/groups/{group_id}", toast=error.message, kind="error")
    leaving = data.username.lower() == actor.username.lower()
    back = "/shortener/groups" if leaving else f"/shortener/groups/{group_id}"
    return Redirect(back, toast="You have left the group." if leaving else "No longer a member.")


@post("/groups/{group_id:str}/deletion", access=Access.MEMBER, status=200)
def delete_group(session: DbWrite, actor: Member, group_id: FromPath[str]) -> Redirect:
    """Dissolve a group; links stay with who made them."""
    groups.remove(session, actor, group_id)
    return Redirect("/shortener/groups", toast="The group is dissolved. Links stay with who made them.")


routes = [groups_page, add_group, group_page, rename_group, set_member, remove_member, delete_group]
