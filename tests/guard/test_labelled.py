"""The guard over the labelled set: what it must find, and what it must leave alone."""

from types import ModuleType

import pytest

from tests.guard import holdout, labelled
from tests.guard.report import FALSE_ALARMS, RECALL, score
from tests.guard.samples import Sample


def test_the_set_is_large_enough() -> None:
    true = [*holdout.true_samples(), *labelled.true_samples()]
    harmless = [*holdout.harmless_samples(), *labelled.harmless_samples()]
    assert len(true) >= 300
    assert len(harmless) >= 1000
    assert len(set(map(str, true))) > 290
    assert all(sample.rules for sample in true)
    assert not any(sample.rules for sample in harmless)


def test_the_set_is_the_same_each_time() -> None:
    once, again = (
        [s for s in holdout.true_samples() if s.rules != ("private-key",)] for _ in range(2)
    )
    assert once == again  # keys are made by the operating system's chance


@pytest.mark.parametrize("part", [holdout, labelled], ids=["before", "beside"])
def test_each_half_keeps_the_bars(part: ModuleType) -> None:
    result = score(part.true_samples(), part.harmless_samples())
    assert result.recall >= RECALL, [sample.about for sample in result.wrong]
    assert result.false_alarms <= FALSE_ALARMS, [sample.about for sample in result.wrong]
    assert all(result.found[rule] >= 0.95 * meant for rule, meant in result.meant.items())


def test_the_score_can_be_bad() -> None:
    missed = Sample(about="nothing in it", rules=("iban",), text="Hello")
    alarm = Sample(about="a card after all", text="Card 4111 1111 1111 1111")
    result = score([missed], [alarm])
    assert (result.recall, result.false_alarms) == (0, 1)
    assert result.wrong == [missed, alarm]
