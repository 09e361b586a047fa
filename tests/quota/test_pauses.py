"""Pauses: the ladder up, the probe, the way back."""

from itertools import pairwise

import pytest

from shared.quota.pauses import LADDER, PROBE_LEASE, Pause, PauseKind, paused, span

NOW = 1_700_000_000.0


def fail(before: Pause | None, now: float, kind: PauseKind = "service") -> Pause:
    return paused(before, now, kind=kind, reason="421 4.3.2", fix="Wait.")


@pytest.mark.parametrize("kind", LADDER)
def test_each_failed_probe_doubles_the_pause_up_to_its_cap(kind: PauseKind) -> None:
    pause, now, spans = fail(None, NOW, kind), NOW, []
    for _ in range(12):
        spans.append(pause.until - now)
        now = pause.until + 1
        pause = fail(pause.probed(now), now, kind)
    base, cap = LADDER[kind]
    assert spans[0] == base
    assert all(b == min(cap, 2 * a) for a, b in pairwise(spans))
    assert spans[-1] == cap


def test_sessions_that_meet_the_same_refusal_are_one_failure() -> None:
    first = fail(None, NOW)
    assert fail(first, NOW + 0.1) is first
    assert fail(first, NOW + 5).strikes == 1


def test_a_worse_trouble_takes_the_place_of_a_lesser_one() -> None:
    worse = fail(fail(None, NOW), NOW + 1, "restricted")
    assert worse.kind == "restricted"
    assert worse.until == NOW + 1 + LADDER["restricted"][0]


def test_a_pause_lets_one_probe_through_and_another_when_that_is_lost() -> None:
    pause = fail(None, NOW)
    assert pause.closed_until(NOW) == pause.until
    assert pause.closed_until(pause.until) is None
    probed = pause.probed(pause.until)
    assert probed.closed_until(pause.until + 1) == pause.until + PROBE_LEASE
    assert probed.closed_until(pause.until + PROBE_LEASE) is None
    assert probed.unprobed().closed_until(pause.until + 1) is None


def test_only_a_success_after_the_pause_ends_it() -> None:
    pause = fail(None, NOW)
    assert pause.worked(NOW + 1) is pause  # a message that was under way
    assert not pause.worked(pause.until + 1).in_force


def test_a_relapse_soon_after_counts_on_and_a_late_one_from_the_start() -> None:
    open_again = fail(None, NOW).worked(NOW + 31)
    assert fail(open_again, NOW + 31 + span("service", 1) - 1).strikes == 2
    assert fail(open_again, NOW + 31 + span("service", 1) + 1).strikes == 1


def test_it_is_stored_whole() -> None:
    pause = fail(None, NOW).probed(NOW + 40)
    assert Pause.of(pause.as_json()) == pause
    assert Pause.of(None) is None
