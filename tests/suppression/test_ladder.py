"""The ladder of leases, driven at random: what holds whatever happens in whatever order."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.suppression.ladder import Ladder, SoftBounces, count, let_through, lift

HOURS = (24, 48, 96, 168, 336)
LADDER = Ladder(leases=tuple(timedelta(hours=h) for h in HOURS), forgiven=timedelta(days=7))
START = datetime(2026, 12, 1, tzinfo=UTC)


class Climbing(RuleBasedStateMachine):
    """One address. The machine's own account: the rung, since when its lease is over unused."""

    def __init__(self) -> None:
        super().__init__()
        self.state = SoftBounces()
        self.now = START
        self.events = 0
        self.bounced: list[str] = []

    @initialize()
    def nothing_is_known(self) -> None:
        assert self.state.until is None

    @rule(hours=st.integers(0, 24 * 30))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def a_message_bounces(self) -> None:
        before, self.events = self.state, self.events + 1
        self.bounced.append(f"e{self.events}")
        self.state = count(before, self.bounced[-1], self.now, LADDER)
        if before.until is not None and self.now < before.until:
            assert (self.state.level, self.state.until) == (before.level, before.until)
            return
        passed = before.passed_at
        forgiven = passed is not None and self.now - passed >= LADDER.forgiven
        assert self.state.level == (1 if forgiven else before.level + 1)
        assert self.state.until is not None
        hours = HOURS[min(self.state.level, len(HOURS)) - 1]
        assert self.state.until - self.now == timedelta(hours=hours)
        assert self.state.passed_at is None

    @rule(which=st.integers(1, 20))
    def a_bounce_comes_again(self, which: int) -> None:
        for known in self.bounced[-which:][:1]:
            assert count(self.state, known, self.now, LADDER) == self.state
            assert lift(self.state, known, self.now) == self.state

    @rule()
    def a_message_is_sent(self) -> None:
        before, self.state = self.state, let_through(self.state, self.now)
        over = before.until is not None and self.now >= before.until
        if before.passed_at is None and over:
            assert self.state.passed_at == self.now
        else:
            assert self.state == before

    @rule(ago=st.integers(0, 100))
    def a_message_arrives(self, ago: int) -> None:
        at, before = self.now - timedelta(hours=ago), self.state
        self.events += 1
        self.state = lift(before, f"e{self.events}", at)
        if before.last is not None and at > before.last:
            assert (self.state.level, self.state.until, self.state.last) == (0, None, None)
        else:
            assert self.state == before

    @invariant()
    def a_lease_and_its_rung_go_together(self) -> None:
        assert (self.state.until is None) == (self.state.level == 0)
        assert len(self.state.events) <= 50
        if self.state.passed_at is not None and self.state.until is not None:
            assert self.state.passed_at >= self.state.until


TestClimbing = Climbing.TestCase


def test_without_leases_nothing_is_counted() -> None:
    none = Ladder(leases=(), forgiven=timedelta(days=7))
    assert count(SoftBounces(), "e", START, none) == SoftBounces()


def test_the_rungs_are_climbed_one_by_one() -> None:
    state, now, seen = SoftBounces(), START, []
    for number in range(7):
        state = count(state, f"e{number}", now, LADDER)
        assert state.until is not None
        seen.append((state.until - now) // timedelta(hours=1))
        now = state.until
    assert seen == [24, 48, 96, 168, 336, 336, 336]
