"""Messages as a caller writes them, and hypothesis strategies for valid ones."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.model import Message
from shared.messages.parsing import parse_message

SENDER = "billing@contoso.test"


def draft(**changes: Any) -> dict[str, Any]:
    """A small valid message; `from_` is its field `from`, None takes a field out."""
    whole = {
        "from": {"email": SENDER, "name": "Contoso Billing"},
        "to": [{"email": "ana@example.com", "name": "Ana"}],
        "subject": "Your invoice 1042",
        "text": "Here it is.",
    }
    whole |= {name.removesuffix("_"): value for name, value in changes.items()}
    return {name: value for name, value in whole.items() if value is not None}


def as_body(value: Any) -> bytes:
    return json.dumps(value).encode()


def read(**changes: Any) -> Message:
    return parse_message(as_body(draft(**changes)))


def refusal(body: bytes) -> InvalidMessageError:
    """The refusal of a body; each of its problems says what is wrong and what to do."""
    with pytest.raises(InvalidMessageError) as raised:
        parse_message(body)
    for problem in raised.value.problems:
        assert problem.detail
        assert problem.fix
        assert problem.field == "" or problem.field.startswith("/")
    return raised.value


def problem_at(field: str, **changes: Any) -> FieldProblem:
    """The one problem that a draft with these changes has; it is at `field`."""
    refused = refusal(as_body(draft(**changes)))
    assert [p.field for p in refused.problems] == [field]
    assert refused.status == 422
    return refused.problems[0]


# The same examples in each run, however slow the machine.
steady = settings(deadline=None, derandomize=True)

# Text that may stand in a header: no controls, no separators, no overrides, no lone surrogates.
_in_line = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\u202d\u202e"
)
_in_text = st.characters(exclude_categories=["Cs"], exclude_characters="".join(
    chr(c) for c in [*range(9), 11, 12, *range(14, 32), 127]
))  # fmt: skip
_atoms = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=12)
_plain_local = st.lists(_atoms, min_size=1, max_size=3).map(".".join)
_local = st.one_of(
    _plain_local,
    _plain_local,
    st.sampled_from(["ünïcode", "用户", "почта", '"quoted local"', '"a\\"b"', "o'brien", "a+tag"]),
)
_domain = st.sampled_from(
    ["example.com", "EXAMPLE.org", "sub.example.net", "bücher.example.de", "xn--bcher-kva.ch",
     "contoso.test", "例え.jp"]
)  # fmt: skip
_emails = st.builds(lambda local, domain: f"{local}@{domain}", _local, _domain)
_addresses = st.fixed_dictionaries(
    {"email": _emails}, optional={"name": st.text(_in_line, max_size=40)}
)
_tags = st.dictionaries(st.text(_in_line, max_size=20), st.text(_in_line, max_size=20), max_size=5)
_base64 = st.binary(max_size=60).map(lambda octets: base64.b64encode(octets).decode())
_attachments = st.fixed_dictionaries(
    {
        "name": st.text("abc é漢.-_ ()", min_size=1, max_size=30).filter(
            lambda name: name.strip() not in {"", ".", ".."}
        ),
        "content": _base64,
    },
    optional={
        "content_type": st.sampled_from(["application/pdf", "Text/CSV", "image/svg+xml"]),
    },
)
_headers = st.dictionaries(
    st.from_regex(r"X-[A-Za-z0-9-]{1,20}", fullmatch=True).filter(
        lambda name: (
            not name.lower().startswith(("x-ms-", "x-microsoft-", "x-mailroom-", "x-forefront-"))
        )
    ),
    st.text(_in_line, max_size=60),
    max_size=5,
).filter(lambda headers: len({name.lower() for name in headers}) == len(headers))
_times = st.builds(
    lambda seconds, zone: datetime.fromtimestamp(seconds, zone).isoformat(),
    st.integers(946_684_800, 4_102_444_800),  # 2000 to 2100
    st.timezones(),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abcä ", max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_contents = st.one_of(
    st.fixed_dictionaries(
        {
            "text": st.text(_in_text, min_size=1, max_size=200),
            "subject": st.text(_in_line, min_size=1, max_size=80).filter(str.strip),
        },
        optional={"html": st.text(_in_text, max_size=200)},
    ),
    st.fixed_dictionaries(
        {
            "template": st.fixed_dictionaries(
                {"name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)},
                optional={"data": st.dictionaries(st.text("abc", max_size=5), _json, max_size=3)},
            )
        }
    ),
)


@st.composite
def drafts(pick: st.DrawFn) -> dict[str, Any]:
    """Any valid message, as a caller may write it."""
    whole = pick(
        st.fixed_dictionaries(
            {"from": _addresses, "to": st.lists(_addresses, min_size=1, max_size=4)},
            optional={
                "cc": st.lists(_addresses, max_size=3),
                "bcc": st.lists(_addresses, max_size=3),
                "reply_to": st.lists(_addresses, max_size=2),
                "attachments": st.lists(_attachments, max_size=3),
                "headers": _headers,
                "topic": st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
                "priority": st.sampled_from(["high", "normal", "low"]),
                "send_at": _times,
                "tags": _tags,
                "id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,40}", fullmatch=True),
            },
        )
    )
    whole |= pick(_contents)
    files: Any = whole.get("attachments", ())
    if pick(st.booleans()):
        for index, attachment in enumerate(files):
            attachment["inline_id"] = f"<image{index}@contoso>"
    return whole


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
