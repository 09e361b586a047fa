"""The half of the labelled set that was written before any detector, and is not tuned to them."""

import base64
import hashlib
import json
import string
import uuid
from collections.abc import Iterator
from random import Random

from tests.guard import values as v
from tests.guard.samples import Make, Sample, placed, repeated


def _from(about: str, rules: tuple[str, ...], sentences: list[str], *fills: str) -> Make:
    """A maker that puts a value into one of the sentences; fills: kinds of values."""

    def make(chance: Random) -> Sample:
        sentence = chance.choice(sentences)
        value = _fill(chance, chance.choice(fills))
        return placed(chance, sentence.replace("@@", value), rules, about)

    return make


def _fill(chance: Random, kind: str) -> str:  # noqa: C901, PLR0911
    match kind:
        case "card":
            return v.card(chance)
        case "card-grouped":
            return v.grouped(v.card(chance), chance.choice([" ", "-"]))
        case "iban":
            return v.iban(chance)
        case "iban-spaced":
            return v.in_fours(v.iban(chance))
        case "password":
            return v.password(chance)
        case "sql":
            return v.sql_connection(chance)
        case "storage":
            return v.storage_connection(chance)
        case "bus":
            return v.bus_connection(chance)
        case "jwt":
            return v.jwt(chance)
        case "hex32":
            return v.chars(chance, 32, "0123456789abcdef")
        case "secret40":
            return v.chars(chance, 40)
    return v.token(chance, kind)


_CARDS = [
    "Kartennummer: @@, gültig bis 08/29.",
    "We will charge your card @@ on Monday.",
    "Numéro de carte bancaire : @@",
    "Tarjeta de crédito @@ caduca 11/28",
    "Carta di credito: @@ (scadenza 04/30)",
    "Please update my payment details: @@ exp 09/28 cvv 123",
    "Credit card no. @@",
    "@@ is the card we have on file for you.",
    "Numer karty: @@",
    "Het nummer van uw creditcard is @@.",
    "PAN=@@;AMOUNT=12.00;CUR=EUR",
    "Número do cartão: @@",
]
_IBANS = [
    "Bitte überweisen Sie auf @@.",
    "IBAN: @@",
    "Your refund goes to the account @@ within three days.",
    "Coordonnées bancaires : @@, BIC AGRIFRPP",
    "Conto corrente @@ intestato a Contoso",
    "Kontonummer (IBAN) @@ hos banken",
]
_PASSWORDS = [
    "Your password is @@",
    "Username: ana\nPassword: @@",
    "Benutzername: ana.b / Passwort: @@",
    "Ihr neues Kennwort lautet: @@",
    "Votre mot de passe est : @@",
    "Mot de passe provisoire : @@",
    "Su contraseña es @@",
    "Contraseña: @@",
    "La tua password è @@",
    "A sua senha é: @@",
    "Twoje hasło: @@",
    "Uw wachtwoord is @@",
    "Ditt lösenord är @@",
    "Din adgangskode er: @@",
    "Ваш пароль: @@",
    "パスワード: @@",
    "Şifreniz: @@",
    "Heslo: @@",
    "login: root, pwd: @@",
    "We created an account for you. Initial password: @@ (change it at the first sign-in).",
    "The temporary password for the portal is @@",
    'config.json: {"user": "app", "password": "@@"}',
    "export DB_PASSWORD=@@",
]
_TOKENS = [
    "Deploy with @@ until Friday",
    "token: @@",
    "curl -H 'X-Api-Key: @@' https://api.example.com/v1/orders",
    "GITHUB_TOKEN=@@",
    "The build failed: cannot log in with '@@'.",
    "<key>@@</key>",
]
_VENDORS = (
    "github-token", "github-token-fine", "npm-token", "gitlab-token", "slack-token",
    "slack-webhook", "stripe-key", "google-key", "pypi-token", "sendgrid-key", "entra-secret",
    "openai-key", "aws-key", "digitalocean-token",
)  # fmt: skip
_CONNECTIONS = [
    "The function fails with: cannot connect, @@",
    "AzureWebJobsStorage is @@",
    'local.settings.json: {"ConnectionString": "@@"}',
    "ConnectionStrings__Main=@@",
]


def _split_card(chance: Random) -> Sample:
    """Cut by tags and written as entities."""
    number = v.grouped(v.card(chance))
    middle = chance.randrange(4, len(number) - 4)
    head, tail = number[:middle], number[middle:]
    if chance.random() < 0.5:
        tail = "".join(f"&#{ord(c)};" for c in tail)
    html = f"<p>Your card <b>{head}</b><span style='color:red'>{tail}</span> was charged.</p>"
    return Sample(about="card split by tags", rules=("payment-card",), html=html)


def _hidden(chance: Random) -> Sample:
    number = v.card(chance)
    html = chance.choice(
        [
            f"<p>Hello</p><!-- debug: card {number} -->",
            f'<p>Hello</p><div style="display:none">card number {number}</div>',
            f'<p>Hello <a href="https://pay.example.com/?card={number}">pay</a></p>',
            f'<p>Hello <img src="https://x.example.com/a.png" alt="card {number}"></p>',
        ]
    )
    return Sample(about="card out of sight in HTML", rules=("payment-card",), html=html)


def _csv(chance: Random) -> Sample:
    rows = [f"{n},{v.card(chance)},{chance.randrange(1, 900)}.00" for n in range(1, 6)]
    content = "\r\n".join(["customer,card_number,amount", *rows])
    encoding = chance.choice(["utf-8", "utf-16", "latin-1"])
    return Sample(
        about="cards in a CSV file", rules=("payment-card",), text="See the file.",
        files=(("payments.csv", "text/csv", content.encode(encoding)),),
    )  # fmt: skip


def _file_name(chance: Random) -> Sample:
    files = ((f"statement {v.iban(chance)}.pdf", "application/pdf", b"%PDF-1.7 x"),)
    return Sample(about="IBAN in a file name", rules=("iban",), text="See the file.", files=files)


def _subject(chance: Random) -> Sample:
    subject = f"Your card {v.grouped(v.card(chance))}"
    return Sample(about="card in the subject", rules=("payment-card",), subject=subject, text="Hi")


def _key(chance: Random) -> Sample:
    kind = chance.choice(["pkcs8", "rsa", "ec", "encrypted", "openssh", "putty", "wrapped", "json"])
    if kind == "putty":
        return placed(chance, v.putty_key(chance), ("private-key",), "PuTTY key")
    pem = v.private_key("pkcs8" if kind in {"wrapped", "json"} else kind)
    if kind == "wrapped":
        pem = "ssl-key: " + base64.b64encode(pem.encode()).decode()
    if kind == "json":
        pem = json.dumps({"type": "service_account", "private_key": pem})
    if chance.random() < 0.4:
        files = (("server.txt", "text/plain", pem.encode()),)
        return Sample(about=f"key {kind}", rules=("private-key",), text="As agreed.", files=files)
    return placed(chance, f"Here is the key:\n{pem}", ("private-key",), f"key {kind}")


def _credentials_in_url(chance: Random) -> Sample:
    scheme = chance.choice(["https", "ftp", "postgresql", "mongodb+srv", "amqps", "redis"])
    host = chance.choice(["db.contoso.test", "10.0.0.5:5432", "files.example.com/in"])
    word = v.chars(chance, 12)
    rules = ("url-credentials",)
    return placed(chance, f"Fetch it at {scheme}://report:{word}@{host} today", rules, "URL")


def _bearer(chance: Random) -> Sample:
    value = chance.choice([v.chars(chance, 40), v.jwt(chance)])
    line = f"Author" + f"ization: Bearer {value}"  # noqa: F541
    return placed(chance, line, ("authorization-header", "jwt"), "bearer")


TRUE: list[tuple[Make, int]] = [
    (_from("card", ("payment-card",), _CARDS, "card", "card-grouped"), 36),
    (_from("IBAN", ("iban",), _IBANS, "iban", "iban-spaced"), 24),
    (_from("password", ("password",), _PASSWORDS, "password"), 46),
    (_from("token", ("access-token",), _TOKENS, *_VENDORS), 42),
    (_from("connection", ("connection-string",), _CONNECTIONS, "storage", "bus", "sql"), 18),
    (_from("JWT", ("jwt",), ["access token @@", '{"access_token": "@@"}'], "jwt"), 6),
    (_split_card, 8),
    (_hidden, 8),
    (_csv, 6),
    (_file_name, 4),
    (_subject, 4),
    (_key, 16),
    (_credentials_in_url, 10),
    (_bearer, 6),
]


_TRACKING = [
    "Your DHL parcel 00340434@@ is on its way.",
    "Sendungsnummer: JJD0139@@",
    "UPS tracking number 1Z999AA1@@",
    "Tracking: 9400110898825@@",
    "FedEx 7891@@",
    "Numéro de suivi : 6A@@",
    "PostNL track & trace 3S@@",
]
_ORDERS = [
    "Your order @@ has been shipped.",
    "Bestellnummer: @@",
    "Commande n° @@",
    "Número de pedido @@",
    "Invoice number: @@",
    "Rechnungsnr. @@ vom 27.11.2026",
    "Ticket #@@",
    "Reference: @@",
    "Kundennummer @@",
    "Case @@ was closed.",
    "Ordernummer: @@",
    "Vorgangs-ID @@",
]


def _order(chance: Random) -> Sample:
    number = chance.choice(
        [
            v.digits(chance, chance.randrange(6, 20)),
            v.luhn_number(chance, chance.choice(["4", "51", "37", "6011"]), 16),
            f"{v.digits(chance, 3)}-{v.digits(chance, 7)}-{v.digits(chance, 7)}",
        ]
    )
    return placed(chance, chance.choice(_ORDERS).replace("@@", number), (), "order")


def _tracking(chance: Random) -> Sample:
    code = v.digits(chance, chance.choice([8, 10, 12]))
    return placed(chance, chance.choice(_TRACKING).replace("@@", code), (), "tracking")


def _device(chance: Random) -> Sample:
    line = chance.choice(["IMEI: @@", "Your phone (IMEI @@) is registered.", "IMEI/Serial @@"])
    return placed(chance, line.replace("@@", v.imei(chance)), (), "IMEI")


def _hash(chance: Random) -> Sample:
    data = chance.randbytes(20)
    value = chance.choice(
        [hashlib.sha256(data).hexdigest(), hashlib.sha1(data).hexdigest(),
         hashlib.md5(data).hexdigest(), str(uuid.UUID(bytes=chance.randbytes(16))),
         base64.b64encode(hashlib.sha256(data).digest()).decode()]
    )  # fmt: skip
    line = chance.choice(
        ["Commit @@ was deployed to production.", "SHA-256 of the file: @@", "Request id: @@",
         'ETag "@@"', "Correlation ID @@", "checksum @@  backup.tar.gz",
         "https://example.com/jobs/@@"]
    )  # fmt: skip
    return placed(chance, line.replace("@@", value), (), "hash")


def _phone(chance: Random) -> Sample:
    number = chance.choice(
        [f"+49 {v.digits(chance, 3)} {v.digits(chance, 7)}", f"+1 ({v.digits(chance, 3)}) 555-0123",
         f"+44 20 {v.digits(chance, 4)} {v.digits(chance, 4)}", f"0{v.digits(chance, 10)}",
         f"+33 {' '.join(v.digits(chance, 2) for _ in range(4))}"]
    )  # fmt: skip
    line = chance.choice(["Call us at @@.", "Tel.: @@", "Telefon @@", "Fax: @@", "WhatsApp @@"])
    return placed(chance, line.replace("@@", number), (), "phone")


def _time(chance: Random) -> Sample:
    line = chance.choice(
        [f"Started at {chance.randrange(1_600_000_000_000, 1_900_000_000_000)} ms.",
         f"log-202611{chance.randrange(10, 28)}{v.digits(chance, 6)}.txt was written",
         f"Version 2026.11.{v.digits(chance, 4)}.{v.digits(chance, 5)}",
         f"Position {chance.randrange(10, 89)}.{v.digits(chance, 14)}, 8.{v.digits(chance, 14)}",
         f"EAN 40{v.digits(chance, 11)}",
         f"ISBN 978-3-{v.digits(chance, 5)}-{v.digits(chance, 3)}-1",
         f"Amount: {v.digits(chance, 3)} {v.digits(chance, 3)} {v.digits(chance, 3)},00 EUR"]
    )  # fmt: skip
    return placed(chance, line, (), "numbers")


_CODES = [
    "Your sign-in code is @@. It is valid for 10 minutes.",
    "@@ is your verification code. We will never ask you for your password.",
    "Ihr Anmeldecode lautet @@. Geben Sie ihn niemals weiter.",
    "Einmalpasswort: @@",
    "Your one-time password is @@",
    "Votre code de connexion : @@",
    "Su código de verificación es @@",
    "Code à usage unique : @@",
    "Jednorazowe hasło: @@",
    "Confirm your password reset with the code @@.",
    "Use PIN @@ to collect your parcel.",
    "OTP: @@",
]
_PROSE = [
    "We received a request to reset your password. If it was you, follow the link.",
    "Your password was changed on 27 November 2026 at 10:42.",
    "Your password expires in 14 days. Password: at least 12 characters, one digit.",
    "Passwort vergessen? Klicken Sie auf den Link: https://example.com/reset?id=8812",
    "We never store card numbers. Payment card data is processed by our provider.",
    "Datenschutz: Wir speichern weder Kreditkarten noch Passwörter im Klartext.",
    "Votre mot de passe a été modifié. Si ce n'était pas vous, contactez-nous.",
    "Tu contraseña ha caducado. Elige una nueva contraseña en el portal.",
    "La password deve avere almeno 8 caratteri: lettere, cifre e simboli.",
    "Password: ********",
    "Password: (the one you chose)",
    "Passwort: wird Ihnen per Post zugestellt",
    "Username: ana / Password: as before",
    "Set GITHUB_TOKEN=ghp_… in your environment; tokens begin with ghp_ or github_pat_.",
    "Keys look like AKIA… and secrets are 40 characters long.",
    "Connection string: DefaultEndpointsProtocol=https;AccountName=<name>;AccountKey=<key>",
    "Store the key between -----BEGIN and -----END lines in Key Vault, never in mail.",
    "postgresql://user:password@localhost/db is the form of the URL.",
    "Charged to Visa ending in 4242.",
    "Mastercard **** **** **** 5454, expires 08/29",
    "Konto DE** **** **** **** **30 00 wurde belastet.",
    "Send it as Authorization: Bearer <token>.",
    "Your card was declined. Card number and CVV were not stored.",
    "Das Kennwort ist falsch. Das Passwort ist abgelaufen.",
    "password is required. password is case-sensitive. Password = required",
    "Ihr Passwort ist 90 Tage alt.",
    "api_key: your-api-key-here",
    "Ton mot de passe est trop court.",
]


def _code(chance: Random) -> Sample:
    code = chance.choice([v.digits(chance, 6), v.digits(chance, 4), v.digits(chance, 8)])
    return placed(chance, chance.choice(_CODES).replace("@@", code), (), "one-time code")


def _prose(chance: Random) -> Sample:
    return placed(chance, " ".join(chance.sample(_PROSE, 3)), (), "prose")


def _image(chance: Random) -> Sample:
    data = base64.b64encode(chance.randbytes(3000)).decode()
    html = f'<p>Hello</p><img alt="Logo" src="data:image/png;base64,{data}">'
    files = (("photo.jpg", "image/jpeg", chance.randbytes(20_000)),)
    return Sample(about="image", html=html, files=files)


def _product(chance: Random) -> Sample:
    letters = v.chars(chance, 2, string.ascii_uppercase)
    code = f"{letters}{v.digits(chance, chance.choice([16, 18, 20]))}"
    line = chance.choice(["Article @@ is back in stock.", "Serial no. @@", "Artikelnummer @@"])
    return placed(chance, line.replace("@@", code), (), "IBAN-like code")


def _table(chance: Random) -> Sample:
    rows = [
        f"2026-11-{chance.randrange(10, 28)},{v.digits(chance, 16)},{v.digits(chance, 3)}"
        for _ in range(8)
    ]
    content = "\n".join(["date,order_id,quantity", *rows])
    return Sample(
        about="orders in a CSV file", text="See the file.",
        files=(("orders.csv", "text/csv", content.encode()),),
    )  # fmt: skip


def _link(chance: Random) -> Sample:
    token = chance.choice([v.chars(chance, 43), v.jwt(chance), v.digits(chance, 16)])
    link = f"https://account.example.com/confirm?token={token}"
    html = f'<p><a href="{link}">Sign in</a></p><p>{link}</p>'
    return Sample(about="sign-in link", html=html, text=f"Sign in: {link}")


HARMLESS: list[tuple[Make, int]] = [
    (_order, 110), (_tracking, 60), (_device, 30), (_hash, 80), (_phone, 50), (_time, 60),
    (_code, 60), (_prose, 90), (_image, 15), (_product, 30), (_table, 15), (_link, 30),
]  # fmt: skip


def true_samples() -> Iterator[Sample]:
    return repeated(TRUE, 2026)


def harmless_samples() -> Iterator[Sample]:
    return repeated(HARMLESS, 1127)
