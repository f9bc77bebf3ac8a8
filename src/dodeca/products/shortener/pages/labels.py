"""Tags, folders and UTM templates."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

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
    Principal,
    Redirect,
    get,
    post,
)
from dodeca.products.shortener.models import Folder, Link, Tag, UtmTemplate
from dodeca.products.shortener.pages.surroundings import Line, Member, UtmForm, page, templates_of
from dodeca.products.shortener.service import labels

KINDS: dict[str, tuple[Any, str]] = {
    "tags": (Tag, "tag"),
    "folders": (Folder, "folder"),
    "templates": (UtmTemplate, "template"),
}


class LabelForm(UtmForm, ClosedRequest, kw_only=True, forbid_unknown_fields=True):
    """A name; templates have their parameters too."""

    name: Line = ""


def _kind(name: str) -> tuple[Any, str]:
    if name not in KINDS:
        raise NotFound()
    return KINDS[name]


def show_labels(session: ReadSession, call: Call, state: FormState) -> Page:
    """One kind of labels, with the form for a new one."""
    kind = str(call.request.path_params["kind"])
    _, word = _kind(kind)
    actor = call.member()
    return page(
        call, "labels.html", kind=kind, word=word, form=state.form, rows=_rows(session, actor, kind), filter_name=word
    )


def _rows(session: ReadSession, actor: Principal, kind: str) -> list[dict[str, Any]]:
    if kind == "templates":
        return [{"id": row.id, "name": row.name, "utm": row.utm} for row in templates_of(session, actor)]
    if kind == "tags":
        found = labels.tag_counts(session, actor)
        return [{"id": tag.id, "name": tag.name, "links": n, "clicks": clicks} for tag, n, clicks, _ in found]
    statement = (
        select(Folder, func.count(Link.id), func.coalesce(func.sum(Link.clicks), 0))
        .outerjoin(Link, (Link.folder_id == Folder.id) & Link.deleted_at.is_(None))
        .where(Folder.account_id == actor.account_id)
        .group_by(Folder.id)
        .order_by(Folder.key)
    )
    rows = session.execute(statement).all()
    return [{"id": row[0].id, "name": row[0].name, "links": row[1], "clicks": int(row[2])} for row in rows]


@get("/labels/{kind:str}", access=Access.MEMBER)
def labels_page(session: DbRead, call: Calling, kind: FromPath[str]) -> Page:
    """One's tags, folders or templates."""
    return show_labels(session, call, FormState())


@post("/labels/{kind:str}", access=Access.MEMBER, status=200, form=show_labels)
def add_label(session: DbWrite, actor: Member, kind: FromPath[str], data: AnyBody[LabelForm]) -> Redirect:
    """Make one."""
    model, word = _kind(kind)
    columns = {"utm": data.utm} if model is UtmTemplate else {}
    labels.add(session, model, actor, data.name, **columns)
    return Redirect(f"/shortener/labels/{kind}", toast=f"The {word} is there.")


@post("/labels/{kind:str}/{label_id:str}", access=Access.MEMBER, status=200)
def change_label(
    session: DbWrite, actor: Member, kind: FromPath[str], label_id: FromPath[str], data: AnyBody[LabelForm]
) -> Redirect:
    """Rename it; of a template also its parameters."""
    model, word = _kind(kind)
    columns: dict[str, Any] = {"name": data.name}
    if model is UtmTemplate:
        columns["utm"] = data.utm
    try:
        labels.change(session, model, actor, label_id, **columns)
    except NotFound:
        raise
    except DodecaError as error:
        return Redirect(f"/shortener/labels/{kind}", toast=error.message, kind="error")
    return Redirect(f"/shortener/labels/{kind}", toast=f"The {word} is changed.")


@post("/labels/{kind:str}/{label_id:str}/deletion", access=Access.MEMBER, status=200)
def delete_label(session: DbWrite, actor: Member, kind: FromPath[str], label_id: FromPath[str]) -> Redirect:
    """Delete it; links stay."""
    model, word = _kind(kind)
    labels.remove(session, model, actor, label_id)
    return Redirect(f"/shortener/labels/{kind}", toast=f"The {word} is deleted. Links stay.")


routes = [labels_page, add_label, change_label, delete_label]
