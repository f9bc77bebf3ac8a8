"""The API, row by row."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from tests.products.news.conftest import News
from tests.support.platform import Client, work

from dodeca.commons.accounts.models import Account

PASSWORD = "quite a long passphrase 9"


@pytest.fixture
def alice(news: News) -> Account:
    return news.account(username="alice")


@pytest.fixture
def as_alice(client: Client, news: News, alice: Account) -> Client:
    return client.with_token(news.make.token(alice))


def test_registering_in_the_words_of_the_description(client: Client) -> None:
    answer = client.post("/api/news/register", json={"username": "Carol", "password": PASSWORD})
    body = answer.json()
    assert (answer.status_code, body["message"]) == (201, "Registration successful.")
    assert {k: body["user"][k] for k in ("username", "email", "posts", "comments")} == {
        "username": "Carol",
        "email": None,
        "posts": [],
        "comments": [],
    }
    assert "password" not in answer.text.replace(PASSWORD, "")
    taken = client.post("/api/news/register", json={"username": "carol", "password": PASSWORD})
    assert (taken.status_code, taken.json()["error"]) == (409, "Username already exists.")
    missing = client.post("/api/news/users/register", json={"username": "dave", "password": PASSWORD})
    assert (missing.status_code, missing.json()["error"]) == (400, "All fields are required.")


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/posts", {}, "Author ID, title, and content are required."),
        ("/posts/submit", {}, "Title, URL, and username are required."),
        ("/submit_post", {}, "Title, content, and username are required."),
        ("/comments", {}, "Post ID, author ID, and content are required."),
        ("/comment", {}, "Post ID, username, and content are required."),
        ("/votes", {}, "Voter ID, target type, target ID, and vote type are required."),
        ("/posts/vote", {}, "Invalid input data."),
        ("/vote", {}, "Invalid input data."),
    ],
)
def test_what_is_missing_is_said(as_alice: Client, path: str, body: dict[str, Any], error: str) -> None:
    answer = as_alice.post("/api/news" + path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("word", ["sideways", 1, 1.5, True, [], ["upvote"], {"up": "vote"}])
def test_what_is_no_word_for_a_vote_is_invalid_input_of_whatever_type(
    as_alice: Client, alice: Account, news: News, word: object
) -> None:
    post = news.post()
    named = {"username": "alice", "vote_type": word}
    bodies = {
        "/vote": {**named, "post_id": post.id},
        "/posts/vote": {**named, "post_title": post.title},
        "/votes": {"voter_id": alice.id, "target_type": "post", "target_id": post.id, "vote_type": word},
    }
    for path, body in bodies.items():
        answer = as_alice.post(f"/api/news{path}", json=body)
        assert (path, answer.status_code, answer.json()["error"]) == (path, 400, "Invalid input data.")
    of_type = bodies["/votes"] | {"target_type": word, "vote_type": "upvote"}
    answer = as_alice.post("/api/news/votes", json=of_type)
    assert (answer.status_code, answer.json()["error"]) == (400, "Invalid input data.")


def test_without_login_nothing_is_written(client: Client, alice: Account) -> None:
    for path in ("/posts", "/posts/submit", "/comments", "/votes", "/vote"):
        assert client.post("/api/news" + path, json={"username": "alice"}).status_code == 401


def test_posting_discussing_and_voting(client: Client, as_alice: Client, alice: Account, news: News) -> None:
    bob = news.account(username="bob")
    as_bob = client.with_token(news.make.token(bob))
    link = {"title": "A page", "url": "https://example.com/page", "username": "alice"}
    made = as_alice.post("/api/news/posts/submit", json=link)
    assert (made.status_code, made.json()["message"]) == (201, "Post submitted successfully.")
    post = made.json()["post"]
    assert (post["score"], post["votes"], post["kind"], post["site"]) == (1, 0, "story", "example.com")

    again = as_bob.post("/api/news/posts/submit", json={**link, "username": "bob"})
    assert (again.status_code, again.json()["message"]) == (200, "Already posted; your vote was added.")
    assert again.json()["post"]["votes"] == 1

    said = as_bob.post("/api/news/comment", json={"post_id": post["id"], "username": "bob", "content": "Well *said*"})
    assert (said.status_code, said.json()["comment"]["html"]) == (201, "Well <i>said</i>")
    answer = {"post_id": post["id"], "author_id": alice.id, "content": "Thanks"}
    reply = as_alice.post("/api/news/comments", json={**answer, "parent_id": said.json()["comment"]["id"]})
    assert reply.status_code == 201
    vote = {"voter_id": alice.id, "target_type": "comment", "target_id": said.json()["comment"]["id"]}
    voted = as_alice.post("/api/news/votes", json={**vote, "vote_type": "upvote"})
    assert (voted.status_code, voted.json()["vote"]["vote_type"]) == (201, "upvote")

    shown = client.get(f"/api/news/posts/{post['id']}").json()["post"]
    assert (shown["comments_count"], shown["my_vote"]) == (2, None)
    assert shown["comments"][0]["comments"][0]["content"] == "Thanks"
    assert shown["comments"][0]["votes"] is None
    alone = client.get(f"/api/news/comments/{shown['comments'][0]['id']}").json()["comment"]
    assert alone == shown["comments"][0]
    assert as_bob.get(f"/api/news/posts/{post['id']}").json()["post"]["comments"][0]["votes"] == 1
    assert as_bob.request("DELETE", f"/api/news/votes?target_type=post&target_id={post['id']}").status_code == 204
    by_title = {"post_title": "A page", "username": "bob", "vote_type": "upvote"}
    assert as_bob.post("/api/news/posts/vote", json=by_title).json() == {"message": "Vote recorded successfully."}


def test_nobody_acts_for_another(as_alice: Client, news: News) -> None:
    bob = news.account(username="bob")
    body = {"title": "T", "content": "C"}
    assert as_alice.post("/api/news/posts", json={**body, "author_id": bob.id}).status_code == 403
    nobody = as_alice.post("/api/news/posts", json={**body, "author_id": 1})
    assert (nobody.status_code, nobody.json()["error"]) == (404, "User not found.")
    assert as_alice.post("/api/news/submit_post", json={**body, "username": "bob"}).status_code == 403
    assert as_alice.post("/api/news/submit_post", json={**body, "username": "nobody"}).status_code == 404


def test_polls_and_tags(as_alice: Client, alice: Account) -> None:
    body = {"author_id": alice.id, "title": "Which?", "content": "Say.", "kind": "poll", "tags": ["Python"]}
    made = as_alice.post("/api/news/posts", json={**body, "options": ["A", "B"]}).json()["post"]
    assert ([o["text"] for o in made["options"]], made["tags"], made["kind"]) == (["A", "B"], ["python"], "poll")
    assert as_alice.post("/api/news/posts", json=body).status_code == 400
    listed = as_alice.get("/api/news/posts?sort=poll&tag=python").json()["posts"]
    assert [post["id"] for post in listed] == [made["id"]]


def test_editing_and_deleting(as_alice: Client, alice: Account, news: News, client: Client) -> None:
    post = news.post(alice, content="Before")
    changed = as_alice.patch(f"/api/news/posts/{post.id}", json={"content": "After"})
    assert (changed.status_code, changed.json()["post"]["content"]) == (200, "After")
    stranger = client.with_token(news.make.token(news.account()))
    assert stranger.patch(f"/api/news/posts/{post.id}", json={"content": "Mine"}).status_code == 403
    assert as_alice.delete(f"/api/news/posts/{post.id}").status_code == 204
    assert client.get(f"/api/news/posts/{post.id}").status_code == 404


def test_lists_page_with_a_link_header(client: Client, news: News) -> None:
    author = news.account(karma=5)
    made = [news.post(author).id for _ in range(5)]
    first = client.get("/api/news/posts?sort=new&limit=3")
    rest = client.get(f"/api/news/posts?sort=new&limit=3&cursor={first.json()['next_cursor']}")
    assert [p["id"] for p in first.json()["posts"] + rest.json()["posts"]] == made[::-1]
    assert 'rel="next"' in first.headers["link"]


def test_marks_may_be_repeated_and_stay_private(client: Client, as_alice: Client, news: News) -> None:
    post = news.post()
    for mark, body in (("favorite", {}), ("hide", {}), ("flag", {"reason": "spam"})):
        for _ in range(2):
            assert as_alice.post(f"/api/news/posts/{post.id}/{mark}", json=body).status_code == 204
    assert client.get("/api/news/users/alice/favorites").json()["posts"][0]["id"] == post.id
    assert as_alice.get("/api/news/users/me/hidden").json()["posts"][0]["id"] == post.id
    assert client.get("/api/news/users/me/hidden").status_code == 401
    assert "spam" not in client.get(f"/api/news/posts/{post.id}").text
    assert as_alice.delete(f"/api/news/posts/{post.id}/flag").status_code == 204


def test_the_rank_is_explained_and_recomputes(client: Client, news: News) -> None:
    post = news.post(content="A question")
    news.vote(post)
    news.vote(post)

    why = client.get(f"/api/news/posts/{post.id}/rank").json()

    expected = (why["counted_points"] - 1) ** 0.8 / (why["age_hours"] + 2) ** 1.8
    for factor in why["factors"]:
        expected *= factor["value"]
    assert why["rank"] == pytest.approx(expected, rel=0.01)
    assert why["position"] == 1


def test_profiles_show_votes_only_where_they_are_public(
    client: Client, as_alice: Client, alice: Account, news: News
) -> None:
    post = news.post()
    news.vote(post, alice)
    own = as_alice.get("/api/news/user_profile/alice").json()
    assert own["votes"] == {str(post.id): "upvote"}
    assert client.get("/api/news/user_profile/alice").json()["votes"] == {}
    assert as_alice.patch("/api/news/users/me", json={"public_votes": True}).status_code == 200
    assert client.get("/api/news/user_profile/alice").json()["votes"] == {str(post.id): "upvote"}
    assert client.get("/api/news/user_profile/nobody").status_code == 404
    assert "public_votes" not in client.get("/api/news/users/alice").json()


def test_following_fills_the_feed(as_alice: Client, news: News) -> None:
    bob = news.account(username="bob")
    post = news.post(bob)
    assert as_alice.post("/api/news/users/bob/follow").status_code == 204
    assert [p["id"] for p in as_alice.get("/api/news/feed").json()["posts"]] == [post.id]
    assert as_alice.delete("/api/news/users/bob/follow").status_code == 204
    assert as_alice.get("/api/news/feed").json()["posts"] == []


def test_moderators_act_in_the_open(client: Client, as_alice: Client, news: News) -> None:
    post = news.post()
    moderator = client.with_token(news.make.token(news.account(username="mona", roles_too=["moderator"])))
    report = {"target_type": "post", "target_id": post.id, "reason": "spam"}
    assert as_alice.post("/api/news/reports", json=report).json()["state"] == "open"
    assert [p["id"] for p in moderator.get("/api/news/moderation/queue").json()["posts"]] == [post.id]
    act = {"action": "kill", "target_type": "post", "target_id": post.id}
    assert as_alice.post("/api/news/moderation/actions", json={**act, "reason": "x"}).status_code == 403
    assert moderator.post("/api/news/moderation/actions", json=act).status_code == 400
    assert moderator.post("/api/news/moderation/actions", json={**act, "reason": "Spam."}).status_code == 201
    entry = client.get("/api/news/moderations").json()["moderations"][0]
    assert (entry["action"], entry["moderator"], entry["reason"]) == ("kill", "mona", "Spam.")
    assert client.get(f"/api/news/posts/{post.id}").status_code == 404
    assert as_alice.get("/api/news/reports").json()["reports"][0]["state"] == "upheld"


def test_site_settings_are_the_admins(client: Client, as_alice: Client, news: News) -> None:
    admin = client.with_token(news.make.token(news.account(username="boss", roles_too=["admin"])))
    assert as_alice.put("/api/news/settings/site", json={"preset": "hn"}).status_code == 403
    bad: list[Any] = [{"gravity": "x"}, {"gravity": 1000}, {"posts_an_hour": 0}, {"surprise": 1}, {"reason": 5}, {}, []]
    for wrong in bad:
        assert admin.put("/api/news/settings/site", json=wrong).status_code == 400
    changed = admin.put("/api/news/settings/site", json={"preset": "hn", "reason": "Grown up"})
    assert changed.json()["karma_to_downvote"] == 501
    assert client.get("/api/news/moderations").json()["moderations"][0]["action"] == "settings"


def test_search_finds_what_may_be_seen(client: Client, as_alice: Client, alice: Account, news: News) -> None:
    body = {"author_id": alice.id, "title": "Quantum kettles", "content": "They boil in superposition."}
    made = as_alice.post("/api/news/posts", json=body).json()["post"]
    work(news.platform)

    assert [p["id"] for p in client.get("/api/news/search?q=superpos").json()["posts"]] == [made["id"]]
    assert client.get("/api/news/search?q=kettles&author=bob").json()["posts"] == []
    as_alice.delete(f"/api/news/posts/{made['id']}")
    assert client.get("/api/news/search?q=kettles").json()["posts"] == []


def test_the_export_is_a_zip_of_ones_own(as_alice: Client, alice: Account, news: News) -> None:
    news.vote(news.post(), alice)
    archive = zipfile.ZipFile(io.BytesIO(as_alice.get("/api/news/users/me/export").content))
    assert set(archive.namelist()) == {
        "user.json",
        "items.jsonl",
        "favorites.txt",
        "hidden.txt",
        "follows.txt",
        "votes.csv",
        "flags.csv",
        "shelf.jsonl",
        "suggestions.jsonl",
    }
    assert b",post,upvote," in archive.read("votes.csv")


@pytest.mark.parametrize(
    "path",
    [
        "/posts/0",
        "/posts/99999999999999999999",
        "/posts/-1",
        "/posts?sort=x",
        "/posts?cursor=zzz",
        "/posts?limit=1000",
        "/posts?min_points=99999999999999999999",
        "/posts?day=2031-02-30",
        "/comments/9223372036854775808",
        "/stream?topics=x",
        "/users/%00",
        "/posts/1/rank",
    ],
)
def test_odd_requests_are_refused_not_broken(client: Client, path: str) -> None:
    assert client.get("/api/news" + path).status_code in (400, 404)


@pytest.mark.parametrize("value", ["NaN", "1e400", "{}", "[]", "true", "99999999999999999999", '"x"', "null"])
def test_odd_ids_in_bodies_are_refused(as_alice: Client, value: str) -> None:
    for path, name in (("/comment", "post_id"), ("/vote", "post_id")):
        body = f'{{"{name}": {value}, "username": "alice", "content": "c", "vote_type": "upvote"}}'
        answer = as_alice.post("/api/news" + path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 404)


def test_a_socket_tells_what_the_stream_tells(client: Client, as_alice: Client, alice: Account, news: News) -> None:
    post = news.post()
    with client.http.websocket_connect("/api/news/ws?topics=planets") as socket:
        assert socket.receive_json()["event"] == "error"
    with client.http.websocket_connect("/api/news/ws?topics=inbox") as socket:
        assert socket.receive_json()["data"]["message"] == "Sign in first."

    with client.http.websocket_connect(f"/api/news/ws?topics=top,item:{post.id}") as socket:
        assert socket.receive_json()["event"] == "open"
        body = {"post_id": post.id, "username": alice.username, "vote_type": "upvote"}
        assert as_alice.post("/api/news/vote", json=body).status_code == 200
        told = socket.receive_json()

    assert told["event"] == "score"
    assert told["data"] == {"id": post.id, "score": 2, "comments_count": 0}
    with client.http.websocket_connect(f"/api/news/ws?topics=item:{post.id}&last_id=0") as socket:
        assert [socket.receive_json()["event"] for _ in range(2)] == ["open", "score"]


def test_a_vote_is_taken_back_by_query_or_body(as_alice: Client, alice: Account, news: News) -> None:
    post = news.post()
    vote = {"voter_id": alice.id, "target_type": "post", "target_id": post.id, "vote_type": "upvote"}
    target = {"target_type": "post", "target_id": post.id}
    for where in ("params", "json"):
        assert as_alice.post("/api/news/votes", json=vote).json()["vote"]["vote_type"] == "upvote"

        assert as_alice.request("DELETE", "/api/news/votes", **{where: target}).status_code == 204

        assert news.item(post.id).score == 1
    assert as_alice.delete("/api/news/votes").status_code == 400
