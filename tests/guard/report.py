"""`make guard-report`: how much of the labelled set the guard finds, and what it finds too much."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.guard.inspection import inspect
from tests.guard import holdout, labelled
from tests.guard.inspecting import EVERYTHING
from tests.guard.samples import Sample

RECALL = 0.99
FALSE_ALARMS = 0.005


@dataclass
class Score:
    """Counts by the rule that should find something; `false` by the rule that should not."""

    meant: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    harmless: int = 0
    alarms: int = 0
    wrong: list[Sample] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found.total() / self.meant.total()

    @property
    def false_alarms(self) -> float:
        return self.alarms / self.harmless


def score(true: Iterable[Sample], harmless: Iterable[Sample]) -> Score:
    """The guard's score over samples, with every rule and every country switched on."""
    result = Score()
    for sample in true:
        rules = {f.rule for f in inspect(sample.message(), policy=EVERYTHING).findings}
        result.meant[sample.rules[0]] += 1
        if rules & set(sample.rules):
            result.found[sample.rules[0]] += 1
        else:
            result.wrong.append(sample)
    for sample in harmless:
        rules = {f.rule for f in inspect(sample.message(), policy=EVERYTHING).findings}
        result.harmless += 1
        if rules:
            result.alarms += 1
            result.false.update(rules)
            result.wrong.append(sample)
    return result


def main() -> int:
    within = True
    for name, part in (("written before the detectors", holdout), ("written beside", labelled)):
        result = score(part.true_samples(), part.harmless_samples())
        print(f"{name}: {result.meant.total()} sensitive, {result.harmless} harmless messages")
        print(f"  {'rule':22} {'found':>11} {'recall':>8} {'false alarms':>13}")
        for rule in sorted(result.meant | result.false):
            meant, found = result.meant[rule], result.found[rule]
            recall = f"{found / meant:8.1%}" if meant else f"{'–':>8}"
            alarms = result.false[rule]
            share = f"{alarms} ({alarms / result.harmless:.2%})"
            print(f"  {rule:22} {f'{found} of {meant}':>11} {recall} {share:>13}")
        print(f"  all: recall {result.recall:.2%}, false alarms {result.false_alarms:.2%}\n")
        within &= result.recall >= RECALL and result.false_alarms <= FALSE_ALARMS
        for sample in result.wrong[:20]:
            print(f"  wrong: {sample.about}")
    print(f"bars: recall ≥ {RECALL:.0%}, false alarms ≤ {FALSE_ALARMS:.1%}:", end=" ")
    print("kept" if within else "NOT KEPT")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
