#!/bin/bash
# The Python package over the library that was just built.
. "$(dirname "$0")/parts/common.sh"
command -v python3 >/dev/null || skip "no python3"
export DEEPSEEK_LIBRARY=$DS_BUILD/libdeepseek.so PYTHONPATH=$DS_SOURCE/bindings/python PYTHONDONTWRITEBYTECODE=1
python3 -W error "$DS_SOURCE/tests/bindings/parts/python_test.py"
