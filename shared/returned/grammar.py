"""What a reply says by its grammar: a noun and what is said of it, in the languages of the world.

Servers put the same few thoughts into countless words: a mailbox *is not found*, *unknown* user,
die Adresse *existiert nicht*. A predicate counts for the noun that stands nearest in the same
sentence, so that an unknown sender, domain, group or record is not taken for a recipient.
"""

import re
from bisect import bisect_left
from typing import Literal

from shared.returned.report import Reason

type _Noun = Literal["sender", "domain", "group", "thing", "place", "person", "message", "host"]
type _Predicate = Literal["absent", "full", "disabled", "big", "infected", "spam", "listed", "mute"]

_BEFORE = 45  # characters between a noun and what is said of it
_AFTER = 24  # the same where the predicate comes first: "unknown user"
_LONGEST = 60  # characters of a noun with what belongs to it
_MOST = 1500  # characters of a text that are looked at

_MEANING: dict[tuple[str, str], Reason] = {
    ("person", "absent"): "user-unknown", ("domain", "absent"): "host-unknown",
    ("sender", "absent"): "rejected", ("group", "absent"): "list", ("place", "full"): "system",
    ("person", "full"): "mailbox-full", ("person", "disabled"): "suspended",
    ("domain", "disabled"): "suspended", ("message", "big"): "too-large",
    ("message", "infected"): "virus", ("message", "spam"): "spam", ("host", "listed"): "blocked",
    ("person", "mute"): "no-mail", ("domain", "mute"): "no-mail",
}  # fmt: skip

# Stems. Words of scripts without blanks have a row of their own, for they have no word boundaries.
_NOUNS: dict[_Noun, tuple[str, str]] = {
    "sender": (
        (
            r"(?:envelope[ -])?(?:sender|originator|return[ -]?path|reverse[ -]?path|mail from"
            r"|from:"
            r"|from address|absender\w*|expéditeur|expediteur|remitente|remetente|mittente|afzender"
            r"|nadawc\w+|отправител\w+|avsändare\w*)(?:'s)?(?: (?:e-?mail )?address| domain"
            r"| account"
            r"| mailbox)?:? ?<?(?:\(address\))?"
        ),
        r"发件人|寄件者|送信者|差出人|보낸",
    ),
    "domain": (
        (
            r"(?:sub)?domain\w*|domein|dom(?:i|í)ni\w*|domän\w*|domæne\w*|домен\w*"
            r"|host(?:name)?s?\b"
            r"|mx(?: or [\w]+)?(?: records?)?\b|mail ?(?:server|exchanger|host)s?\b"
            r"|destination (?:server|system)|alan adı|doména"
        ),
        r"域名|網域|网域|ドメイン|도메인",
    ),
    "group": (
        (
            r"groups?\b|groupes?\b|grupo|gruppo|gruppe\w*|groep|grup[ay]?\b|група|групу|групп\w+"
            r"|mailing[ -]?list\w*|lists?\b|liste\b|lista\b|skupin\w+|csoport\w*|ryhm\w+|topluluk"
            r"|conversation"
        ),
        r"群組|群组|グループ|그룹",
    ),
    "thing": (
        (
            r"(?:reverse|ptr|rdns|spf|dkim|dns|a) (?:dns )?(?:records?|entr\w+|key|hostname|name)"
            r"|ptr|ip(?:v[46])?[ -](?:address|adres\w+)|adresse ip|helo(?: host)?|ehlo(?: host)?"
            r"|commands?\b|headers?\b|certificate|key\b|file|message-id|route\b|router|option"
            r"|parameter|error|reason|character|encoding|respon[sc]e|password|signature|attachment"
            r"|page\b|program|client (?:host|name)|charset"
        ),
        r"",
    ),
    "place": (r"disk|disc|device|file ?system|system|partition|server", r""),
    "host": (
        (
            r"ip(?:v[46])?[ -](?:address|adres\w*|адрес)?|adresse ip|dirección ip|your (?:ip|server"
            r"|host)|client host|ip"
        ),
        r"",
    ),
    "person": (
        (
            r"recipients?|addressee\w*|users?(?: ?name| ?id)?\b|user(?:'s)?|mail ?boxe?s?"
            r"|mail[ -]?drop|account\w*|addresse?s?|(?:e-?)?mail address\w*|e-?mail\b|email id"
            r"|inbox"
            r"|maildir|alias|local[ -]?part|customer|person\b|nobody|no[ -]?one|somebody|employee"
            r"|subscriber\b|benutzer\w*|empf(?:ä|ae|a)nger\w*|postf(?:a|ä)ch\w*|e-mail-adresse"
            r"|adress\w*|konto|kontos|teilnehmer|utilisateur|correspondant|destinataire|bo(?:î|i)te"
            r"|compte|usuari[oa]|destinatari[oa]|buz(?:ó|o)n|cuenta|direcci(?:ó|o)n|correo|utente"
            r"|casella|indirizzo|account|conta\b|caixa|endere(?:ç|c)o|usuário|gebruiker"
            r"|ontvanger\w*"
            r"|postvak|mailadres|e-mailadres|användar\w+|mottagar\w+|inkorg|bruger\w*|modtager\w*"
            r"|bruker\w*|mottaker\w*|postkasse\w*|postlåda\w*|użytkownik\w*|odbiorc\w+|skrzynk\w+"
            r"|adres\w*|uživatel\w*|příjemc\w+|schránk\w+|kullanıcı\w*|alıcı\w*|posta kutusu"
            r"|hesa(?:p|bı)|пользовател\w+|получател\w+|адресат\w*|адрес\w*|ящик\w*|аккаунт\w*"
            r"|учетн\w+|учётн\w+|користувач\w*|скриньк\w+|käyttäj\w+|vastaanottaj\w+|postilaatik\w+"
            r"|címzett\w*|postafiók\w*|felhasznál\w+|tài khoản|địa chỉ|người (?:nhận|dùng)"
            r"|destinatar\w*|χρήστη\w*|παραλήπτη\w*"
        ),
        (
            r"用户|用戶|收件人|收件者|帐号|帐户|账户|账号|帳號|帳戶|邮箱|郵箱|信箱|地址|此人|使用者"
            r"|宛先|あて先|宛て|受信者|送信先|ユーザー?|アカウント|メールアドレス|メールボックス"
            r"|받는 사람|수신자|사용자|계정|메일함|편지함|메일 ?주소|주소"
        ),
    ),
    "message": (
        (
            r"messages?\b|mails?\b|letter|nachricht\w*|courriel|mensaje|messaggio|mensagem|bericht"
            r"|meddelande\w*|wiadomo\w+|сообщени\w+|письм\w+|zpráv\w+|data\b|attachment"
        ),
        r"邮件|郵件|メール|메일|메시지",
    ),
}  # fmt: skip
_PREDICATES: dict[_Predicate, tuple[str, str]] = {
    "absent": (
        (
            r"unknown(?!\[| \[| (?:address error|error|reason|command|problem|failure|cause"
            r"|encoding))|not known|isn't known|(?:is|was|are|were|be|been|could|can|cannot"
            r"|can't)?\s?(?:not|n't|never)(?: be)? (?:found|located|recogni[sz]ed|exist\w*|listed"
            r"|in use|registered|identified)|wasn't found|couldn't be (?:found|located)"
            r"|can't be (?:found|located)|unable to (?:find|locate|resolve)|(?:does|do|did)(?: not"
            r"|n't|nt) exists?|doesn't exist|no exists?|non[ -]?exist\w+|(?:is|are) (?:not"
            r"|no longer) (?:valid|a valid|a known|a local|a registered|here|in my \w+)"
            r"|not (?:a )?(?:valid|known|local|registered|existing|hosted|defined)\b|(?:is"
            r"|are) (?:wrong|invalid|incorrect|bad|nonexistent)|invalid|no such|there(?: is|'s) no"
            r"|by (?:that|this) name|don't have an?|(?:does|do|did|could|can)(?: not"
            r"|n't) (?:be )?resolved?|cannot (?:be )?resolved?|(?:have|has|had|having|find"
            r"|found) no(?! (?:valid )?(?:reverse|ptr|r?dns|spf|dkim|dmarc|permission|right))"
            r"|no longer (?:here|exists?|with us|valid)|no(?= (?:account|user|mailbox|mx|recipient"
            r"|mail server|customer)\w*\b(?! (?:full|has)))|never heard of|lives here|no valid"
            r"|illegal|misspelled|cannot be verified|is not verified|nicht (?:gefunden|bekannt"
            r"|vorhanden|existent)|existiert nicht|unbekannt\w*|ungültig\w*|inconnue?s?"
            r"|inexistante?s?|introuvables?|n'existe pas|invalides?|n'a pas été trouvée?"
            r"|desconocid[oa]|inexistente|no existe|no (?:se )?(?:ha )?(?:sido )?encontr\w+"
            r"|inválid[oa]|sconosciut[oa]|non esiste|non (?:è stato )?trovat[oa]"
            r"|impossibile trovare"
            r"|não existe|desconhecid[oa]|não (?:foi|pôde ser) encontrad[oa]|não encontrad[oa]"
            r"|onbekende?|bestaat niet|niet (?:gevonden|bekend)|finns inte|okänd\w*|hittades inte"
            r"|findes ikke|ukendt|ikke funnet|finnes ikke|ukjent|ble ikke funnet|blev ikke fundet"
            r"|nieznan\w+|nie (?:znaleziono|istnieje)|neexistuje|neznám\w+|nebyl\w* nalezen\w*"
            r"|bulunamadı|bulunmuyor|geçersiz|не найден\w*|нет так\w+|так\w+ \w+ нет|không tồn tại"
            r"|не существу\w+|неизвестн\w+|не знайден\w*|не існує|ei löydy|tuntematon"
            r"|nem (?:található|létezik)|ismeretlen"
        ),
        (
            r"不存在|找不到|无法找到|無法找到|間違っ|查无|查無|无此|無此|未找到|不明|見つかりません"
            r"|見つからない|見つける|存在しません|存在しない|存在せず|찾을 수 없|존재하지"
        ),
    ),
    "full": (
        (
            r"(?:is|are) (?:over-?|already )?full|(?:storage|space|quota)[\w ]{0,12}(?:exhausted"
            r"|exceeded|full)|(?:insufficient|not enough|no|out of)(?: \w+)? (?:space|storage|room)"
            r"|too many messages|overfull|quota (?:exceeded|überschritten|dépassé|excedida"
            r"|superata)"
            r"|(?:voll|übervoll|erschöpft)\b|pleine?s?\b|quota dépassé|llen[oa]\b|excedid[oa]"
            r"|pien[oa]\b|chei[oa]\b|\bvol\b|är full\w*|er fuld|er full|pełn[ay]|plná|přeplněn\w*"
            r"|dolu\b|переполнен\w*|перевищен\w*|täynnä|megtelt|size[ _]limit exceeded"
        ),
        r"已满|已滿|いっぱい|容量|가득",
    ),
    "disabled": (
        (
            r"disabled|inactive|inactivity|suspended|deactivated|expired|frozen|(?:on|under) hold"
            r"|dormant|terminated|(?:been |is |are )?locked|not active(?:ated)?|not activated"
            r"|closed"
            r"|deleted by|gesperrt|deaktiviert|inaktiv|abgelaufen|désactivée?|suspendue?|bloquée?"
            r"|deshabilitad[oa]|desactivad[oa]|suspendid[oa]|bloquead[oa]|disabilitat[oa]"
            r"|disattivat[oa]|sospes[oa]|desativad[oa]|suspens[oa]|uitgeschakeld|geblokkeerd"
            r"|inaktiverad\w*|zablokowan\w+|nieaktywn\w+|заблокирован\w*|отключен\w*|неактив\w+"
            r"|приостановлен\w*|devre dışı"
        ),
        r"停用|禁用|冻结|凍結|封禁|已注销|無効|停止|비활성|정지|휴면",
    ),
    "big": (
        (
            r"too (?:big|large|long)|(?:is )?larger than|exceeds? (?:the )?(?:maximum )?size"
            r"|zu groß"
            r"|zu gross|trop (?:volumineu\w+|gros\w*|grande?)|demasiado grande|troppo grande"
            r"|muito grande|te groot|för stor\w*|for stor|za duż\w+|příliš velk\w+"
            r"|слишком (?:большо\w+|велик\w*)|çok büyük|oversize\w*"
        ),
        r"过大|過大|太大|大きすぎ|너무",
    ),
    "infected": (
        r"virus|worm\b|trojan|infected|malware|infiziert|вирус\w*|wirus\w*",
        r"病毒|ウイルス|ウィルス|바이러스",
    ),
    "spam": (r"spam\b|спам\w*|\bube\b", r"垃圾|迷惑|스팸"),
    "listed": (
        (
            r"(?:black|block|deny)[ -]?list\w*|listed|blocked|sperrliste|liste noire|lista negra"
            r"|lista nera|gesperrt|заблокирован\w*|черн\w+ списк\w+|banned|bloquée?|bloquead[oa]"
        ),
        r"黑名单|黑名單|ブラックリスト",
    ),
    "mute": (
        (
            r"(?:does|do)(?: not|n't) (?:accept|receive) (?:\w+ )?(?:e-?mail|mail"
            r"|messages)\b(?! from)|cannot (?:accept|receive) (?:e-?mail|mail|messages)\b(?! from)"
            r"|accepts no (?:e-?mail|mail)|no mail is accepted|send-only"
        ),
        r"",
    ),
}  # fmt: skip


def _compile(rows: dict[str, tuple[str, str]]) -> re.Pattern[str]:
    words = "|".join(f"(?P<{name}>{row[0]})" for name, row in rows.items())
    signs = "|".join(f"(?P<{name}_>{row[1]})" for name, row in rows.items() if row[1])
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)|{signs}")


_NOUN = _compile({str(name): row for name, row in _NOUNS.items()})
_PREDICATE = _compile({str(name): row for name, row in _PREDICATES.items()})
_SENTENCE = re.compile(r"(?<!\.)[.;!?。！？] |。")


def spoken_reason(words: str) -> Reason | None:
    """What a text in small letters says by its grammar, None where that is nothing known."""
    words = words[:_MOST]
    predicates = list(_PREDICATE.finditer(words))
    if not predicates:
        return None
    nouns = list(_NOUN.finditer(words))
    starts = [noun.start() for noun in nouns]
    for predicate in predicates:
        near = nouns[bisect_left(starts, predicate.start() - _BEFORE - _LONGEST) :]
        if (noun := _nearest(words, predicate, near)) and (
            reason := _MEANING.get((noun, (predicate.lastgroup or "").rstrip("_")))
        ):
            return reason
    return None


def _nearest(words: str, predicate: re.Match[str], nouns: list[re.Match[str]]) -> str:
    """The kind of the noun that is nearest to a predicate in its sentence, "" if none."""
    start, end = predicate.span()
    best, least = "", _BEFORE + 1
    for noun in nouns:
        if noun.end() <= start:
            gap, between = start - noun.end(), words[noun.end() : start]
        elif noun.start() >= end + _AFTER:
            break
        elif noun.start() >= end:
            gap, between = noun.start() - end, words[end : noun.start()]
        else:
            continue
        if gap < least and not _SENTENCE.search(between):
            best, least = (noun.lastgroup or "").rstrip("_"), gap
    return best
