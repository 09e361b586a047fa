"""What each detector takes and leaves, one line each; the labelled set has the breadth."""

import base64
import json
from random import Random

import pytest

from shared.guard.bank_accounts import has_check_digits
from shared.guard.cards import passes_luhn
from shared.guard.tokens import has_crc32
from tests.guard import values as v
from tests.guard.inspecting import rules

CARD = "4111111111111111"
GROUPED = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "text",
    [
        f"Paid with {CARD}", CARD, GROUPED, "4111-1111-1111-1111", f"{GROUPED} 12/28 123",
        f"Your order was paid with {GROUPED} thanks", "card 3782 822463 10005",
        "cc: 4111.1111.1111.1111", "card 41 11 11 11 11 11 11 11", "Karte 4111\n1111\n1111\n1111",
        f"Order 1042 was charged to {CARD}", f"card={CARD}&x=1", f"({CARD})", f"„{CARD}“",
        "Diners Club 3056 930902 5904", "Maestro card 6759649826438453",
        "card 6212 3456 7890 1232", f"invoice 77, paid by card {GROUPED}",
        f"Invoice: 1042, {GROUPED} exp. 08/29",
        "номер карты 4111 1111 1111 1111", "カード番号: ４１１１ １１１１ １１１１ １１１１",
    ],
)  # fmt: skip
def test_cards(text: str) -> None:
    assert rules(text=text) == ["payment-card"]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112", f"Invoice {CARD}", "IMEI 378282246310005", f"Order no. {CARD}",
        "41 11 11 11 11 11 11 11", f"x{CARD}", f"{CARD}x", f"1.{CARD}", f"{CARD}0",
        f"https://shop.test/orders/{CARD}", f"file-{CARD}.txt", f"msg.{CARD}@x.test",
        "9400 1000 0000 0000 0000 00", "4222222222222", "Visa **** **** **** 1111",
        "card 4111 11** **** 1111", "30569309025904", "EAN 4006381333931", "0000 0000 0000 0000",
        f"Gift card {GROUPED}", f"Sendungsnummer: {GROUPED}", "1111 4111 1111 1111 1111 1111",
    ],
)  # fmt: skip
def test_numbers_that_are_no_cards(text: str) -> None:
    assert rules(text=text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DE89 3704 0044 0532 0130 00", True), ("de89370400440532013000", True),
        ("GB82WEST12345698765432", True), ("GB82-WEST-1234-5698-7654-32", True),
        ("FR14 2004 1010 0505 0001 3M02 606", True), ("NO93 8601 1117 947", True),
        ("MT84MALT011000012345MTLCAST001S", True), ("(NL91ABNA0417164300)", True),
        ("DE89 3704 0044 0532 0130 01", False), ("XDE89370400440532013000", False),
        ("DE89 3704 0044 0532 0130 000", False), ("GB82 1234 1234 5698 7654 32", False),
        ("Article DE89370400440532013000", False), ("ZZ89370400440532013000", False),
    ],
)  # fmt: skip
def test_ibans(text: str, found: bool) -> None:
    assert rules(text=text) == ["iban"] * found


@pytest.mark.parametrize(
    "text",
    [
        "password:hunter2", "Password\n\nhunter2x", "pw=abc123", "the password: swordfish",
        "Your password is 'swordfish'", "Password is: Tr0ub4dor&3", "PASSWORD: SECRET99",
        "Passwort für das Portal: Ab12cd34", "Temporary password: 123456",
        "Votre mot de passe temporaire est Xy9!kk", "パスワードはabc12345です", "密码：abc12345",
        "username=bob password=abc123", "User/Pass: bob/abc123", "with the password abc123!",
        "Your new password for contoso.com account bob is abc123", "DB_PASSWORD=x9x9x9",
        "Das WLAN-Passwort ist 12345678", '{"password": "hunter2"}', "Пароль: zx81qwe",
        "Kennwort (bitte ändern): Start2026!", "Su clave es zapato77", "A senha: cavalo#9",
    ],
)  # fmt: skip
def test_passwords(text: str) -> None:
    assert rules(text=text) == ["password"]


@pytest.mark.parametrize(
    "text",
    [
        "Your OTP password is 123456", "Your one-time password is 482913", "Einmalkennwort: 482913",
        "Password: ********", "Password: <hidden>", "Password: {{ password }}", "Password: none",
        "Password: [not shown]", "Password: changed", "the password is swordfish", "PIN: 1234",
        "Password reset code: 482913", "Password policy: 12 characters", "Password: at least 8",
        "Password changed: 2026-11-27", "Your password is 90 days old", "ski pass: AB12345",
        "Your password is valid until 2026-12-01", "Passwords: 8+ characters, 1 digit",
        "Password: https://x.test/reset?k=Zx81kk", "Password: ana@example.com",
        "Zoom meeting ID 812 345 678, password: 3fG5x9", "Forgot password?",
        "passwordless sign-in: FIDO2", "Password manager 1Password8 is allowed",
    ],
)  # fmt: skip
def test_words_about_passwords(text: str) -> None:
    assert rules(text=text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://bob:s3cret@example.com/", True), ("redis://:s3cretpw@10.0.0.1:6379/0", True),
        ("postgres://app:p%40ss1@db/x", True), ("ftp://bob:s3cret@[::1]/", True),
        ("https://example.com:443/a@b", False), ("https://user:password@host/", False),
        ("https://bob@example.com/", False), ("https://bob:<pw>@example.com", False),
        ("mailto:a:b@example.com", False), ("https://x.test/?u=bob:s3cret@x", False),
    ],
)  # fmt: skip
def test_urls(text: str, found: bool) -> None:
    assert rules(text=text) == ["url-credentials"] * found


KINDS = (
    "github-token", "github-token-fine", "npm-token", "gitlab-token", "slack-token",
    "slack-webhook", "stripe-key", "google-key", "pypi-token", "sendgrid-key", "entra-secret",
    "openai-key", "aws-key", "digitalocean-token", "huggingface-token",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_vendors_tokens_by_their_forms(kind: str) -> None:
    token = v.token(Random(kind), kind)
    for text in (token, f"token={token};", f'"{token}"', f"see {token}.", f"({token})"):
        assert rules(text=text) == ["access-token"], text
    assert rules(text=f"x{token}x") == [] or kind in {"slack-webhook", "openai-key", "gitlab-token",
        "pypi-token", "stripe-key"}  # fmt: skip
    sample = token[:12] + "x" * (len(token) - 12)
    assert rules(text=sample) == []


def test_a_checksum_tells_a_token_from_a_sample() -> None:
    token = v.token(Random(3), "github-token")
    assert has_crc32(token)
    assert not has_crc32(token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert has_crc32("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17")  # of GitHub's own account of it


def test_jwts_are_read() -> None:
    token = v.jwt(Random(4))
    assert rules(text=f"The token is {token}") == ["jwt"]
    header, claims, signature = token.split(".")
    no_header = v.url_base64(b'{"typ":"JWT"}')
    no_claims = v.url_base64(b'["x", "yyyyyyyy"]')
    for broken in (f"{no_header}.{claims}.{signature}", f"{header}.{no_claims}.{signature}",
                   f"{header}.{claims}", f"{header}.{claims}.x"):  # fmt: skip
        assert "jwt" not in rules(text=f"It is {broken}"), broken
    encrypted = v.url_base64(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM"}).encode())
    parts = [encrypted, *(v.url_base64(Random(n).randbytes(32)) for n in range(4))]
    assert rules(text=f"It is {'.'.join(parts)}") == ["jwt"]


@pytest.mark.parametrize("kind", ["pkcs8", "rsa", "ec", "encrypted", "openssh"])
def test_private_keys_in_every_dress(kind: str) -> None:
    pem = v.private_key(kind)
    assert rules(text=pem) == ["private-key"]
    assert rules(html=f"<pre>{pem}</pre>") == ["private-key"]
    assert rules(html="<p>" + pem.replace("\n", "<br>\n") + "</p>") == ["private-key"]
    assert rules(text=json.dumps({"key": pem})) == ["private-key"]
    assert rules(text=base64.b64encode(pem.encode()).decode()) == ["private-key"]
    assert rules(text=base64.b64encode(b"x" + pem.encode()).decode()) == ["private-key"]
    if kind != "encrypted":
        bare = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
        assert rules(text=bare) == ["private-key"] * (kind != "openssh")


def test_other_keys() -> None:
    chance = Random(6)
    assert rules(text=v.putty_key(chance)) == ["private-key"]
    jwk = {"kty": "EC", "crv": "P-256", "d": v.url_base64(chance.randbytes(32))}
    assert rules(text=json.dumps(jwk)) == ["private-key"]
    assert rules(text=json.dumps({**jwk, "d": "short"})) == []
    age = "AGE-SECRET-" + "KEY-1" + v.chars(chance, 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")
    assert rules(text=age) == ["private-key"]
    begin = "-----BEGIN PRIVATE " + "KEY-----"
    assert rules(text=f"It begins with {begin} and a line break.") == []
    assert rules(text=f"{begin}\n…\n") == []


def test_connection_strings_and_headers() -> None:
    chance = Random(8)
    for make in (v.storage_connection, v.bus_connection, v.sql_connection):
        assert rules(text=make(chance)) == ["connection-string"]
    assert rules(text=v.sas_url(chance)) == ["signed-url"]
    assert rules(text="https://x.test/?sig=abc&sv=1") == []
    basic = base64.b64encode(b"bob:s3cret99").decode()
    assert rules(text="Author" + f"ization: Basic {basic}") == ["authorization-header"]
    assert rules(text=f"Authorization: Basic {base64.b64encode(b'nothing here').decode()}") == []
    assert rules(text="Authorization: Bearer <token>") == []


def test_check_digits() -> None:
    assert passes_luhn("79927398713")
    assert not passes_luhn("79927398710")
    assert has_check_digits("GB82WEST12345698765432")
    assert not has_check_digits("GB28WEST12345698765432")
