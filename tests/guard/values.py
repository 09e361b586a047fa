"""Values that look like secrets and are none: made at run time, of chance and a seed.

Nothing of them stands in the repository as it is looked for: prefixes are joined from pieces.
"""

import base64
import json
import string
import zlib
from random import Random

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"

BRANDS = {
    "visa": (("4",), 16),
    "mastercard": (("51", "52", "53", "54", "55", "2221", "2500", "2720"), 16),
    "amex": (("34", "37"), 15),
    "discover": (("6011", "65", "644"), 16),
    "jcb": (("3528", "3560", "3589"), 16),
}


def luhn_digit(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return str(-total % 10)


def digits(chance: Random, count: int) -> str:
    return "".join(chance.choices(string.digits, k=count))


def card(chance: Random, brand: str = "") -> str:
    prefixes, length = BRANDS[brand or chance.choice(list(BRANDS))]
    prefix = chance.choice(prefixes)
    body = prefix + digits(chance, length - 1 - len(prefix))
    return body + luhn_digit(body)


def grouped(number: str, separator: str = " ") -> str:
    sizes = (4, 6, 5) if len(number) == 15 else (4,) * 5
    groups, at = [], 0
    for size in sizes:
        groups.append(number[at : at + size])
        at += size
    return separator.join(filter(None, groups))


def imei(chance: Random) -> str:
    body = chance.choice(["35", "86", "01"]) + digits(chance, 12)
    return body + luhn_digit(body)


def luhn_number(chance: Random, prefix: str, length: int) -> str:
    """A number that passes Luhn by chance."""
    body = prefix + digits(chance, length - 1 - len(prefix))
    return body + luhn_digit(body)


_BBANS = {
    "DE": "18n", "AT": "16n", "CH": "5n12c", "FR": "10n11c2n", "NL": "4a10n", "GB": "4a14n",
    "ES": "20n", "IT": "1a10n12c", "PL": "24n", "SE": "20n", "BE": "12n", "NO": "11n",
    "DK": "14n", "PT": "21n", "IE": "4a14n", "FI": "14n", "CZ": "20n", "LU": "3n13c",
}  # fmt: skip


def iban(chance: Random, country: str = "") -> str:
    country = country or chance.choice(list(_BBANS))
    bban, count = "", ""
    for char in _BBANS[country]:
        if char.isdigit():
            count += char
            continue
        letters = {"n": string.digits, "a": string.ascii_uppercase}.get(
            char, string.digits + string.ascii_uppercase
        )
        bban += "".join(chance.choices(letters, k=int(count)))
        count = ""
    whole = "".join(str(int(c, 36)) for c in f"{bban}{country}00")
    return f"{country}{98 - int(whole) % 97:02d}{bban}"


def in_fours(text: str) -> str:
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def password(chance: Random) -> str:
    """As people and generators make them: letters of both cases, digits, a sign."""
    kind = chance.randrange(4)
    if kind == 0:
        word = chance.choice(["Sommer", "Winter", "Banana", "Contoso", "Dragon", "Liverpool"])
        return f"{word}{chance.randrange(10, 2030)}{chance.choice('!?#$%&*')}"
    if kind == 1:
        return "".join(chance.choices(_ALNUM, k=8)) + chance.choice("23456789") + "xQ"
    if kind == 2:
        return "".join(chance.choices(_ALNUM + "!#$%&*+?@_", k=11)) + "7k"
    return "-".join("".join(chance.choices(_ALNUM, k=5)) for _ in range(3)) + "9"


def base62(number: int, width: int) -> str:
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = _BASE62[rest] + text
    return text.rjust(width, "0")


def checked_token(chance: Random, prefix: str) -> str:
    """A token with a CRC-32 in its last six characters (GitHub, npm)."""
    body = "".join(chance.choices(_ALNUM, k=30))
    return f"{prefix}_{body}{base62(zlib.crc32(body.encode()), 6)}"


def chars(chance: Random, count: int, letters: str = _ALNUM) -> str:
    return "".join(chance.choices(letters, k=count))


def key_bytes(chance: Random, count: int) -> str:
    return base64.b64encode(chance.randbytes(count)).decode()


def url_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(chance: Random, **claims: object) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": chars(chance, 8)}
    payload = {"sub": chars(chance, 12), "iat": 1_790_000_000, **claims}
    parts = [url_base64(json.dumps(part).encode()) for part in (header, payload)]
    return ".".join([*parts, url_base64(chance.randbytes(256))])


def storage_connection(chance: Random) -> str:
    name = chars(chance, 10, string.ascii_lowercase)
    return (
        f"DefaultEndpointsProtocol=https;AccountName={name};Account"
        f"Key={key_bytes(chance, 64)}"
        ";EndpointSuffix=core.windows.net"
    )


def bus_connection(chance: Random) -> str:
    name = chars(chance, 8, string.ascii_lowercase)
    return (
        f"Endpoint=sb://{name}.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccess"
        f"Key={key_bytes(chance, 32)}"
    )


def sql_connection(chance: Random) -> str:
    return (
        "Server=tcp:orders.database.windows.net,1433;Initial Catalog=orders;User ID=app;Pass"
        f"word={password(chance)};Encrypt=True;"
    )


def sas_url(chance: Random) -> str:
    signature = key_bytes(chance, 32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return (
        "https://orders.blob.core.windows.net/exports/e.csv?sv=2024-11-04&se=2026-12-01T00%3A00Z"
        f"&sr=b&sp=r&si"
        f"g={signature}"
    )


def token(chance: Random, kind: str) -> str:  # noqa: C901, PLR0911, PLR0912
    """A token of the vendor, in the form that the vendor documents."""
    match kind:
        case "github-token":
            return checked_token(chance, chance.choice(["ghp", "gho", "ghu", "ghs", "ghr"]))
        case "github-token-fine":
            return "github_" + f"pat_{chars(chance, 22)}_{chars(chance, 59)}"
        case "npm-token":
            return checked_token(chance, "npm")
        case "gitlab-token":
            return "glp" + f"at-{chars(chance, 20)}"
        case "slack-token":
            return "xo" + f"xb-{digits(chance, 12)}-{digits(chance, 12)}-{chars(chance, 24)}"
        case "slack-webhook":
            ids = f"T{chars(chance, 10).upper()}/B{chars(chance, 10).upper()}"
            return "https://hooks.sla" + f"ck.com/services/{ids}/{chars(chance, 24)}"
        case "stripe-key":
            return "sk_li" + f"ve_{chars(chance, 24)}"
        case "google-key":
            return "AI" + f"za{chars(chance, 35)}"
        case "pypi-token":
            return "py" + f"pi-AgEIcHlwaS5vcmc{chars(chance, 120)}"
        case "sendgrid-key":
            return "S" + f"G.{chars(chance, 22)}.{chars(chance, 43)}"
        case "aws-key":
            return "AK" + f"IA{chars(chance, 16, string.ascii_uppercase + '234567')}"
        case "entra-secret":
            return f"{chars(chance, 3)}8" + f"Q~{chars(chance, 34, _ALNUM + '-_.')}"
        case "openai-key":
            return "sk-pr" + f"oj-{chars(chance, 60)}T3Blbk" + f"FJ{chars(chance, 60)}"
        case "huggingface-token":
            return "h" + f"f_{chars(chance, 34, string.ascii_letters)}"
        case "digitalocean-token":
            return "dop_" + f"v1_{chars(chance, 64, _HEX)}"
    raise ValueError(kind)


def private_key(kind: str) -> str:
    """A PEM text of a key made just now."""
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    forms = serialization.PrivateFormat
    match kind:
        case "pkcs8":
            key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
            key = ec.generate_private_key(ec.SECP256R1())
            return key.private_bytes(pem, forms.PKCS8, plain).decode()
        case "rsa":
            key = rsa.generate_private_key(65537, 2048)
            return key.private_bytes(pem, forms.TraditionalOpenSSL, plain).decode()
        case "ec":
            key = ec.generate_private_key(ec.SECP384R1())
            return key.private_bytes(pem, forms.TraditionalOpenSSL, plain).decode()
        case "encrypted":
            key = ec.generate_private_key(ec.SECP256R1())
            cipher = serialization.BestAvailableEncryption(b"x")
            return key.private_bytes(pem, forms.PKCS8, cipher).decode()
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(pem, forms.OpenSSH, plain).decode()


def putty_key(chance: Random) -> str:
    lines = [key_bytes(chance, 48) for _ in range(6)]
    return "\n".join(
        ["PuTTY-User-Key-" + "File-3: ssh-ed25519", "Encryption: none", "Comment: deploy",
         "Public-Lines: 2", *lines[:2], "Private-" + "Lines: 1", lines[2][:48],
         f"Private-MAC: {chars(chance, 64, _HEX)}"]
    )  # fmt: skip
