#!/bin/sh
# Make .venv with Python 3.13: by uv where there is one, else by a Python 3.13 found here.
# PYTHON=/path/to/python3.13 names one.
set -eu

# A version manager's shim may be there and refuse to run; Debian's python3 may lack venv.
fits() {
    "$@" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' \
        >/dev/null 2>&1 </dev/null
}

if fits .venv/bin/python; then
    exit 0
fi
rm -rf .venv

make_with() {
    if fits "$@"; then
        "$@" -m venv .venv
        exit 0
    fi
}

if [ -n "${PYTHON:-}" ]; then
    make_with "$PYTHON"
    echo "PYTHON=$PYTHON is not a working Python 3.13 with venv: name another, or none." >&2
    exit 1
fi

if command -v uv >/dev/null 2>&1; then
    if uv venv --quiet --seed --python 3.13 .venv; then
        exit 0
    fi
    echo 'uv could not make the environment: looking for a Python 3.13 without it.' >&2
    rm -rf .venv
fi

make_with python3.13
make_with python3
make_with python
make_with py -3.13
managed=${PYENV_ROOT:-$(pyenv root 2>/dev/null || true)}
if [ -n "$managed" ]; then
    for python in "$managed"/versions/3.13*/bin/python; do
        make_with "$python"
    done
fi

cat >&2 <<'TEXT'
Mailroom needs Python 3.13 and found none that runs (python3.13, python3, python, py, pyenv).
Get one in one of these ways, then run make again:
  uv:      https://docs.astral.sh/uv/   (make then has uv fetch Python 3.13)
  Debian:  apt-get install python3.13 python3.13-venv   (from Debian 13 or Ubuntu 25.04 on)
  macOS:   brew install python@3.13
  pyenv:   pyenv install 3.13
  others:  https://www.python.org/downloads/
or name one that is somewhere else: make PYTHON=/path/to/python3.13 <target>
TEXT
exit 1
