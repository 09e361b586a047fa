"""A skipped test is never silent: it closes the output, and where MAILROOM_CI is set it fails."""

import os
from collections.abc import Generator

import pytest

EVERY_TEST_MUST_RUN = bool(os.environ.get("MAILROOM_CI"))
SKIPPED = pytest.StashKey[dict[str, list[str]]]()
"""The skipped tests of each reason."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _judge(report, item.config)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _judge(report, collector.config)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else str(where)
    reason = reason.removeprefix("Skipped: ")
    if EVERY_TEST_MUST_RUN:
        report.outcome = "failed"
        report.longrepr = f"Skipped where every test must run (MAILROOM_CI is set): {reason}"
    else:
        config.stash[SKIPPED].setdefault(reason, []).append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """After everything that pytest prints."""
    for reason, tests in config.stash.get(SKIPPED, {}).items():
        print(f"\nNOT TESTED: {reason}")
        for test in tests:
            print(f"  {test}")
