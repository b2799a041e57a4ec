#!/bin/sh
# Print the interpreter for .venv: the first that is new enough and can create virtual environments.
# PYTHON=... in the environment names the only one to try.
set -u

complaints=""
for name in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
    command -v "$name" >/dev/null 2>&1 || continue
    # A pyenv shim of a version that is not enabled fails.
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if ! "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        complaints="$complaints
  $name is Python $version"
    elif ! "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        complaints="$complaints
  $name is Python $version, but lacks the venv module (Debian and Ubuntu: apt install python$version-venv)"
    else
        "$name" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

echo "error: Python 3.11 or newer is needed, and none was found." >&2
[ -z "$complaints" ] || echo "Found:$complaints" >&2
echo "Install one (for instance: apt install python3.11 python3.11-venv, or brew install python@3.11)," >&2
echo "or name it: make PYTHON=/path/to/python3.11 ..." >&2
exit 1
