#!/bin/sh
# Runs one TypeScript program of this tree on the Node.js that the lock file pins, installing the
# packages first when they are missing or older than the lock file. Needs only Node.js >= 20 and npm.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
if [ ! -x node_modules/.bin/node ] || [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "installing packages (npm ci) ..." >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
PATH="$top/node_modules/.bin:$PATH"
export PATH NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$top/node_modules/.cache/compile}"
exec node_modules/.bin/node --disable-warning=ExperimentalWarning "$@"
