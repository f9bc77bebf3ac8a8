"""Custom domains."""

from __future__ import annotations

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, Forbidden, NotFound
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
from dodeca.products.shortener.models import Domain
from dodeca.products.shortener.pages.surroundings import Line, Member, Url, page
from dodeca.products.shortener.service import domains, of

HERE = "/shortener/domains"


class DomainForm(ClosedRequest):
    """A domain, and where its own pages lead."""

    domain: Line = ""
    home_url: Url = ""
    not_found_url: Url = ""
    expired_url: Url = ""


class VerifyForm(ClosedRequest):
    """`approve` is a moderator's word in place of the record."""

    approve: Line = ""


def show_domains(session: ReadSession, call: Call, state: FormState) -> Page:
    """One's domains (moderators see all), and the form for a new one."""
    actor = call.member()
    rows = session.scalars(domains.visible_to(actor).order_by(Domain.host).limit(500)).all()
    shown = [(row, domains.txt_name(row), row.account_id == actor.account_id) for row in rows]
    address = call.platform.public_url.partition("://")[2]
    return page(call, "domains.html", rows=shown, form=state.form, address=address)


@get("/domains", access=Access.MEMBER)
def domains_page(session: DbRead, call: Calling) -> Page:
    """One's domains."""
    return show_domains(session, call, FormState())


@post("/domains", access=Access.MEMBER, status=200, form=show_domains)
def add_domain(session: DbWrite, call: Calling, actor: Member, data: AnyBody[DomainForm]) -> Redirect:
    """Enter a domain."""
    row = domains.add(session, of(call.platform), actor, data.domain)
    return Redirect(f"{HERE}#{row.host}", toast="Now add the record to your DNS.")


@post("/domains/{host:str}", access=Access.MEMBER, status=200)
def change_domain(
    session: DbWrite, call: Calling, actor: Member, host: FromPath[str], data: AnyBody[DomainForm]
) -> Redirect:
    """Change where its own pages lead."""
    urls = {name: getattr(data, name) or None for name in ("home_url", "not_found_url", "expired_url")}
    try:
        domains.change(session, of(call.platform), actor, host, **urls)
    except (NotFound, Forbidden):
        raise
    except DodecaError as error:
        return Redirect(HERE, toast=error.message, kind="error")
    return Redirect(HERE, toast="Saved.")


@post("/domains/{host:str}/verification", access=Access.MEMBER, status=200)
async def verify_domain(call: Calling, host: FromPath[str], data: AnyBody[VerifyForm]) -> Redirect:
    """Look for the record now."""
    try:
        await domains.verify(of(call.platform), call.member(), host, approve=data.approve == "yes")
    except (NotFound, Forbidden):
        raise
    except DodecaError as error:
        return Redirect(HERE, toast=error.message, kind="error")
    return Redirect(HERE, toast=f"{host} is served now.")


@post("/domains/{host:str}/deletion", access=Access.MEMBER, status=200)
def delete_domain(session: DbWrite, call: Calling, actor: Member, host: FromPath[str]) -> Redirect:
    """Give a domain up."""
    try:
        domains.remove(session, of(call.platform), actor, host)
    except NotFound:
        raise
    except DodecaError as error:
        return Redirect(HERE, toast=error.message, kind="error")
    return Redirect(HERE, toast="The domain is gone.")


routes = [domains_page, add_domain, change_domain, verify_domain, delete_domain]
