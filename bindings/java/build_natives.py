#!/usr/bin/env python3
"""Builds the JAR of native libraries: build_natives.py BUILD OUT

BUILD holds libdeepseek_jni.so, OUT gets deepseek-VERSION-OS-ARCH.jar and the same files in OUT/natives, from which Maven makes its JAR.
Needs the standard library, patchelf, ldd and objdump.

libdeepseek_jni.so has libdeepseek inside. Beside it are the libraries that a plain Linux does not promise, under names of their own
as in the wheel (../python/build_wheel.py), the built-in model, and FILES, a line "SHA-256 SIZE NAME" for each. The bytes depend only on the
inputs."""
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../python"))
import build_wheel  # noqa: E402


def read(path):
    with open(path, "rb") as f:
        return f.read()


def collect(build):
    """Name -> bytes of the files, FILES included."""
    with tempfile.TemporaryDirectory() as lib:
        build_wheel.gather(build, lib, "libdeepseek_jni.so", "libdeepseek_jni.so")
        paths = [os.path.join(d, n) for d, _, names in os.walk(lib) for n in names]
        files = {os.path.relpath(p, lib): read(p) for p in paths}
    files["FILES"] = "".join(f"{hashlib.sha256(files[n]).hexdigest()} {len(files[n])} {n}\n" for n in sorted(files)).encode()
    return files


def main():
    build, out = sys.argv[1:3]
    with open(os.path.join(HERE, "../../CMakeLists.txt")) as f:
        version = re.search(r"project\(deepseek VERSION (\S+)", f.read()).group(1)
    system = f"linux-{platform.machine()}"
    inside = f"deepseek/natives/{system}/"
    files = {inside + n: data for n, data in collect(build).items()}
    shutil.rmtree(os.path.join(out, "natives"), ignore_errors=True)
    for name, data in files.items():
        path = os.path.join(out, "natives", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
    jar = os.path.join(out, f"deepseek-{version}-{system}.jar")
    with zipfile.ZipFile(jar + ".part", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as z:
        build_wheel.add(z, "META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nAutomatic-Module-Name: deepseek.natives\r\n\r\n")
        for name in sorted(files):
            build_wheel.add(z, name, files[name])
    os.replace(jar + ".part", jar)
    print(jar)


if __name__ == "__main__":
    main()
