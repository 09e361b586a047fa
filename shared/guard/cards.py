"""Payment cards: ISO/IEC 7812 numbers by issuer, length and Luhn, weighed by what is around them.

A tenth of all numbers pass Luhn, so that much of it hangs on the rest: how the digits are grouped,
and whether the nearest word speaks of a card or of an order.
"""

import re
from collections.abc import Iterator, Sequence

from shared.guard.hits import MOST, Hit, after, before, in_link
from shared.guard.passages import Passage

_RUN = re.compile(
    r"(?<![0-9A-Za-z_])[0-9]++(?:(?: ?[-.\n/] ?| {1,3}| ?\n {0,3})[0-9]++)*+(?![0-9A-Za-z_])"
)
_GROUP = re.compile(r"[0-9]++")
_LONGEST = 19
_SHORTEST = 12
_MOST_GROUPS = 8
_MOST_WEIGHED = 2000
_FIRST_DIGIT = re.compile("[2-689]")

# First digits (from, to), lengths, brand, and whether the number stands on its own feet: the others
# are told from other numbers only by words that speak of a card.
_ISSUERS: tuple[tuple[str, str, frozenset[int], str, bool], ...] = (
    ("34", "34", frozenset([15]), "American Express", True),
    ("37", "37", frozenset([15]), "American Express", True),
    ("4", "4", frozenset([16]), "Visa", True),
    ("4", "4", frozenset([13, 19]), "Visa", False),
    ("51", "55", frozenset([16]), "Mastercard", True),
    ("2221", "2720", frozenset([16]), "Mastercard", True),
    ("6011", "6011", frozenset([16]), "Discover", True),
    ("644", "659", frozenset([16]), "Discover", True),
    ("3528", "3589", frozenset([16]), "JCB", True),
    ("300", "305", frozenset([14]), "Diners Club", False),
    ("36", "36", frozenset([14]), "Diners Club", False),
    ("38", "39", frozenset([14]), "Diners Club", False),
    ("62", "62", frozenset([16, 17, 18, 19]), "UnionPay", False),
    ("60", "60", frozenset([16]), "RuPay", False),
    ("81", "82", frozenset([16]), "RuPay", False),
    ("2200", "2204", frozenset([16, 17, 18, 19]), "Mir", False),
    ("9792", "9792", frozenset([16]), "Troy", False),
    ("50", "50", frozenset(range(12, 20)), "Maestro", False),
    ("56", "69", frozenset(range(12, 20)), "Maestro", False),
)
_GROUPINGS = {
    (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (6, 13),
}  # fmt: skip

_OTHER = (
    r"order|invoice|track|shipment|shipping|parcel|package|imei|isbn|\bean\b|gtin|\bupc\b|serial|"
    r"reference|\bref\b|ticket|\bcase\b|customer|\bid\b|_id\b|bestell|rechnung|sendung|paket|kunden|"
    r"vorgang|auftrag|commande|facture|suivi|colis|r[eé]f[eé]rence|client|pedido|factura|seguimiento|"
    r"env[ií]o|ordine|fattura|spedizione|zam[oó]wieni|faktur|przesy[lł]k|bestelling|factuur|zending|"
    r"\bordre|beställning|booking|buchung|reserv|transa|timestamp|artic|artik|\bsku\b|phone|\btel\b|"
    r"\bfax|policy|contract|vertrag|member|mitglied|barcode|batch|\blot\b|version|request|session|"
    r"gift ?card|geschenkkarte|sim ?card|loyalty|bonus|scorecard|kundenkarte|iccid|quantity|"
    r"номер заказа|заказ|注文|订单|주문|sipariş|objednáv|rendelés|comand[aă]|"
    r"konto|account|meter|zähler|signature|nonce|epoch|chassis|\bvin\b"
)
_CARD = (
    r"card|\bvisa|master ?card|\bamex|american express|discover|diners|\bjcb\b|maestro|union ?pay|"
    r"karte|carte|\bcb\b|tarjeta|cart[aã]o|\bcarta|kaart|\bkort|kort\b|karta|kart[yęaı]\b|"
    r"kortti|kárty|"
    r"\bcv[vc]2?\b|\bpan\b|\bcc\b|cc_?num|charge|abgebucht|"
    r"paid (?:with|by|using)|pay(?:ment)? (?:with|by)|bezahlt mit|pagad[oa] con|"
    r"pay[ée] (?:par|avec)|"
    r"карт|カード|卡号|信用卡|卡號|카드"
)
_LABEL = re.compile(f"(?P<other>{_OTHER})|(?P<card>{_CARD})")
_EXPIRY = re.compile(r"[^0-9]{1,24}(?:0[1-9]|1[0-2]) ?[/-] ?(?:20)?[2-4][0-9](?![0-9])")
_NEAR = 80  # characters in which a word says what a number is
_ATTACHED = 24  # …and in which a word for something else outweighs a card's grouping


def passes_luhn(number: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = sum(map(int, number[-1::-2]))
    for digit in number[-2::-2]:
        total += (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(digit)]
    return total % 10 == 0


def find_cards(passage: Passage) -> Iterator[Hit]:
    """Payment card numbers, the last four digits of which may be shown."""
    found = 0
    weighing = _Weighing(passage)
    for run in _RUN.finditer(passage.text):
        if run.end() - run.start() < _SHORTEST:
            continue
        groups = [m.span() for m in _GROUP.finditer(passage.text, *run.span())]
        first = 0
        while first < len(groups):
            hit, taken = weighing.window(groups, first)
            first += taken
            if hit is not None:
                yield hit
                found += 1
                if found == MOST:
                    return


class _Weighing:
    """Weighs the numbers of one passage. What could be a card is weighed some thousand times at
    most: a file of numbers that all pass Luhn is not worth more."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._left = _MOST_WEIGHED

    def window(self, groups: Sequence[tuple[int, int]], first: int) -> tuple[Hit | None, int]:
        """A card that begins with this group, and how many groups it takes."""
        text = self._passage.text
        number = ""
        found: tuple[Hit | None, int] = None, 1
        if not _FIRST_DIGIT.match(text, groups[first][0]):
            return found
        for last in range(first, min(first + _MOST_GROUPS, len(groups))):
            number += text[groups[last][0] : min(groups[last][1], groups[last][0] + 20)]
            if len(number) > _LONGEST:
                break
            if len(number) >= _SHORTEST and passes_luhn(number):
                brand, strong = _issuer(number)
                if brand and self._is_card(groups, first, last, strong=strong):
                    hit = Hit("payment-card", groups[first][0], groups[last][1], brand, kept=4)
                    found = hit, last - first + 1
                    if strong:
                        break
        return found

    def _is_card(
        self, groups: Sequence[tuple[int, int]], first: int, last: int, *, strong: bool
    ) -> bool:
        """Whether what passes Luhn is a card: by grouping, neighbours and the nearest word."""
        if not self._left:
            return False
        self._left -= 1
        passage = self._passage
        text = passage.text
        start, end = groups[first][0], groups[last][1]
        sizes = tuple(stop - begin for begin, stop in groups[first : last + 1])
        seams = {text[groups[i][1] : groups[i + 1][0]] for i in range(first, last)}
        regular = sizes in _GROUPINGS and len(seams) == 1 and "\n" not in next(iter(seams))
        verdict, distance = _nearest(passage, start, end)
        expiry = bool(_EXPIRY.match(after(passage, end, 40)))
        sure = verdict == "card" or (expiry and verdict != "other")
        if not sure and _continues(text, groups, first, last, seams):
            return False
        if not strong or not (regular or first == last) or in_link(passage, start):
            return sure
        if verdict == "other":
            return regular and (distance > _ATTACHED or expiry)
        return sure or regular or not _is_code(text, start, end)


def _issuer(number: str) -> tuple[str, bool]:
    for low, high, lengths, brand, strong in _ISSUERS:
        if low <= number[: len(low)] <= high and len(number) in lengths:
            return brand, strong
    return "", False


def _nearest(passage: Passage, start: int, end: int) -> tuple[str, int]:
    """What the nearest word before says the number is, else the nearest behind it."""
    text = before(passage, start, _NEAR)
    last = max(_LABEL.finditer(text), key=re.Match.end, default=None)
    behind = _LABEL.search(after(passage, end, _NEAR // 2))
    if last is None:
        return (behind.lastgroup or "", behind.start()) if behind else ("", _NEAR)
    distance = len(text) - last.end()
    if behind and behind.start() < distance and "\n" not in passage.text[end : end + 12]:
        return behind.lastgroup or "", behind.start()
    return last.lastgroup or "", distance


def _continues(
    text: str, groups: Sequence[tuple[int, int]], first: int, last: int, seams: set[str]
) -> bool:
    """Whether it is cut out of a longer number, such as a decimal or a parcel's code."""
    inner = next(iter(seams)) if len(seams) == 1 else ""
    for near, far in ((first - 1, first), (last, last + 1)):
        if near >= 0 and far < len(groups):
            seam = text[groups[near][1] : groups[far][0]]
            if seam in {".", "/", "-"} or seam == inner:
                return True
    return False


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether letters are tied to it, as in a file's name, a path or a product's code."""
    head, tail = text[max(0, start - 2) : start], text[end : end + 2]
    tied_before = len(head) == 2 and head[1] in "-_/.+#@&" and not head[0].isspace()  # noqa: PLR2004
    tied_behind = len(tail) == 2 and tail[0] in "-_/+@.&" and tail[1].isalnum()  # noqa: PLR2004
    return tied_before or tied_behind or head.endswith(("/", "#", "\\", "_"))
