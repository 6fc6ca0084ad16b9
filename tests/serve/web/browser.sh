#!/bin/bash
# The web page in a real browser: Chromium, driven by Playwright ($DS_PYTHON or python3), with a stand-in for the server that makes
# every fault, and with the server itself. DS_AXE=path/to/axe.min.js (npm install axe-core) adds its accessibility rules.
python=${DS_PYTHON:-python3}
chromium=${DS_CHROMIUM:-/usr/bin/chromium}
[ -x "$chromium" ] || { echo "skipped: there is no $chromium (apt-get install chromium, or DS_CHROMIUM=...)"; exit 77; }
"$python" -c 'import playwright.sync_api' 2>/dev/null || { echo "skipped: $python has no playwright (pip install playwright, or DS_PYTHON=...)"; exit 77; }
here=$(dirname "$0")
exec "$python" "$here/browser.py" "$chromium" "$here/../../../src/serve/web" "$@"
