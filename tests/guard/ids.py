"""National ids that pass their check digits, by chance and a seed."""

import string
from random import Random

from tests.guard.values import digits, luhn_digit

_FISCAL_ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25,
               24, 23]  # fmt: skip


def ssn(chance: Random) -> str:
    return (
        f"{chance.randrange(1, 600):03d}-{chance.randrange(10, 99)}-{chance.randrange(1000, 9999)}"
    )


def nino(chance: Random) -> str:
    pair = chance.choice(["AB", "CE", "JG", "PW", "SX", "YZ"])
    numbers = " ".join(digits(chance, 2) for _ in range(3))
    return f"{pair} {numbers} {chance.choice('ABCD')}"


def steuer_id(chance: Random) -> str:
    while True:
        body = chance.choice("123456789") + digits(chance, 9)
        if len(set(body)) in (8, 9):
            break
    product = 10
    for digit in body:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return body + str((11 - product) % 10)


def nir(chance: Random) -> str:
    body = (
        f"{chance.choice('12')}{digits(chance, 2)}{chance.randrange(1, 13):02d}{digits(chance, 8)}"
    )
    return f"{body}{97 - int(body) % 97:02d}"


def nir_spaced(chance: Random) -> str:
    number = nir(chance)
    return " ".join(
        [number[0], number[1:3], number[3:5], number[5:7], number[7:10], number[10:13], number[13:]]
    )


def dni(chance: Random) -> str:
    number = digits(chance, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def bsn(chance: Random) -> str:
    while True:
        body = chance.choice("123456789") + digits(chance, 7)
        check = sum(int(d) * w for d, w in zip(body, range(9, 1, -1), strict=True)) % 11
        if check < 10:
            return body + str(check)


def codice_fiscale(chance: Random) -> str:
    letters = "".join(chance.choices(string.ascii_uppercase, k=6))
    body = f"{letters}{digits(chance, 2)}{chance.choice('ABCDEHLMPRST')}{chance.randrange(10, 29)}"
    body += f"{chance.choice(string.ascii_uppercase)}{digits(chance, 3)}"
    total = 0
    for place, char in enumerate(body):
        number = int(char) if char.isdigit() else ord(char) - 65
        total += _FISCAL_ODD[number] if place % 2 == 0 else number
    return body + string.ascii_uppercase[total % 26]


def pesel(chance: Random) -> str:
    body = f"{digits(chance, 2)}{chance.randrange(1, 13):02d}{chance.randrange(1, 28):02d}"
    body += digits(chance, 4)
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    return body + str(-sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 10)


def personnummer(chance: Random) -> str:
    birth = f"{digits(chance, 2)}{chance.randrange(1, 13):02d}{chance.randrange(1, 28):02d}"
    serial = digits(chance, 3)
    return f"{birth}-{serial}{luhn_digit(birth + serial)}"


def ahv(chance: Random) -> str:
    body = "756" + digits(chance, 9)
    check = -sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(body)) % 10
    return f"{body[:3]}.{body[3:7]}.{body[7:11]}.{body[11:]}{check}"


def cpf(chance: Random) -> str:
    body = digits(chance, 9)
    for size in (9, 10):
        total = sum(int(d) * w for d, w in zip(body, range(size + 1, 1, -1), strict=True))
        body += str(total * 10 % 11 % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"
