"""One recipient, one form."""

import pytest

from shared.suppression import normalise
from shared.suppression.addresses import AddressError


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("Ana@Example.COM", "ana@example.com"),
        (" ana@example.com ", "ana@example.com"),
        ("ana@example.com.", "ana@example.com"),
        ("ana@BÜCHER.example", "ana@xn--bcher-kva.example"),
        ("ana@XN--BCHER-KVA.example", "ana@xn--bcher-kva.example"),
        ("ana+news@example.com", "ana+news@example.com"),
        ("Zoe\u0308@example.com", "zo\u00eb@example.com"),
        ('"a@b"@example.com', '"a@b"@example.com'),
    ],
)
def test_forms(address: str, form: str) -> None:
    assert normalise(address) == form
    assert normalise(form) == form


@pytest.mark.parametrize("address", ["", "ana", "@example.com", "ana@", "ana@.", "ana@\u2028.x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(AddressError):
        normalise(address)
