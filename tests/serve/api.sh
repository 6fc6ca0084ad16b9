#!/bin/bash
# The OpenAI API of deepseek serve: with plain sockets, and with the official Python client where it is installed.
command -v python3 >/dev/null || { echo "skipped: python3 is missing"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
exec python3 -W error "$(dirname "$0")/parts/api.py" "$@"
