"""What comes past the model's validation is refused here, never written."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.composing import compose, encoded_size
from shared.errors import ComposeError
from shared.messages.model import Address, Attachment, Message, TemplateUse
from tests.composing.reading import DATE, MESSAGE_ID, check_wire, make

BREAKS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\ud800"]


def unchecked(**changes: Any) -> Message:
    """A message that validation never saw."""
    return make().model_copy(update=changes)


def address(email: str = "a@example.com", name: str = "") -> Address:
    return Address.model_construct(email=email, name=name)


def attachment(**fields: Any) -> Attachment:
    whole = {"name": "a", "content_type": "a/b", "content": b"x", "inline_id": None} | fields
    return Attachment.model_construct(**whole)


INJECTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "subject": lambda evil: {"subject": evil},
    "header value": lambda evil: {"headers": {"X-A": evil}},
    "header name": lambda evil: {"headers": {evil: "x"}},
    "sender name": lambda evil: {"sender": address(name=evil)},
    "sender": lambda evil: {"sender": address(email=evil)},
    "to": lambda evil: {"to": (address(email=f"{evil}@example.com"),)},
    "cc": lambda evil: {"cc": (address(email=f"{evil}@example.com"),)},
    "reply_to": lambda evil: {"reply_to": (address(email=f"{evil}@example.com"),)},
    "domain": lambda evil: {"to": (address(email=f"a@{evil}"),)},
    "quoted local part": lambda evil: {"to": (address(email=f'"{evil}"@example.com'),)},
    "name in a list": lambda evil: {"to": (address(), address(name=evil))},
    "file name": lambda evil: {"attachments": (attachment(name=evil),)},
    "content type": lambda evil: {"attachments": (attachment(content_type=f"a/b{evil}"),)},
}
# An id that no cid: URL can name is no Content-ID, and no field is made of it.
INLINE_ID: dict[str, Callable[[str], dict[str, Any]]] = {
    "inline id": lambda evil: {
        "html": f'<img src="cid:{evil}">',
        "attachments": (attachment(inline_id=evil),),
    }
}


@pytest.mark.parametrize("place", INJECTIONS)
@pytest.mark.parametrize("line_break", BREAKS)
def test_header_injection_is_refused(place: str, line_break: str) -> None:
    message = unchecked(**INJECTIONS[place](f"x{line_break}Bcc: evil@example.net"))
    with pytest.raises(ComposeError) as refusal:
        compose(message, message_id=MESSAGE_ID, date=DATE)
    assert refusal.value.fix
    assert "evil" not in str(refusal.value)
    with pytest.raises(ComposeError):
        encoded_size(message)


@given(
    place=st.sampled_from(sorted(INJECTIONS | INLINE_ID)),
    evil=st.text(st.characters(), max_size=40),
)
def test_anything_is_refused_or_written_within_its_line(place: str, evil: str) -> None:
    message = unchecked(**(INJECTIONS | INLINE_ID)[place](evil))
    try:
        mail = compose(message, message_id=MESSAGE_ID, date=DATE)
    except ComposeError:
        return
    check_wire(mail)


@pytest.mark.parametrize("line_break", BREAKS)
def test_own_fields_are_checked_as_well(line_break: str) -> None:
    for headers in ({"X-A": f"x{line_break}y"}, {f"X{line_break}A": "x"}, {"X-A": ""}):
        with pytest.raises(ComposeError):
            compose(make(), message_id=MESSAGE_ID, date=DATE, headers=headers)
    with pytest.raises(ComposeError):
        compose(make(), message_id=f"<a{line_break}@example.com>", date=DATE)


@pytest.mark.parametrize("name", ["Bcc", "FROM", "content-type", "Resent-Bcc", "MIME-Version"])
def test_fields_that_mailroom_writes_cannot_be_given(name: str) -> None:
    with pytest.raises(ComposeError, match="by Mailroom alone"):
        compose(unchecked(headers={name: "x"}), message_id=MESSAGE_ID, date=DATE)
    with pytest.raises(ComposeError, match="by Mailroom alone"):
        compose(make(), message_id=MESSAGE_ID, date=DATE, headers={name: "x"})


@pytest.mark.parametrize(
    "email",
    ["", "a", "@example.com", "a@", "a@bücher.example", "a b@example.com", "a..b@example.com",
     "a@example..com", "<a@example.com>", "a@example.com, b@example.com", 'a"b@example.com',
     '"a"b"@example.com', '"a\\"@example.com', "a@[127.0.0.1]"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(email: str) -> None:
    with pytest.raises(ComposeError, match="address"):
        compose(unchecked(to=(address(email=email),)), message_id=MESSAGE_ID, date=DATE)


@pytest.mark.parametrize(
    "media_type", ["multipart/mixed", "message/rfc822", "text", "a/b; c=d", ""]
)
def test_a_content_type_that_cannot_be_attached_is_refused(media_type: str) -> None:
    message = unchecked(attachments=(attachment(content_type=media_type),))
    with pytest.raises(ComposeError, match="content type"):
        compose(message, message_id=MESSAGE_ID, date=DATE)


@pytest.mark.parametrize("message_id", ["", "a@example.com", "<a>", "<a@b>\r\n", "<a b@c>", "<@b>"])
def test_a_message_id_that_is_none_is_refused(message_id: str) -> None:
    with pytest.raises(ComposeError, match="Message-ID"):
        compose(make(), message_id=message_id, date=DATE)


def test_what_cannot_be_composed_names_the_fix() -> None:
    template = unchecked(text=None, template=TemplateUse(name="invoice"))
    usual: dict[str, Any] = {"message_id": MESSAGE_ID, "date": DATE}
    refused: list[tuple[Message, dict[str, Any]]] = [
        (template, {}),
        (unchecked(text="", html=None), {}),
        (unchecked(text="\udc00"), {}),
        (make(), {"date": datetime(2026, 1, 1)}),  # noqa: DTZ001 (a naive one is the point)
        (make(), {"headers": {"X-A": "v" * 999}}),
        (make(), {"headers": {f"X-{n}": "v" * 900 for n in range(5)}}),
        (
            unchecked(headers={"X-A": "x" * 90, "X-B": "y"}, subject="", sender=address(email="x")),
            {},
        ),
    ]
    for message, arguments in refused:
        with pytest.raises(ComposeError) as refusal:
            compose(message, **(usual | arguments))
        assert refusal.value.fix
    assert encoded_size(template) > 0
