#!/bin/bash
# deepseek serve driven by the official openai package for Python.
PYTHON=${PYTHON:-python3}
command -v $PYTHON >/dev/null || { echo "skipped: $PYTHON is missing"; exit 77; }
$PYTHON -c 'import openai' 2>/dev/null || { echo "skipped: $PYTHON has no package openai (pip install openai; PYTHON=... chooses another Python)"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
exec $PYTHON "$(dirname "$0")/parts/openai_client.py" "$@"
