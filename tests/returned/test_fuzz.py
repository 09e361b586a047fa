"""A short run of what `make fuzz` does for longer."""

from hypothesis import HealthCheck, given, settings

from tests.returned.fuzz import check, mutated


@given(mutated())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutated_mails(content: bytes) -> None:
    check(content)
