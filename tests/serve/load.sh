#!/bin/bash
# A few seconds of mixed load with faults; parts/load.py --seconds 3600 is the long form.
command -v python3 >/dev/null || { echo "skipped: python3 is missing"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
exec python3 -W error "$(dirname "$0")/parts/load.py" "$@"
