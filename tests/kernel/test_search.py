"""Search: both engines find the same, what people type is never syntax, and nobody finds what they may not see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, literal, select, text, union_all, update

from dodeca.kernel.db import Database, ReadSession, WriteSession, queries
from dodeca.kernel.search import Document, Hit, Query, SearchIndex, is_companion, join_all, naming, parsed
from dodeca.kernel.search.highlights import snippet
from dodeca.kernel.search.queries import Term
from dodeca.kernel.search.words import tokens

tables = MetaData()
notes = SearchIndex(
    "test_notes", module="tests", fields={"title": 10, "body": 1}, filters=["kind", "owner"], metadata=tables
)

names = SearchIndex(
    "test_names", module="tests", fields={"title": 10, "artist": 5}, filters=["owner"], names=True, metadata=tables
)

places = SearchIndex(
    "test_places", module="tests", fields={"title": 10, "land": 1}, filters=["owner"], parts="title", metadata=tables
)

Search = Callable[..., list[Hit]]


@pytest.fixture
def db(database: Database) -> Database:
    database.write(lambda session: tables.create_all(session.connection()))
    return database


def put(db: Database, doc_id: str, title: str = "", body: str = "", **more: Any) -> None:
    db.write(lambda session: notes.index(session, doc_id, {"title": title, "body": body}, **more))


def found(db: Database, text: str, **more: Any) -> list[str]:
    return [hit.doc_id for hit in db.read(lambda session: notes.query(session, text, **more))]


def test_a_document_is_found_by_its_words(db: Database) -> None:
    put(db, "a", "The quick brown fox", "jumps over the lazy dog")
    put(db, "b", "Another animal", "a cat sleeps")

    assert found(db, "fox") == ["a"]
    assert found(db, "dog quick") == ["a"]
    assert found(db, "fox cat") == []
    assert found(db, "elephant") == []


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Crème brûlée", "creme brulee"),
        ("creme brulee", "CRÈME BRÛLÉE"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Smørrebrød", "smorrebrod"),
        ("Ærø", "aero"),
        ("Ελλάδα", "ελλαδα"),
        ("Ёлка и ёжик", "ежик"),
        ("ﬁnance", "finance"),
        ("東京都庁", "京都"),
        ("東京タワーへ行く", "タワー"),
        ("สวัสดีครับ", "สวัสดี"),
        ("안녕하세요 세계", "안녕"),
        ("नमस्ते दुनिया", "दुनिया"),
        ("C3PO and R2-D2", "r2-d2"),
        ("x_train", "train"),
        ("e\u0301tude", "étude"),
        ("İstanbul", "istanbul"),
    ],
)
def test_case_accents_and_scripts_do_not_matter(db: Database, written: str, typed: str) -> None:
    put(db, "a", written)
    put(db, "b", "something else altogether")

    assert found(db, typed) == ["a"]


def test_words_in_quotes_occur_as_they_stand(db: Database) -> None:
    put(db, "a", body="new york is not old york")
    put(db, "b", body="york has a new mayor")
    put(db, "c", title="old new", body="york")

    assert set(found(db, "new york")) == {"a", "b", "c"}
    assert found(db, '"new york"') == ["a"]
    assert found(db, '"New York') == ["a"]
    assert found(db, "“new york”") == ["a"]


def test_a_minus_excludes(db: Database) -> None:
    put(db, "a", body="apple pie with cream")
    put(db, "b", body="apple cake, state-of-the-art")

    assert found(db, "apple -cream") == ["b"]
    assert found(db, 'apple -"apple cake"') == ["a"]
    assert found(db, "-apple") == []
    assert found(db, "state-of-the-art") == ["b"]


def test_the_last_word_may_be_unfinished(db: Database) -> None:
    put(db, "a", body="international politics")

    assert found(db, "internat") == ["a"]
    assert found(db, "politics inter") == ["a"]
    assert found(db, "internat politics") == []
    assert found(db, "internat ") == []
    assert found(db, '"internat"') == []
    assert found(db, "i") == []


def test_a_word_in_a_weightier_field_ranks_higher(db: Database) -> None:
    put(db, "body", "something", "a word about whales and other things")
    put(db, "title", "whales", "a word about nothing and other things")
    put(db, "none", "nothing", "nothing at all")

    hits = db.read(lambda session: notes.query(session, "whales"))

    assert [hit.doc_id for hit in hits] == ["title", "body"]
    assert hits[0].rank > hits[1].rank > 0


def test_the_newest_can_come_first(db: Database) -> None:
    put(db, "old", "news news news", at=datetime(2030, 1, 1, tzinfo=UTC))
    put(db, "new", body="other things and news", at=datetime(2031, 1, 1, tzinfo=UTC))
    put(db, "timeless", "news")

    assert found(db, "news", newest=True) == ["new", "old", "timeless"]


def test_indexing_again_replaces(db: Database) -> None:
    put(db, "a", "first version", filters={"kind": "draft"})

    put(db, "a", "second edition", filters={"kind": "post"})

    assert found(db, "version") == []
    assert found(db, "edition", filters={"kind": "post"}) == ["a"]
    assert found(db, "edition", filters={"kind": "draft"}) == []


def test_a_removed_document_is_not_found(db: Database) -> None:
    put(db, "a", "gone soon")

    db.write(lambda session: notes.remove(session, "a"))
    db.write(lambda session: notes.remove(session, "never there"))

    assert found(db, "gone") == []
    put(db, "a", "back again")
    assert found(db, "back") == ["a"]


def test_a_unit_that_fails_indexes_nothing(db: Database) -> None:
    def failing(session: WriteSession) -> None:
        notes.index(session, "a", {"title": "half done"})
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        db.write(failing)

    assert found(db, "half") == []


def test_filters_narrow(db: Database) -> None:
    for doc_id, kind, owner in [("a", "post", "ada"), ("b", "note", "ada"), ("c", "post", "bob")]:
        put(db, doc_id, "same text", filters={"kind": kind, "owner": owner})
    put(db, "d", "same text")

    assert set(found(db, "same")) == {"a", "b", "c", "d"}
    assert set(found(db, "same", filters={"kind": "post"})) == {"a", "c"}
    assert found(db, "same", filters={"kind": "post", "owner": "ada"}) == ["a"]
    assert set(found(db, "same", filters={"kind": ["post", "note"]})) == {"a", "b", "c"}
    assert found(db, "same", filters={"kind": []}) == []


def test_what_the_actor_may_not_see_is_not_found(db: Database) -> None:
    put(db, "mine", "secret plans")
    put(db, "yours", "secret plans")
    visible = union_all(select(literal("mine")), select(literal("other"))).subquery()

    assert found(db, "secret", visible=select(visible.c[0])) == ["mine"]


def test_pages_follow_one_another_without_gap_or_repetition(db: Database) -> None:
    for number in range(25):
        put(db, f"d{number}", "the same words for all")

    pages = [found(db, "same", limit=10, offset=offset) for offset in (0, 10, 20, 30)]

    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert len({doc_id for page in pages for doc_id in page}) == 25
    assert found(db, "same", offset=10**12) == []


def test_an_unknown_field_or_filter_is_a_defect(db: Database) -> None:
    with pytest.raises(ValueError, match="colour"):
        db.write(lambda session: notes.index(session, "a", {"colour": "red"}))
    with pytest.raises(ValueError, match="colour"):
        put(db, "a", "x", filters={"colour": "red"})
    with pytest.raises(ValueError, match="colour"):
        found(db, "x", filters={"colour": "red"})


@pytest.mark.parametrize("text", ["", " ", '"', '""', "-", "--", "- -", "***", "()", "🦊", "\0", "'", "\u0301"])
def test_a_query_without_words_finds_nothing(db: Database, text: str) -> None:
    put(db, "a", "anything 🦊")

    assert found(db, text) == []


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(),
        st.text(alphabet="ab \"'-*()|&!<>:^{}\\~+,;$%?@\0\ud800" + "\u201c\u0301é京"),
        st.lists(st.sampled_from(["AND", "OR", "NOT", "NEAR", "title:", "a*", '"', "-", "(", "fox"])).map(" ".join),
    )
)
def test_whatever_is_typed_is_data(db: Database, text: str) -> None:
    put(db, "a", "fox", text)

    for query in (text, f"fox {text}", f'"{text}"', f"fox -{text}"):
        assert set(found(db, query)) <= {"a"}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1), title=st.text())
def test_a_text_is_found_by_itself(db: Database, text: str, title: str) -> None:
    put(db, "a", title, text)

    words = [token.word for token in tokens(text)]

    if words:
        assert found(db, " ".join(words[:15])) == ["a"]
        assert found(db, f'"{" ".join(words[:15])}"') == ["a"]


def test_a_huge_document_is_indexed_as_far_as_it_goes(db: Database) -> None:
    put(db, "a", "huge", " ".join(f"word{number}" for number in range(200_000)) + " same" * 50_000)

    assert found(db, "word7 huge") == ["a"]


def test_a_huge_query_is_bounded(db: Database) -> None:
    put(db, "a", "fox")

    assert found(db, "fox " * 100_000) == ["a"]
    assert len(parsed("a b " * 1000).wanted) == 20


def test_highlights_come_with_the_hit(db: Database) -> None:
    put(db, "a", "Crème <b>brûlée</b>", "x " * 100 + "the best creme of all " + "y " * 100)

    [hit] = db.read(lambda session: notes.query(session, "creme bru", snippet_words=10))

    assert hit.highlights["title"].__html__() == "<mark>Crème</mark> &lt;b&gt;<mark>brûlée</mark>&lt;/b&gt;"
    assert hit.highlights["body"].text == "… the best creme of all y y y y y …"
    assert ("creme", True) in hit.highlights["body"].parts
    assert str(hit.highlights["title"]) == "Crème <b>brûlée</b>"


def test_on_sqlite_the_companion_is_made_from_the_rows_when_it_is_missing(db: Database) -> None:
    put(db, "a", "kept text")
    if db.dialect == "sqlite":
        db.write(lambda session: session.connection().exec_driver_sql(f"DROP TABLE {notes.companion}") and None)

    for _ in range(2):
        db.write(lambda session: notes.table.dispatch.after_create(notes.table, session.connection(), checkfirst=False))

    assert found(db, "kept") == ["a"]


def test_the_companions_tables_are_known_as_such(db: Database) -> None:
    if db.dialect == "sqlite":
        names = db.read(
            lambda session: [
                str(name)
                for (name,) in session.connection().exec_driver_sql("SELECT name FROM sqlite_master WHERE type='table'")
            ]
        )
        ours = [name for name in names if name.startswith("search_test_notes")]
        assert [name for name in ours if not is_companion(name)] == ["search_test_notes"]
        assert len(ours) == 6 + 1 - ("search_test_notes_fts_content" not in ours)


def test_tables_can_be_dropped_and_made_again(db: Database) -> None:
    put(db, "a", "text")

    db.write(lambda session: tables.drop_all(session.connection()))
    db.write(lambda session: tables.create_all(session.connection()))

    assert found(db, "text") == []
    put(db, "a", "text")
    assert found(db, "text") == ["a"]


def test_one_statement_answers_a_query(db: Database) -> None:
    put(db, "a", "text")

    with queries(at_most=1):
        found(db, "text")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Foo bar ", Query((Term(("foo",)), Term(("bar",))))),
        ("foo ba", Query((Term(("foo",)), Term(("ba",), True)))),
        ('"foo bar" -baz -"x y"', Query((Term(("foo", "bar")),), (Term(("baz",)), Term(("x", "y"))))),
        ("e-mail", Query((Term(("e", "mail"), True),))),
        ("a", Query((Term(("a",)),))),
        ("a - b ", Query((Term(("a",)), Term(("b",))))),
        ('foo "bar', Query((Term(("foo",)), Term(("bar",), True)))),
    ],
)
def test_a_query_is_understood(text: str, query: Query) -> None:
    assert parsed(text) == query


def test_a_snippet_shows_where_most_was_found() -> None:
    text = "apple " + "x " * 50 + "pear and apple " + "y " * 50

    shown = snippet(text, parsed("apple pear "), words=8)

    assert shown.text.startswith("… ")
    assert shown.text.endswith(" …")
    assert [part for part, marked in shown.parts if marked] == ["pear", "apple"]


def test_a_snippet_marks_phrases_as_phrases() -> None:
    shown = snippet("new cars in new york", parsed('"new york"'))

    assert [part for part, marked in shown.parts if marked] == ["new", "york"]
    assert shown.text == "new cars in new york"


@given(text=st.text(), query=st.text(), words=st.integers(1, 10))
def test_a_snippet_is_a_part_of_its_text(text: str, query: str, words: int) -> None:
    shown = snippet(text, parsed(query), words=words)

    inner = [part for part in shown.parts if part not in (("… ", False), (" …", False))] if shown.parts else []
    assert "".join(part for part, _ in inner) in text
    assert "<" not in shown.__html__().replace("<mark>", "").replace("</mark>", "")


def test_a_snippet_looks_at_a_beginning_only() -> None:
    shown = snippet("word another " * 20_000 + "last", parsed("last "), words=5)

    assert (shown.found, shown.text) == (False, "word another word another word …")


def test_an_index_has_one_to_four_fields() -> None:
    for count in (0, 5):
        with pytest.raises(ValueError, match="one to four"):
            SearchIndex("x", module="tests", fields=dict.fromkeys("abcde"[:count], 1.0), metadata=MetaData())


def test_a_read_session_is_enough(db: Database) -> None:
    put(db, "a", "text")

    def asking(session: ReadSession) -> int:
        return len(notes.query(session, "text"))

    assert db.read(asking) == 1


def lists(session: ReadSession) -> int:
    """How many lists of words the engine has; PostgreSQL has one."""
    statement = text(f"SELECT count(DISTINCT segid) FROM {places.companion}_idx")
    return int(session.scalar(statement) or 0) if session.dialect == "sqlite" else 1


def test_no_document_waits_until_what_a_load_left_is_joined(db: Database) -> None:
    """At a million documents that takes seconds, in which nobody could write."""
    db.write(places.begin_load)
    for number in range(14):
        place(db, str(number), f"Harbour {number}")
    db.write(places.end_load)
    before = db.read(lists)

    for number in range(14, 20):
        place(db, str(number), f"Harbour {number}")

    assert db.read(lists) >= before
    assert len(placed(db, "harbour")) == 20


def test_lists_of_words_are_joined_where_there_are_many(db: Database) -> None:
    db.write(places.begin_load)  # so that they are not joined at once
    for number in range(12):
        place(db, str(number), f"Harbour {number}")
    db.write(places.end_load)

    steps = 0
    before = db.read(lists)
    while db.write(places.join_lists):
        steps += 1

    assert (db.read(lists), steps > 0) == (1, before > 8)
    assert len(placed(db, "harbour")) == len(placed(db, "arbou")) == 12


def test_lists_are_joined_although_others_write_all_the_while(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dodeca.kernel.search.lists.BREATH_SECONDS", 0.01)
    db.write(places.begin_load)
    for number in range(12):
        place(db, str(number), f"Harbour {number}")
    db.write(places.end_load)

    async def run() -> int:
        joining = asyncio.ensure_future(join_all(db, [places]))
        written = 0
        while not joining.done():
            await db.awrite(lambda _session: None)
            written += 1
        await joining
        return written

    assert asyncio.run(run()) > 0
    assert db.read(lists) == 1
    assert len(placed(db, "harbour")) == 12


def test_of_several_words_those_that_are_there_are_taken_as_meant(db: Database) -> None:
    put(db, "a", "broken thunder")
    put(db, "b", "broken thunders")
    put(db, "c", "silver river")
    put(db, "d", "liver and onions")

    assert found(db, "thunder brokn", loosely=True) == ["a"]
    assert found(db, "liver silver", loosely=True) == ["c"]  # both are there, nowhere together


def test_nothing_is_spelt_otherwise_where_a_word_is_nowhere_and_too_short_for_it(db: Database) -> None:
    put(db, "a", "The lighthouse of Alexandria", "a tower")

    with queries(at_most=4):  # all words, one of them, and the last by itself and as a beginning
        assert found(db, "lighthouse elze", loosely=True) == []


def test_where_nothing_fits_long_words_may_be_misspelt(db: Database) -> None:
    put(db, "a", "The lighthouse of Alexandria", "a tower")
    put(db, "b", "Something else", "a towel")

    for typed in ("lighthose", "lightthouse", "lihgthouse", "lightnouse", "alexandra", "lighthose alexandria"):
        assert found(db, typed) == []
        assert found(db, typed, loosely=True) == ["a"]
    assert found(db, "tower", loosely=True) == ["a"]
    assert found(db, "els", loosely=True) == ["b"]
    assert found(db, "elze", loosely=True) == []
    [hit] = db.read(lambda session: notes.query(session, "lighthose", loosely=True))
    assert ("lighthouse", True) in hit.highlights["title"].parts


def test_where_very_much_fits_the_newest_is_ranked(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dodeca.kernel.search.index.MOST_RANKED", 3)
    for number in range(6):
        put(db, f"{number}", "A tower", "of stone", filters={"kind": "odd" if number % 2 else "even"})

    assert len(found(db, "tower")) == (3 if db.dialect == "sqlite" else 6)
    assert sorted(found(db, "tower", filters={"kind": "odd"})) == ["1", "3", "5"]


def name(db: Database, *given: tuple[str, str, str], owner: str = "ann") -> None:
    """Put names in: id, title, artist."""
    made = [
        Document(doc_id=doc_id, fields={"title": title, "artist": artist}, filters={"owner": owner})
        for doc_id, title, artist in given
    ]
    db.write(lambda session: names.index_new(session, made))


def named(db: Database, text: str, **more: Any) -> list[str]:
    return [hit.doc_id for hit in db.read(lambda session: names.query(session, text, **more))]


def test_names_are_ranked_by_where_and_how_much_of_them_was_typed(db: Database) -> None:
    name(
        db,
        ("artist", "Sea", "River"),
        ("long", "The long way down to the old river", "Bo"),
        ("title", "River", "Bo"),
        ("both", "River", "River"),
    )

    assert named(db, "river")[0] in ("title", "both")
    assert set(named(db, "river")[2:]) == {"long", "artist"}
    assert named(db, "riv bo") == []
    assert set(named(db, "bo riv")) == {"title", "long"}
    assert named(db, "river", limit=2) + named(db, "river", limit=2, offset=2) == named(db, "river")
    assert named(db, "river -sea", filters={"owner": "bo"}) == []


def test_a_name_is_found_beneath_any_number_of_others_that_may_not_be_seen(db: Database) -> None:
    name(db, ("old", "River", "Bo"))
    name(db, *((f"new{number}", "River", "Cy") for number in range(naming.MOST_RANKED + 1)), owner="cy")

    assert named(db, "river", filters={"owner": "ann"}) == ["old"]
    assert len(named(db, "river", limit=30)) == 30


def place(db: Database, doc_id: str, title: str, owner: str = "ann") -> None:
    """Put a place in, or in place of what it was called before."""
    db.write(
        lambda session: places.index(session, doc_id, {"title": title, "land": "Sverige"}, filters={"owner": owner})
    )


def placed(db: Database, typed: str, **more: Any) -> list[str]:
    return [hit.doc_id for hit in db.read(lambda session: places.query(session, typed, loosely=True, **more))]


@pytest.mark.parametrize(
    "typed",
    ["stersu", "STERSU", "östersu", "ersund vi", "und vid den sto", "n stora sjon oc", "jön, och fjällen i"],
)
def test_where_no_word_fits_parts_of_words_do(db: Database, typed: str) -> None:
    place(db, "a", "Östersund vid den Stora Sjön, och fjällen i väster")
    place(db, "b", "Undersåker")

    assert placed(db, typed) == ["a"]


@pytest.mark.parametrize("typed", ["stersx", "undost", "er", "sund sund", "verig", "%te%", "st_rs", "ste' OR"])
def test_what_no_title_holds_is_not_found(db: Database, typed: str) -> None:
    place(db, "a", "Östersund Östersund vid vatten")

    assert placed(db, typed) == []


def test_whole_words_go_before_parts_and_parts_before_slips(db: Database) -> None:
    place(db, "slip", "Flowex")
    place(db, "part", "Wildflowers")
    assert placed(db, "flower") == ["part"]

    place(db, "word", "A flower")
    assert placed(db, "flower") == ["word"]
    assert set(placed(db, "floweq")) == {"word", "slip"}


def test_parts_follow_what_is_changed_and_taken_out(db: Database) -> None:
    place(db, "a", "Östersund")
    place(db, "b", "Undersåker")
    place(db, "a", "Sundsvall")
    db.write(lambda session: places.remove(session, "b"))

    assert placed(db, "stersun") == []
    assert placed(db, "nderså") == []
    assert placed(db, "undsva") == ["a"]


def test_parts_are_found_of_what_may_be_seen_the_last_first(db: Database) -> None:
    made = [
        Document(
            doc_id=str(number), fields={"title": f"Nordvik {number}"}, filters={"owner": "ann" if number % 2 else "bo"}
        )
        for number in range(10)
    ]
    db.write(lambda session: places.index_new(session, made))
    seen = union_all(*(select(literal(str(number))) for number in (1, 2, 5)))

    assert placed(db, "ordvi", limit=3) == ["9", "8", "7"]
    assert placed(db, "ordvi", filters={"owner": "bo"}) == ["8", "6", "4", "2", "0"]
    assert placed(db, "ordvi", visible=seen) == ["5", "2", "1"]


def test_a_long_part_is_compared_to_its_end(db: Database) -> None:
    place(db, "a", "X" + "abcde " * 15 + "fin")

    assert placed(db, "bcde " + "abcde " * 14 + "fi") == ["a"]
    assert placed(db, "bcde " + "abcde " * 14 + "fo") == []


def test_parts_of_what_was_there_before_are_found_after_an_upgrade(db: Database) -> None:
    place(db, "a", "Östersund")
    db.write(_as_before_parts)

    db.write(lambda session: places.table.dispatch.after_create(places.table, session.connection(), checkfirst=False))

    assert placed(db, "stersu") == ["a"]
    place(db, "a", "Sundsvall")
    assert placed(db, "stersu") == []


def _as_before_parts(session: WriteSession) -> None:
    """A database as an older version left it."""
    if session.dialect == "sqlite":
        session.connection().exec_driver_sql(f"DROP TABLE {places.table.name}_parts")
    else:
        session.execute(update(places.table).values(parts=None))


def test_an_index_is_asked_for_parts(db: Database) -> None:
    """To read all names takes a third of a second a million."""
    place(db, "a", "Östersund")

    if db.dialect == "sqlite":
        emptied = "INSERT INTO search_test_places_parts(search_test_places_parts) VALUES ('delete-all')"
        db.write(lambda session: session.connection().exec_driver_sql(emptied) and None)
        assert placed(db, "stersu") == []
    else:
        made = text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_search_test_places_parts'")
        definition = db.read(lambda session: session.scalar(made))
        assert "gin_trgm_ops" in str(definition)
