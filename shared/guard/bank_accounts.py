"""IBANs (ISO 13616): country, length, structure and check digits."""

import re
from collections.abc import Iterator

from shared.guard.hits import MOST, Hit, before
from shared.guard.passages import Passage
from shared.guard.policy import plain

# The structure behind country and check digits, from SWIFT's IBAN registry: n digits, a capital
# letters, c both.
_STRUCTURES = {
    "AD": "8n12c", "AE": "19n", "AL": "8n16c", "AT": "16n", "AZ": "4a20c", "BA": "16n",
    "BE": "12n", "BG": "4a6n8c", "BH": "4a14c", "BI": "23n", "BR": "23n1a1c", "BY": "4c4n16c",
    "CH": "5n12c", "CR": "18n", "CY": "8n16c", "CZ": "20n", "DE": "18n", "DJ": "23n", "DK": "14n",
    "DO": "4c20n", "EE": "16n", "EG": "25n", "ES": "20n", "FI": "14n", "FK": "2a12n", "FO": "14n",
    "FR": "10n11c2n", "GB": "4a14n", "GE": "2a16n", "GI": "4a15c", "GL": "14n", "GR": "7n16c",
    "GT": "24c", "HR": "17n", "HU": "24n", "IE": "4a14n", "IL": "19n", "IQ": "4a15n", "IS": "22n",
    "IT": "1a10n12c", "JO": "4a4n18c", "KW": "4a22c", "KZ": "3n13c", "LB": "4n20c", "LC": "4a24c",
    "LI": "5n12c", "LT": "16n", "LU": "3n13c", "LV": "4a13c", "LY": "21n", "MC": "10n11c2n",
    "MD": "20c", "ME": "18n", "MK": "3n10c2n", "MN": "16n", "MR": "23n", "MT": "4a5n18c",
    "MU": "4a19n3a", "NI": "4a20n", "NL": "4a10n", "NO": "11n", "OM": "3n16c", "PK": "4a16c",
    "PL": "24n", "PS": "4a21c", "PT": "21n", "QA": "4a21c", "RO": "4a16c", "RS": "18n",
    "RU": "14n15c", "SA": "2n18c", "SC": "4a20n3a", "SD": "14n", "SE": "20n", "SI": "15n",
    "SK": "20n", "SM": "1a10n12c", "SO": "19n", "ST": "21n", "SV": "4a20n", "TL": "19n",
    "TN": "20n", "TR": "6n16c", "UA": "6n19c", "VA": "18n", "VG": "4a16n", "XK": "16n",
    "YE": "4a4n18c",
}  # fmt: skip
_CLASSES = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Z]"}


def _pattern(structure: str) -> re.Pattern[str]:
    """An IBAN of this structure, with single blanks, dots or hyphens anywhere between."""
    parts = re.findall(r"(\d+)([nac])", structure)
    body = "".join(f"(?:[ .-]?{_CLASSES[kind]}){{{count}}}" for count, kind in parts)
    return re.compile(f"[A-Z]{{2}} ?[0-9]{{2}}{body}(?![0-9A-Za-z])", re.IGNORECASE | re.ASCII)


_PATTERNS = {country: _pattern(structure) for country, structure in _STRUCTURES.items()}
_START = re.compile(r"(?<![0-9A-Za-z])(?:[A-Z]{2}|[a-z]{2})[ ]?[0-9]{2}(?=[ .-]?[0-9A-Za-z])")
_OTHER = re.compile(
    r"artic|artik|serial|product|produkt|model|order|bestell|track|sendung|part n|sku|batch|lot"
)
_ACCOUNT = re.compile(r"iban|konto|account|bank|compte|cuenta|conto|rachun|rekening|überw|refund")
_NEAR = 40


def find_ibans(passage: Passage) -> Iterator[Hit]:
    """IBANs, the last four characters of which may be shown."""
    found = 0
    for start in _START.finditer(passage.text):
        pattern = _PATTERNS.get(start.group()[:2].upper())
        match = pattern.match(passage.text, start.start()) if pattern else None
        if match is None or not has_check_digits(plain(match.group())):
            continue
        words = before(passage, start.start(), _NEAR)
        if _OTHER.search(words) and not _ACCOUNT.search(words):
            continue
        yield Hit("iban", *match.span(), f"IBAN of {start.group()[:2].upper()}", kept=4)
        found += 1
        if found == MOST:
            return


def has_check_digits(value: str) -> bool:
    """ISO 7064 mod 97-10."""
    return int("".join(str(int(char, 36)) for char in value[4:] + value[:4])) % 97 == 1
