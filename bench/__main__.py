"""`python -m bench [NAME …]`: runs the benchmarks, all of them unless some are named."""

import argparse
import asyncio

from rich.console import Console

from bench import cold_start, content, delivery, digests, main_job, quota, returned, suppression

BENCHMARKS = {
    "cold-start": cold_start.run,
    "main-job": main_job.run,
    "delivery": delivery.run,
    "quota": quota.run,
    "content": content.run,
    "digests": digests.run,
    "returned": returned.run,
    "suppression": suppression.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    for name in names:
        console.rule(name)
        asyncio.run(BENCHMARKS[name](console))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
