"""Whether a text says that something was not delivered, in the languages of the world."""

import re

_NEAR = 30  # characters between the two
_MOST = 3000  # characters that are looked at

# A negation and a verb of delivery, in either order.
_PAIRS = (
    (
        r"not|\w+n't|never|unable|cannot|fail\w*|impossible|refus\w+|unsuccessful\w*|without",
        r"deliver\w*|reach\w*|sent|send|relay\w*|forward(?:ed)?",
    ),
    (
        r"nicht|konnten?|fehler\w*|keine?",
        r"zugestellt|zustell\w+|übermittel\w+|ausgeliefert|erreich\w+",
    ),
    (
        r"pas|échec|echec|impossible|ni",
        r"remis\w*|remettre|distribu\w+|délivr\w+|livr\w+|achemin\w+|transmis",
    ),
    (r"no|imposible|error|fall(?:o|ó)|sin", r"entreg\w+|envi\w+|llegado"),
    (r"non|mancata|impossibile|errore", r"consegn\w+|recapit\w+|inviat\w+|inviare"),
    (r"não|falha|impossível|erro", r"entreg\w+|envi\w+"),
    (r"niet|kon|mislukt|onmogelijk", r"bezorg\w+|afgelever\w+|aflever\w+|verzend\w+|verzonden"),
    (r"inte|ikke|ikkje|kunde|fel|fejl|feil", r"lever\w+|skick\w+|send\w+|nå\w*"),
    (r"nie|błąd", r"dostarcz\w+|doręcz\w+|wysł\w+"),
    (r"ne\w*|chyba", r"doruč\w+|odesl\w+"),
    (r"не|нельзя|невозможн\w+|ошибк\w+|неможлив\w+", r"достав\w+|отправ\w+|надісл\w+"),
)  # fmt: skip
_SIGNS = (
    r"(?:送信|配信|配送|送達|配達|転送|届け|送)[^\n。]{0,8}(?:ません|ない|れず|失敗|エラー|不能)"
    r"|(?:无法|無法|未能|不能|失败|失敗|没有|沒有).{0,6}(?:投递|投遞|送达|送達|发送|發送|递送"
    r"|遞送|传送|傳送|寄)"
    r"|(?:投递|投遞|送达|送達|发送|發送|递送|遞送|传送|傳送).{0,4}(?:失败|失敗)|退信|退回"
    r"|(?:배달|전송|전달|발송|보내)[^\n]{0,8}(?:못|않|실패|없|불가)"
    r"|エラーメール|メール.{0,8}エラー|teslim edile?me\w+|iletileme\w+|iletilmedi|gönderileme\w+"
    r"|nedoručiteln\w+|kézbesíthetetlen"
    r"|unzustellbar|onbestelbaar|undeliver\w+"
)
_VERB = re.compile(
    r"(?<!\w)(?:" + "|".join(f"(?P<v{i}>{verb})" for i, (_, verb) in enumerate(_PAIRS)) + r")(?!\w)"
)
_NEGATIONS = tuple(re.compile(rf"(?<!\w)(?:{no})(?!\w)") for no, _ in _PAIRS)
_SIGN = re.compile(_SIGNS)


def says_not_delivered(text: str) -> bool:
    """Whether a text in small letters says so."""
    text = text[:_MOST]
    if _SIGN.search(text):
        return True
    for verb in _VERB.finditer(text):
        negation = _NEGATIONS[int((verb.lastgroup or "v0")[1:])]
        if negation.search(text, max(0, verb.start() - _NEAR), verb.end() + _NEAR):
            return True
    return False
