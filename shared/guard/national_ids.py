"""National ids of the countries that the policy names, with their check digits.

What is written in a form of its own (a CPF with dots, a NIR with its blanks) is taken by its check
digits; bare digits only where a word before them says what they are.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from shared.guard.cards import passes_luhn
from shared.guard.hits import MOST, Detector, Hit, before
from shared.guard.passages import Passage
from shared.guard.policy import Country

_NEAR = 60
_WEIGHTS_PESEL = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCAL_ODD = (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Id:
    """own: the form that needs no word; bare: the one that needs one of `words` before it."""

    kind: str
    own: re.Pattern[str] | None
    bare: re.Pattern[str] | None
    words: re.Pattern[str]
    valid: Callable[[str], bool]


def _bounded(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){pattern}(?![\w-])", re.ASCII)


def _ssn(value: str) -> bool:
    """SSA: no area 000, 666 or 9xx, no group 00, no serial 0000."""
    return (
        value[:3] not in {"000", "666"} and value[0] != "9" and value[3:5] != "00"
        and value[5:] != "0000" and value != "123456789"
    )  # fmt: skip


def _nino(value: str) -> bool:
    """HMRC NIM39110: letters that are not used."""
    return (
        value[0] not in "DFIQUV" and value[1] not in "DFIOQUV"
        and value[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
    )  # fmt: skip


def _steuer_id(value: str) -> bool:
    """ISO 7064 mod 11,10; of the first ten digits one or two repeat, and no 0 leads."""
    if value[0] == "0" or len(set(value[:10])) not in (8, 9):
        return False
    product = 10
    for digit in value[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(value[10])


def _nir(value: str) -> bool:
    """INSEE: 97 less the remainder; the departments of Corsica are 2A and 2B."""
    body = value[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(value[13:])


def _dni(value: str) -> bool:
    number = str("XYZ".index(value[0])) + value[1:-1] if value[0] in "XYZ" else value[:-1]
    return _DNI[int(number) % 23] == value[-1]


def _bsn(value: str) -> bool:
    total = sum(int(d) * w for d, w in zip(value, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return total % 11 == 0 and len(set(value)) > 1


def _fiscal_code(value: str) -> bool:
    total = 0
    for place, char in enumerate(value[:15]):
        number = int(char) if char.isdigit() else ord(char) - 65
        total += _FISCAL_ODD[number] if place % 2 == 0 else number
    return chr(total % 26 + 65) == value[15]


def _pesel(value: str) -> bool:
    total = sum(int(d) * w for d, w in zip(value, _WEIGHTS_PESEL, strict=False))
    month = int(value[2:4]) % 20
    return -total % 10 == int(value[10]) and _is_date(value[:2], f"{month:02d}", value[4:6])


def _personnummer(value: str) -> bool:
    value = value.replace("+", "")[-10:]
    day = int(value[4:6])
    return _is_date(value[:2], value[2:4], f"{day - 60 if day > 60 else day:02d}") and passes_luhn(  # noqa: PLR2004
        value
    )


def _ahv(value: str) -> bool:
    total = sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(value[:12]))
    return -total % 10 == int(value[12])


def _cpf(value: str) -> bool:
    if len(set(value)) == 1:
        return False
    for size in (9, 10):
        total = sum(int(d) * w for d, w in zip(value, range(size + 1, 1, -1), strict=False))
        if total * 10 % 11 % 10 != int(value[size]):
            return False
    return True


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        date(2000 + int(year), int(month), int(day))
    except ValueError:
        return False
    return True


_IDS: dict[Country, _Id] = {
    "us": _Id(
        "SSN", _bounded(r"[0-9]{3}-[0-9]{2}-[0-9]{4}"), _bounded(r"[0-9]{3} ?[0-9]{2} ?[0-9]{4}"),
        re.compile(r"\bssn\b|social security|social-security|\bitin\b|taxpayer"), _ssn,
    ),
    "gb": _Id(
        "NINO", _bounded(r"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"), None,
        re.compile("$^"), _nino,
    ),
    "de": _Id(
        "Steuer-ID", _bounded(r"[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3}"), _bounded("[1-9][0-9]{10}"),
        re.compile(r"steuer|\bidnr|\btin\b|tax"), _steuer_id,
    ),
    "fr": _Id(
        "NIR", _bounded(r"[12] [0-9]{2} [01][0-9] (?:[0-9]{2}|2[AB]) [0-9]{3} [0-9]{3} [0-9]{2}"),
        _bounded(r"[12][0-9]{2}[0-9]{2}(?:[0-9]{2}|2[AB])[0-9]{6} ?[0-9]{2}"),
        re.compile(r"s[eé]cu|\bnir\b|insee|social"), _nir,
    ),
    "es": _Id(
        "DNI or NIE", _bounded(r"(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[TRWAGMYFPDXBNJZSQVHLCKE]"), None,
        re.compile("$^"), _dni,
    ),
    "nl": _Id(
        "BSN", None,
        _bounded(r"(?:[0-9]{3}[. ]?[0-9]{3}[. ]?[0-9]{3}|[0-9]{4}[. ][0-9]{2}[. ][0-9]{3})"),
        re.compile(r"\bbsn\b|burgerservice|sofi"), _bsn,
    ),
    "it": _Id(
        "codice fiscale", _bounded(r"[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]"),
        None, re.compile("$^"), _fiscal_code,
    ),
    "pl": _Id("PESEL", None, _bounded("[0-9]{11}"), re.compile("pesel"), _pesel),
    "se": _Id(
        "personnummer", _bounded(r"(?:19|20)?[0-9]{6}[-+][0-9]{4}"),
        _bounded("(?:19|20)?[0-9]{10}"),
        re.compile(r"personn|\bpnr\b|samordning|swedish id"), _personnummer,
    ),
    "ch": _Id(
        "AHV number", _bounded(r"756[. ][0-9]{4}[. ][0-9]{4}[. ][0-9]{2}"),
        _bounded("756[0-9]{10}"),
        re.compile(r"ahv|avs|\bnavs|sozialvers|assurance soc"), _ahv,
    ),
    "br": _Id(
        "CPF", _bounded(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), _bounded("[0-9]{11}"),
        re.compile(r"\bcpf\b"), _cpf,
    ),
}  # fmt: skip


def national_ids(countries: Iterable[Country]) -> Detector:
    """The detector of these countries' ids, the last two characters of which may be shown."""
    chosen = [_IDS[country] for country in countries]

    def find(passage: Passage) -> Iterator[Hit]:
        for kind in chosen:
            yield from islice(_find(kind, passage), MOST)

    return find


def _find(kind: _Id, passage: Passage) -> Iterator[Hit]:
    for pattern, needs_word in ((kind.own, False), (kind.bare, True)):
        for match in pattern.finditer(passage.text) if pattern else ():
            value = re.sub(r"[ .-]", "", match.group())
            if not kind.valid(value):
                continue
            if needs_word and not kind.words.search(before(passage, match.start(), _NEAR)):
                continue
            yield Hit("national-id", *match.span(), kind.kind, kept=2)
