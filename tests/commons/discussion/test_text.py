"""What people type, as HTML."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dodeca.commons.discussion import plain_text, rendered, reserialised, sanitised, threaded, typed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("One\n\nTwo", "One<p>Two"),
        ("a *b* c * d", "a <i>b</i> c * d"),
        ('<b> & "x"', "&lt;b&gt; &amp; &quot;x&quot;"),
        ("See https://a.example/x.", 'See <a href="https:&#x2F;&#x2F;a.example&#x2F;x" rel="nofollow">'),
        ("Code:\n\n  x = 1\n  y = *2*\n\nEnd", "Code:<p><pre><code>  x = 1\n  y = *2*\n</code></pre><p>End"),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_the_dialect_of_hacker_news(text: str, shown: str) -> None:
    assert rendered(text).startswith(shown)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab<>&\"'/*\n \thttps:.x")), max_size=300))
def test_no_markup_but_ours_comes_out(text: str) -> None:
    bare = re.sub(r'</?(?:p|i|pre|code|a)>|<a href="[^"<>]*" rel="nofollow">', "", rendered(text))
    assert "<" not in bare
    assert '"' not in bare


def test_foreign_html_loses_what_could_harm() -> None:
    clean = sanitised('<p onclick="x">Hi<script>x</script> <a href="javascript:x">y</a><img src=x>')

    assert clean == '<p>Hi <a rel="nofollow">y</a></p>'
    assert plain_text("a<p>b &lt;c&gt;") == "a\n\nb <c>"


@pytest.mark.parametrize(
    "text",
    [
        "One\n\nTwo",
        "a *b* c",
        'x < y & "z"',
        "See https://a.example/x?a=1&b=2 now.",
        "Code:\n\n  x = 1\n\nEnd",
        "it's 1/2",
    ],
)
def test_rendered_text_comes_back_as_typed_and_passes_unchanged(text: str) -> None:
    assert typed(rendered(text)) == text
    assert reserialised(rendered(text)) == rendered(text)


@given(st.lists(st.integers(0, 30), max_size=60))
def test_threads_hold_every_row_once_with_the_numbers_below(parents: list[int]) -> None:
    rows = [(number + 1, above if above <= number else None) for number, above in enumerate(parents)]
    trees = threaded(rows, key=lambda r: r[0], parent=lambda r: r[1] or None, order=lambda r: -r[0])

    walked = [node for tree in trees for node in tree.walk()]
    assert sorted(node.row[0] for node in walked) == [row[0] for row in rows]
    assert all(node.below == len(list(node.walk())) - 1 for node in walked)
