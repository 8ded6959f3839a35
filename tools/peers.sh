#!/usr/bin/env bash
# Gets what edge-guard's messages are checked with, beside the virtual environment: tools/peers.sh VENV
#
# Libraries that need other versions than edge-guard's own, in an environment of theirs, and the
# official schema of AsyncAPI documents. The tests that need what cannot be had skip and say so.
set -euo pipefail
venv=${1:?usage: tools/peers.sh VENV}
peers=$venv/peers
sparkplug=pysparkplug==0.6.1
asyncapi=@asyncapi/specs@6.8.1

wanted="$sparkplug $asyncapi $("$venv/bin/python" --version)"
[[ $(cat "$peers/versions" 2>/dev/null) != "$wanted" ]] || exit 0
echo "setup: getting what messages are checked with"
"$venv/bin/python" -m venv --clear "$peers"
missing=0
"$peers/bin/python" -m pip install --quiet --disable-pip-version-check "$sparkplug" || {
    echo "setup: SPARKPLUG WILL NOT BE CHECKED by $sparkplug: it could not be installed" >&2
    missing=1
}
if command -v npm >/dev/null; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "$asyncapi" >/dev/null && tar xzf ./*.tgz) &&
        cp "$work/package/schemas/3.0.0.json" "$peers/asyncapi-3.0.0.json" || {
        echo "setup: $asyncapi could not be had: the AsyncAPI document is checked less" >&2
        missing=1
    }
else
    echo "setup: npm is not installed: the AsyncAPI document is checked less" >&2
fi
[[ $missing == 1 ]] || printf '%s\n' "$wanted" >"$peers/versions"
