"""The process that renders: reads requests from its standard input, answers on its output.

It is started with an empty environment and limits of its own, and does nothing else: it opens no
connection, and a template that breaks it breaks nothing but it.
"""

import dataclasses
import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

from shared.errors import TemplateError, TemplateLimitError
from shared.templates import frames
from shared.templates.bundle import Bundle
from shared.templates.differences import compare
from shared.templates.renderings import Renderings, describe
from shared.templates.validation import check_bundle

_KEPT = 64  # bundles
_DEPTH = 600  # Python frames; a macro's call takes three


def main() -> None:
    """Serves until the input ends. argv: the bytes of memory that it may have."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    # Whatever prints must not print between the answers.
    sys.stdout = sys.stderr
    _limit(int(sys.argv[1]))
    worker = Worker()
    answer: dict[str, Any] = {"result": "ready"}
    while True:
        answers.write(frames.frame(answer))
        answers.flush()
        header = requests.read(frames.HEADER)
        if answer.get("broken") or len(header) < frames.HEADER:
            return
        answer = worker.answer(requests.read(frames.length(header)))


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.setrecursionlimit(_DEPTH)


class Worker:
    """Answers requests, one at a time; keeps the bundles and renderings used last."""

    def __init__(self) -> None:
        self._bundles: dict[str, Bundle] = {}
        self._renderings = Renderings()

    def answer(self, body: bytes) -> dict[str, Any]:
        """`{"result": …}`, `{"error": …}` or `{"need": "bundle"}`; with `broken` it is to end."""
        try:
            request = frames.value(body)
            self._allow(time.process_time() + request["seconds"])
            return self._answer(request)
        except MemoryError:
            # What is left of the memory is in pieces: a new process is better.
            fix = "Shorten the template or its data, or raise MAILROOM_TEMPLATE_MEMORY."
            error = TemplateLimitError("It needs more memory than a rendering may have.", fix=fix)
            return {"error": describe(error), "broken": True}
        except RecursionError:
            fix = "Nest it less, or end the recursion."
            return {"error": describe(TemplateLimitError("It is nested too deep.", fix=fix))}
        except TemplateError as fault:
            return {"error": describe(fault)}

    def _allow(self, until: float) -> None:
        """The kernel ends the process when its CPU seconds are over, whoever else watches."""
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(until) + 2, hard))

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        digest = request["bundle"]
        if "files" in request:
            while len(self._bundles) >= _KEPT:
                self._bundles.pop(next(iter(self._bundles)))
            self._bundles[digest] = Bundle(request["files"])
        bundle = self._bundles.pop(digest, None)
        if bundle is None:
            return {"need": "bundle"}
        self._bundles[digest] = bundle  # the newest again
        if request["do"] == "check":
            faults = check_bundle(bundle, request["brand"], limit=request["limit"])
            return {"result": [describe(fault) for fault in faults]}
        if request["do"] == "compare":
            differences = compare(
                request["other"], bundle.files, old_name=request["old"], new_name=request["new"]
            )
            return {"result": [dataclasses.asdict(difference) for difference in differences]}
        return {"result": self._renderings.render(bundle, request)}


if __name__ == "__main__":
    main()
