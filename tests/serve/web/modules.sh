#!/bin/bash
# The web page's modules that need no browser, in node.
command -v node >/dev/null || { echo "skipped: node is missing"; exit 77; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || { echo "skipped: node $(node --version) is older than 18"; exit 77; }
exec node "$(dirname "$0")/modules.mjs" "$(dirname "$0")/../../../src/serve/web"
