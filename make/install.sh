#!/bin/sh
# Install what requirements-dev.txt pins, each file checked against its hash.
set -eu

if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements-dev.txt && exit 0
    echo 'uv could not install: trying with pip.' >&2
fi
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
    -r requirements-dev.txt
