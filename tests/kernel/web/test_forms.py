"""Reading forms, and showing them again with what was typed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from dodeca.kernel.errors import Invalid
from dodeca.kernel.web import templates
from dodeca.kernel.web.assets import Assets
from dodeca.kernel.web.forms import WHOLE_FORM, Form, FormErrors, read, shown_again
from dodeca.kernel.web.templates import Renderer


class Booking(msgspec.Struct, forbid_unknown_fields=True):
    """A form with a field of each kind."""

    name: Annotated[str, Meta(min_length=3, max_length=10)]
    guests: Annotated[int, Meta(ge=1, le=9)]
    password: str = ""
    arrival: date | None = None
    breakfast: bool = False
    extras: list[str] = msgspec.field(default_factory=list)
    room: Literal["single", "double"] = "single"


def test_typed_text_becomes_values() -> None:
    form = Form(
        {
            "name": [" Ada L "],
            "guests": ["2"],
            "arrival": ["2031-05-01"],
            "breakfast": ["on"],
            "extras": ["a", "b"],
            "room": ["double"],
        }
    )

    assert read(Booking, form) == Booking("Ada L", 2, "", date(2031, 5, 1), True, ["a", "b"], "double")


def test_empty_fields_count_as_not_filled_in() -> None:
    form = Form({"name": ["Ada"], "guests": ["1"], "arrival": [""], "extras": [""]})

    assert read(Booking, form) == Booking("Ada", 1)


def test_spaces_in_a_password_stay() -> None:
    assert read(Booking, Form({"name": ["Ada"], "guests": ["1"], "password": [" a b "]})).password == " a b "


def test_every_wrong_field_gets_its_own_message() -> None:
    form = Form({"name": ["A"], "guests": ["many"], "arrival": ["tomorrow"], "room": ["suite"]})

    with pytest.raises(FormErrors) as caught:
        read(Booking, form)

    assert caught.value.errors == {
        "name": "Use at least 3 characters.",
        "guests": "Enter a whole number.",
        "arrival": "Enter a date or time in the form shown.",
        "room": "Choose one of the options.",
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "Fill this in."),
        ("name", "x" * 11, "Use at most 10 characters."),
        ("guests", "0", "The smallest possible value is 1."),
        ("guests", "10", "The largest possible value is 9."),
        ("guests", "9" * 30, "The largest possible value is 9."),
        ("guests", "1.5", "Enter a whole number."),
        ("breakfast", "perhaps", "This value cannot be used here."),
    ],
)
def test_messages_are_for_people(field: str, value: str, message: str) -> None:
    typed = {"name": ["Ada"], "guests": ["1"], field: [value]}

    with pytest.raises(FormErrors) as caught:
        read(Booking, Form(typed))

    assert caught.value.errors == {field: message}


def test_an_error_of_a_service_lands_at_its_field() -> None:
    assert FormErrors.of(Invalid("That name is taken.", field="name")).errors == {"name": "That name is taken."}
    assert FormErrors.of(Invalid("Not today.")).errors == {WHOLE_FORM: "Not today."}


def test_the_first_message_of_a_field_stays() -> None:
    errors = FormErrors()
    errors.add("name", "first")
    errors.add("name", "second")

    with pytest.raises(FormErrors):
        errors.check()
    assert errors.errors == {"name": "first"}


def test_a_refused_form_is_shown_again_with_status_400(tmp_path: Path) -> None:
    (tmp_path / "new.html").write_text("{{ form.value('name') }}: {{ form.error('name') }}")
    renderer = Renderer({"stays": tmp_path}, assets=Assets({"shell": Path(templates.__file__).parent / "static"}))

    answer = shown_again(renderer, "stays/new.html", {}, Form.of({"name": "<A>"}), Invalid("Too short.", field="name"))

    assert answer.status_code == 400
    assert answer.content == "&lt;A&gt;: Too short."
