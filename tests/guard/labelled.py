"""The half of the labelled set that was written beside the detectors: harder, and tuned to."""

import json
import string
from collections.abc import Callable, Iterator
from random import Random
from urllib.parse import quote

from tests.guard import ids
from tests.guard import values as v
from tests.guard.samples import Make, Sample, placed, repeated


def _said(
    about: str, rules: tuple[str, ...], sentences: list[str], fill: Callable[[Random], str]
) -> Make:
    def make(chance: Random) -> Sample:
        return placed(chance, chance.choice(sentences).replace("@@", fill(chance)), rules, about)

    return make


def _script_digits(chance: Random) -> Sample:
    """Full-width and Arabic digits, with characters between that nobody sees."""
    number = v.grouped(v.card(chance, "visa"))
    zero = chance.choice([0xFF10, 0x0660, 0x0966])
    odd = "".join(chr(zero + int(c)) if c.isdigit() else c for c in number)
    unseen = "\u200b".join(number)
    text = f"Card number: {chance.choice([odd, unseen, number.replace(' ', chr(0xA0))])}"
    return Sample(about="card in other digits", rules=("payment-card",), text=text)


def _wrapped(chance: Random) -> Sample:
    number = v.grouped(v.card(chance, "mastercard"))
    html = number.replace(" ", chance.choice(["&nbsp;", "\n      ", "<wbr> ", "&#8239;"]))
    return Sample(
        about="card in laid-out HTML", rules=("payment-card",),
        html=f"<table><tr><td>Card</td><td>{html}</td></tr></table>",
    )  # fmt: skip


def _json_file(chance: Random) -> Sample:
    content = json.dumps({"id": 7, "card": {"pan": v.card(chance), "cvv": "123"}}, indent=1)
    name = chance.choice(["event.json", "event.log", "event.xml"])
    if name.endswith("xml"):
        content = f"<payment><cardNumber>{v.card(chance)}</cardNumber></payment>"
    files = ((name, "application/octet-stream", content.encode()),)
    return Sample(about="card in a text file", rules=("payment-card",), text="Log.", files=files)


def _cells(chance: Random) -> Sample:
    word = chance.choice(["Password", "Passwort", "Mot de passe", "Wachtwoord"])
    html = (
        f"<table><tr><td>Login</td><td>ana</td></tr><tr><td>{word}</td>"
        f"<td><code>{v.password(chance)}</code></td></tr></table>"
    )
    return Sample(about="password in a cell", rules=("password",), html=html)


def _password_link(chance: Random) -> Sample:
    word = quote(v.password(chance))
    html = f'<a href="https://app.example.com/login?user=ana&amp;password={word}">Sign in</a>'
    return Sample(about="password in a link", rules=("password",), html=html)


def _header(chance: Random) -> Sample:
    subject = f"Deploy token {v.token(chance, 'github-token')}"
    return Sample(about="token in the subject", rules=("access-token",), subject=subject, text="x")


def _iban_rows(chance: Random) -> Sample:
    rows = "\n".join(f"{n};{v.iban(chance)};12,00" for n in range(4))
    files = (("run.csv", "text/csv", f"nr;konto;betrag\n{rows}".encode("utf-16")),)
    return Sample(about="IBANs in a CSV file", rules=("iban",), text="See it.", files=files)


_ID_KINDS: list[tuple[str, Callable[[Random], str]]] = [
    ("SSN: @@", ids.ssn), ("NI number @@", ids.nino), ("Steuer-ID: @@", ids.steuer_id),
    ("Numéro de sécurité sociale : @@", ids.nir), ("NIR @@", ids.nir_spaced), ("DNI @@", ids.dni),
    ("BSN: @@", ids.bsn), ("CF: @@", ids.codice_fiscale), ("PESEL @@", ids.pesel),
    ("Personnummer @@", ids.personnummer), ("AHV-Nr. @@", ids.ahv), ("CPF: @@", ids.cpf),
    ("Nr. @@", ids.ahv), ("Doc @@", ids.cpf), ("@@ (fiscal)", ids.codice_fiscale),
]  # fmt: skip


def _national(chance: Random) -> Sample:
    sentence, make = chance.choice(_ID_KINDS)
    return placed(chance, sentence.replace("@@", make(chance)), ("national-id",), "national id")


TRUE: list[tuple[Make, int]] = [
    (_script_digits, 10),
    (_wrapped, 10),
    (_json_file, 8),
    (_said("bare card", ("payment-card",), ["@@", "It was @@, I think."], v.card), 8),
    (_cells, 8),
    (_password_link, 6),
    (_header, 5),
    (_iban_rows, 5),
    (_national, 40),
    (_said("secret", ("labelled-secret",),
           ["client secret: @@", "Your API key is @@", 'api_key = "@@"', "API-Schlüssel: @@"],
           lambda c: v.chars(c, 40)), 10),
    (_said("SAS", ("signed-url",), ["Download: @@", "The export: @@ (7 days)"], v.sas_url), 8),
    (_said("sunshine", ("password",), ["Password: @@", "Kennwort: @@"],
           lambda c: c.choice(["sunshine", "liverpool", "Rosebud", "correct-horse-battery1"])), 6),
    (_said("AWS", ("labelled-secret",), ["aws_secret_access_key = @@"],
           lambda c: v.key_bytes(c, 30)), 6),
]  # fmt: skip


_WORDS = [
    "Zoom meeting. Meeting ID: 812 3456 7890. Password: 3fG5x9",
    "Password manager: we recommend one. Passwords: never share them.",
    "Set your password: https://account.example.com/set?ticket=A81jz0Qq",
    "Your password is too weak. It must contain 8+ characters and 1 digit.",
    "The password is case-sensitive. The password is the one of your Windows account.",
    "Passwort: siehe Brief. Kennwort: unverändert.",
    "Password hint: the name of your first pet (3 letters).",
    "Password (8–64 characters): use letters and digits.",
    "Password reset code: 482913",
    "Contraseña: mínimo 8 caracteres. Si olvidó su contraseña, pulse aquí.",
    "Mot de passe oublié ? Cliquez ici : https://example.com/mdp?u=918273",
    "Password: {{ password }}",
    "Password: ${ADMIN_PASSWORD}",
    "Password: <your password>",
    "The documentation says: mongodb://user:pass@host/db, or redis://:password@host.",
    "Server=tcp:x.database.windows.net;Database=d;User ID=app;Password=<password>;",
    "Authorization: Bearer eyJ… (shortened)",
    "Use glpat-xxxxxxxxxxxxxxxxxxxx as a placeholder.",
    "The public key begins with ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI, see the wiki.",
    "Last password change: 2026-11-02. Password age: 25 days.",
    "Two passwords were tried: 17 times. Password policy: 12 characters.",
    "Ihr Passwort wurde zurückgesetzt. Neues Passwort: bitte im Portal setzen.",
    "Card ending 4242, authorised 12:30:41, terminal 00123456.",
    "Your gift card 6011 0000 0000 0000 expired.",
    "Wi-Fi password is on the back of your card.",
    "Se você esqueceu a senha, clique no link. Senha: mínimo de 8 dígitos",
    "Hasło zostało zmienione. Hasło: co najmniej 8 znaków",
    "Your API key expires in 7 days. API key: see the portal.",
    "Client secret expires 2026-12-24 (key id 5f3f0c1a-70a4-4f5e-8a52-0a9fb6f0a7d1).",
    "Access token lifetime: 3600 seconds.",
    "Set client_secret to the value in Key Vault: @Microsoft.KeyVault(SecretUri=…)",
]


def _prose(chance: Random) -> Sample:
    return placed(chance, "\n\n".join(chance.sample(_WORDS, 3)), (), "prose")


def _certificate(chance: Random) -> Sample:
    lines = "\n".join(v.key_bytes(chance, 48) for _ in range(12))
    kind = chance.choice(["CERTIFICATE", "PUBLIC KEY", "PGP SIGNATURE", "CERTIFICATE REQUEST"])
    text = f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"
    return placed(chance, text, (), "certificate")


def _numbers(chance: Random) -> Sample:
    line = chance.choice(
        [f"USPS 9400 1{v.digits(chance, 3)} {' '.join(v.digits(chance, 4) for _ in range(3))} 00",
         f"Meter {v.digits(chance, 14)} reads {v.digits(chance, 5)}.{v.digits(chance, 3)}",
         f"https://shop.example.com/orders/{v.luhn_number(chance, '4', 16)}?x=1",
         f"VIN WVWZZZ1JZ{v.digits(chance, 8)}",
         f"0.{v.luhn_number(chance, '4', 16)} ± 0.01",
         f"pi is 3.14159265358979323846, e is 2.71828182845904523536, {v.digits(chance, 9)}",
         f"msg-{v.luhn_number(chance, '51', 16)}@mail.example.com",
         f"Lot {v.digits(chance, 4)} {v.digits(chance, 4)} {v.digits(chance, 4)}",
         f"Transaction id {v.luhn_number(chance, '4', 16)} of 27 November",
         f"ICCID 89{v.luhn_number(chance, '49', 17)}", f"HU: 0034{v.digits(chance, 14)}",
         f"GPS: {v.digits(chance, 2)}°{v.digits(chance, 2)}'{v.digits(chance, 5)}\"N",
         f"Year: 2019 2020 2021 2022 2023 {v.digits(chance, 4)}",
         f"Epoch {v.digits(chance, 10)}, nanoseconds 17{v.digits(chance, 17)}"]
    )  # fmt: skip
    return placed(chance, line, (), "numbers")


def _national_like(chance: Random) -> Sample:
    line = chance.choice(
        [f"Part {v.digits(chance, 3)}-{v.digits(chance, 4)}-{v.digits(chance, 2)}",
         f"Order {v.digits(chance, 11)}", f"Call {v.digits(chance, 9)}",
         f"Ref {v.digits(chance, 8)}", f"Invoice {v.digits(chance, 3)}.{v.digits(chance, 3)},00",
         f"Article {v.chars(chance, 2, string.ascii_uppercase)}{v.digits(chance, 6)}X",
         f"Total 12.345.678,90 EUR, item {v.digits(chance, 13)}"]
    )  # fmt: skip
    return placed(chance, line, (), "id-like")


def _columns(chance: Random) -> Sample:
    rows = "".join(
        f"<tr><td>{n}</td><td>{v.luhn_number(chance, '4', 16)}</td><td>{n}</td></tr>"
        for n in range(3)
    )
    html = f"<table><tr><th>#</th><th>Order number</th><th>Lot</th></tr>{rows}</table>"
    return Sample(about="orders in a table", html=html)


def _style(chance: Random) -> Sample:
    html = (
        f"<style>.c{v.digits(chance, 8)} {{ color: #{v.digits(chance, 6)} }}</style>"
        f'<p class="x{v.digits(chance, 12)}" data-id="{v.digits(chance, 17)}">Hello</p>'
        f'<img src="cid:{v.digits(chance, 18)}" width="600" height="80">'
    )
    return Sample(about="styles and ids", html=html)


def _random_file(chance: Random) -> Sample:
    kind = chance.choice(["application/pdf", "application/zip", "application/octet-stream"])
    return Sample(
        about="binary file",
        text="See the file.",
        files=(("x.bin", kind, chance.randbytes(30_000)),),
    )


HARMLESS: list[tuple[Make, int]] = [
    (_prose, 150), (_certificate, 30), (_numbers, 180), (_national_like, 90), (_columns, 20),
    (_style, 40), (_random_file, 20),
]  # fmt: skip


def true_samples() -> Iterator[Sample]:
    return repeated(TRUE, 7)


def harmless_samples() -> Iterator[Sample]:
    return repeated(HARMLESS, 8)
