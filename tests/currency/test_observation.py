"""Facts leave out what is different at every look, and nothing else."""

import pytest

from shared.currency.observation import LONGEST, observe_token, steady


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            (
                "220 AM0PR01CA0101.outlook.office365.com Microsoft ESMTP MAIL Service ready at "
                "Fri, 27 Nov 2026 05:35:01 +0000 [08DC0F3A1B2C3D4E]"
            ),
            (
                "220 VI1P195CA0077.outlook.office365.com Microsoft ESMTP MAIL Service ready at "
                "Sat, 5 Dec 2026 05:35:02 +0000 [08DC0FFFFFFF0001]"
            ),
        ),
        (
            (
                "535 5.7.3 Authentication unsuccessful [AM0PR01CA0101.EURPRD01.PROD.OUTLOOK.COM "
                "2026-11-27T05:35:01.123Z 08DE2D5C8A1B2C3D]"
            ),
            (
                "535 5.7.3 Authentication unsuccessful [FR3P281CA0001.DEUP281.PROD.OUTLOOK.COM "
                "2026-12-05T05:35:01.456Z 08DE2D5C8A1BFFFF]"
            ),
        ),
        ("250 Hello [10.1.2.3]", "250 Hello [2a01:111:f403::1]"),
        (
            "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
            "https://sts.windows.net/22222222-2222-2222-2222-222222222222/",
        ),
    ],
)
def test_what_changes_by_itself_is_left_out(one: str, other: str) -> None:
    assert steady(one) == steady(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("235 2.7.0 Authentication successful", "235 2.7.0 OK"),
        ("535 5.7.3 Authentication unsuccessful", "535 5.7.139 Authentication unsuccessful"),
        ("220 mx.example.com Microsoft ESMTP MAIL Service", "220 mx.example.com ESMTP Postfix"),
    ],
)
def test_what_a_server_says_is_kept(one: str, other: str) -> None:
    assert steady(one) != steady(other)


def test_a_text_of_any_length_is_bounded_and_printable() -> None:
    text = steady("220 a\x00b\x1b[31m " + "x " * 5000)
    assert len(text) <= LONGEST
    assert text.isprintable()


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.bnVsbA.c", "a.e30.c", "a.W10.c"])
def test_a_token_that_cannot_be_read_is_opaque(token: str) -> None:
    assert observe_token(token) == {"token form": "opaque"}
