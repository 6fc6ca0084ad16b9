#!/bin/bash
# The wheel: pip installs it into a fresh environment without an index, it runs there from its own libraries alone, and building it
# again gives the same bytes.
. "$(dirname "$0")/parts/common.sh"
for tool in python3 patchelf; do
    command -v $tool >/dev/null || skip "no $tool"
done
python3 -m venv "$scratch/venv" >"$scratch/log" 2>&1 || skip "python3 cannot make environments: $(tail -n 1 "$scratch/log")"
wheel=$(python3 "$DS_SOURCE/bindings/python/build_wheel.py" "$DS_BUILD" "$scratch/a") || exit 1
again=$(python3 "$DS_SOURCE/bindings/python/build_wheel.py" "$DS_BUILD" "$scratch/b") || exit 1
cmp "$wheel" "$again" || exit 1
"$scratch/venv/bin/pip" install -q --no-index --disable-pip-version-check "$wheel" || exit 1

lib=$(cd / && "$scratch/venv/bin/python" -c 'import deepseek, os; print(os.path.dirname(deepseek.__file__) + "/lib")') || exit 1
case $lib in
"$scratch"/venv/*) ;;
*) echo "the package came from $lib"; exit 1 ;;
esac
for file in "$lib"/*.so*; do # everything but the C library is beside it
    foreign=$(ldd "$file" | awk -v lib="$lib/" '$3 ~ /^\// && index($3, lib) != 1 && $1 !~ /^lib(c|m|dl|rt|pthread|resolv)\.so/ { print $1, $3 }
                                                /not found/')
    [ -z "$foreign" ] || { echo "$file takes from the system: $foreign"; exit 1; }
done
cd "$scratch" && env -u LD_LIBRARY_PATH venv/bin/python -W error "$DS_SOURCE/tests/bindings/parts/python_test.py" || exit 1
"$scratch/venv/bin/python" - <<'END'
import ssl  # Python's own libcrypto and the wheel's live in one process
import deepseek
assert ssl.create_default_context() and deepseek.__version__
from deepseek import AutoModel  # the quick start, with the built-in model
model = AutoModel.from_pretrained("deepseek/nano", device="auto")
assert "/deepseek/lib/models/" in model._path, model._path
assert model.generate("解释量子纠缠现象:", max_length=60)
END
