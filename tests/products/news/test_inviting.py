"""Invitations: who may become a member, and who let whom in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.products.news.conftest import News
from tests.products.news.test_pages import prepared_url, signed_in  # noqa: F401 - one is a fixture
from tests.support.platform import Client

from dodeca.commons.accounts.models import Account
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, DodecaError, Gone, NotFound
from dodeca.products.news.models import Member
from dodeca.products.news.service import inviting, members, posting, rules, voting
from dodeca.products.news.service.members import NotInvited, Viewer


def signup(news: News, how: str) -> None:
    """Say who may become a member."""
    admin = news.make.account()
    news.run(lambda session: rules.change(session, admin.id, {"signup": how}))


def invitation(news: News, inviter: Account) -> str:
    """An open invitation's code."""
    return news.run(lambda session: inviting.invite(session, inviter.id)).code


def join(news: News, account: Account, code: str) -> None:
    """Use it."""
    news.run(lambda session: inviting.accept(session, account.id, code))


ACTS: list[Callable[[WriteSession, Account, int], object]] = [
    lambda session, account, _: posting.submit(session, account, posting.Submission(title="New", content="Text")),
    lambda session, account, item: posting.comment(session, account, Viewer(account.id), item, "I say this."),
    lambda session, account, item: voting.vote(session, account.id, item, 1),
    lambda session, account, _: members.change_profile(session, account.id, {"about": "Me"}),
]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("how", ["invite", "closed"])
def test_whoever_is_no_member_cannot_become_one_by_acting(
    news: News, how: str, act: Callable[[WriteSession, Account, int], object]
) -> None:
    post = news.post()
    stranger = news.make.account()
    signup(news, how)

    with pytest.raises(NotInvited):
        news.run(lambda session: act(session, stranger, post.id))

    assert news.run(lambda session: session.get(Member, stranger.id)) is None


@pytest.mark.parametrize("act", ACTS)
def test_members_go_on_whatever_the_rule_becomes(
    news: News, act: Callable[[WriteSession, Account, int], object]
) -> None:
    post, member = news.post(), news.account()
    signup(news, "closed")

    news.run(lambda session: act(session, member, post.id))


def test_an_invitation_lets_one_person_in(news: News) -> None:
    alice, bob, carol = news.account(username="alice"), news.make.account(username="bob"), news.make.account()
    signup(news, "invite")
    code = invitation(news, alice)

    join(news, bob, code)

    news.post(bob)
    with pytest.raises(Gone):
        join(news, carol, code)
    inviter = news.run(lambda session: inviting.inviter_of(session, bob.id))
    assert inviter is not None
    assert inviter.username == "alice"


def test_twenty_who_use_one_invitation_at_once_are_one_member(news: News) -> None:
    alice, guests = news.account(), [news.make.account() for _ in range(20)]
    signup(news, "invite")
    code = invitation(news, alice)

    def use(guest: Account) -> bool:
        try:
            join(news, guest, code)
        except DodecaError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(use, guests))

    assert came.count(True) == 1
    assert len(news.run(lambda session: inviting.invited_by(session, alice.id))) == 1


def test_what_cannot_be_used_says_why_and_stays(news: News) -> None:
    alice, bob = news.account(), news.account()
    code = invitation(news, alice)

    with pytest.raises(Conflict):
        join(news, alice, code)
    with pytest.raises(Conflict):
        join(news, bob, code)
    with pytest.raises(NotFound):
        join(news, news.make.account(), "no-such-code")

    assert [row.code for row in news.run(lambda session: inviting.open_ones(session, alice.id))] == [code]


def test_five_invitations_wait_at_most_and_only_their_maker_takes_them_back(news: News) -> None:
    alice, bob = news.account(), news.account()
    codes = [invitation(news, alice) for _ in range(inviting.MOST_OPEN)]

    with pytest.raises(Conflict):
        invitation(news, alice)
    with pytest.raises(NotFound):
        news.run(lambda session: inviting.revoke(session, bob.id, codes[0]))
    news.run(lambda session: inviting.revoke(session, alice.id, codes[0]))

    assert invitation(news, alice) not in codes


def test_a_banned_members_invitation_lets_nobody_in(news: News) -> None:
    alice = news.account()
    code = invitation(news, alice)

    def ban(session: WriteSession) -> None:
        session.get_one(Member, alice.id).banned_reason = "Spam."

    news.run(ban)

    with pytest.raises(Gone):
        join(news, news.make.account(), code)
    with pytest.raises(members.Banned):
        invitation(news, alice)


def test_the_tree_shows_who_let_whom_in_however_long_the_chain(news: News) -> None:
    alice = news.account(username="alice")
    bob, carol, dora = (news.make.account(username=name) for name in ("bob", "carol", "dora"))
    join(news, bob, invitation(news, alice))
    join(news, carol, invitation(news, bob))
    join(news, dora, invitation(news, alice))
    chain = [carol, *(news.make.account() for _ in range(40))]
    for inviter, guest in itertools.pairwise(chain):
        join(news, guest, invitation(news, inviter))

    branches = news.run(inviting.tree)

    shown = [(branch.account.username, branch.depth) for branch in branches]
    assert shown[:3] == [("alice", 0), ("bob", 1), ("carol", 2)]
    assert shown[-2:] == [(chain[-1].username, 42), ("dora", 1)]


def test_the_api_invites_lists_revokes_and_accepts(client: Client, news: News) -> None:
    alice = client.with_token(news.make.token(news.account(username="alice")))
    bob = client.with_token(news.make.token(news.make.account(username="bob")))
    signup(news, "invite")

    made = alice.post("/api/news/invitations").json()
    other = alice.post("/api/news/invitations").json()

    assert made["url"].endswith(f"/news/invitation?code={made['code']}")
    assert bob.delete(f"/api/news/invitations/{other['code']}").status_code == 404
    assert alice.delete(f"/api/news/invitations/{other['code']}").status_code == 204
    assert [row["code"] for row in alice.get("/api/news/invitations").json()["invitations"]] == [made["code"]]
    assert bob.get("/api/news/invitations").json() == {"invitations": []}
    assert bob.post(f"/api/news/invitations/{made['code']}/accept").status_code == 204
    assert client.get("/api/news/users/bob").json()["invited_by"] == "alice"


def test_registering_asks_for_an_invitation_where_news_is_not_open(client: Client, news: News) -> None:
    code = invitation(news, news.account(username="alice"))
    signup(news, "invite")
    wish = {"username": "bob", "password": "a-long-password-1"}

    assert client.post("/api/news/register", json=wish).status_code == 403
    assert client.post("/api/news/register", json={**wish, "invitation": "wrong"}).status_code == 404
    answer = client.post("/api/news/register", json={**wish, "invitation": code})

    assert answer.status_code == 201
    assert client.get("/api/news/users/bob").json()["invited_by"] == "alice"


def test_pages_invite_and_let_in_without_javascript(client: Client, news: News) -> None:
    browser, alice = signed_in(client, news, "alice")
    guest, _bob = signed_in(client, news, "bob")
    news.run(lambda session: members.member(session, alice.id))
    signup(news, "invite")

    browser.submit("/news/invitations", {}, page="/news/invitations")
    code = news.run(lambda session: inviting.open_ones(session, alice.id))[0].code
    page = f"/news/invitation?code={code}"

    assert code in browser.get("/news/invitations").text
    assert "alice invites you" in client.get(page).text
    assert f"/register?next=/news/invitation%3Fcode%3D{code}" in client.get(page).text
    guest.submit("/news/invitation", {"code": code}, page=page)
    assert "Invited by" in client.get("/news/user?id=bob").text
    assert "bob" in client.get("/news/tree").text
    assert client.get(page).status_code == 410
