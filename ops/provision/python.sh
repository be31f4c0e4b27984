#!/usr/bin/env bash
# Make .venv from a hash-locked list: python.sh run | develop
set -euo pipefail
cd "$(dirname "$0")/../.."
kind=$1
case $kind in run) lock=requirements.lock ;; develop) lock=requirements-develop.lock ;; *) echo "usage: $0 run|develop" >&2; exit 2 ;; esac

if [ -L .venv ]; then
  echo "Setting up failed: .venv is a link to another checkout's. Remove the link, then run this again." >&2; exit 1
fi
python=""
for candidate in python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate; break
  fi
done
if [ -z "$python" ]; then
  echo "Setting up failed: no Python 3.11 or newer on PATH. Install one, then run this again." >&2; exit 1
fi

if [ ! -x .venv/bin/python ]; then
  echo "Making .venv with $("$python" --version)"
  if ! "$python" -m venv .venv 2>/dev/null; then
    rm -rf .venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
      "$python" -m venv .venv
    else
      echo "Setting up failed: this Python has no venv module. Install python3-venv, then run this again." >&2; exit 1
    fi
  fi
fi
echo "Installing $(grep -c '==' "$lock") Python packages from $lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: -r "$lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --no-index \
  --config-settings editable_mode=compat -e . 
touch ".venv/$kind.stamp"
[ "$kind" = run ] || touch .venv/run.stamp
