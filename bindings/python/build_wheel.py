#!/usr/bin/env python3
"""Builds the wheel of the Python package: build_wheel.py BUILD OUT

BUILD holds libdeepseek.so, OUT gets deepseek-VERSION-py3-none-manylinux_X_Y_ARCH.whl. Needs the standard library, patchelf, ldd and objdump.

The wheel carries libdeepseek.so and every shared library it needs that a manylinux system does not promise. Each copy gets a name with a
part of its hash in it, so that it never meets another version of the same library in one process, and looks for the others beside
itself ($ORIGIN). The tag names the newest C library that any of them asks for. The bytes depend only on the inputs."""
import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM = re.compile(r"(lib(c|m|dl|rt|pthread|resolv|util|nsl|gcc_s|stdc\+\+)\.so|ld-linux|linux-vdso)")


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def needed(path):
    return re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", path))


def closure(path):
    """soname -> file of all the libraries to carry."""
    found = dict(re.findall(r"(\S+) => (/\S+)", run("ldd", path)))
    out, todo = {}, needed(path)
    while todo:
        name = todo.pop()
        if name in out or SYSTEM.match(name):
            continue
        if name not in found:
            sys.exit(f"build_wheel.py: {name} is needed and not on this system")
        out[name] = os.path.realpath(found[name])
        todo += needed(out[name])
    return out


def glibc(paths):
    versions = [tuple(map(int, v.split("."))) for p in paths for v in re.findall(r"GLIBC_(2\.\d+)", run("objdump", "-T", p))]
    return max(versions)


def gather(build, lib, library="libdeepseek.so", name="libdeepseek.so.0"):
    """Fills the folder lib with a library of the build, which gets that name, what it needs, and the built-in model."""
    main = os.path.realpath(os.path.join(build, library))
    files = closure(main)
    names = {}
    for soname, path in files.items():
        with open(path, "rb") as f:
            tag = hashlib.sha256(f.read()).hexdigest()[:8]
        stem, rest = soname.split(".so", 1)
        names[soname] = f"{stem}-{tag}.so{rest}"
        shutil.copyfile(path, os.path.join(lib, names[soname]))
    shutil.copyfile(main, os.path.join(lib, name))
    for file in sorted(os.listdir(lib)):
        path = os.path.join(lib, file)
        swaps = [a for old in needed(path) if old in names for a in ("--replace-needed", old, names[old])]
        soname = [] if file == name else ["--set-soname", file]
        run("strip", "--strip-unneeded", path)
        for change in (soname, swaps, ["--set-rpath", "$ORIGIN"]):  # one at a time: together they undo each other
            if change:
                run("patchelf", *change, path)
    for folder in (os.path.join(build, "models"), os.path.join(HERE, "../../models")):
        path = os.path.join(folder, "nano.gguf")  # the built-in model
        if os.path.isfile(path) and not os.path.exists(os.path.join(lib, "models")):
            os.makedirs(os.path.join(lib, "models"))
            shutil.copyfile(path, os.path.join(lib, "models", "nano.gguf"))


def write(wheel, files):
    """A zip of name -> bytes, with its RECORD."""
    info = next(n for n in files if n.endswith("/WHEEL"))[: -len("WHEEL")]
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name in sorted(files):
            digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(files[name])}")
            add(z, name, files[name])
        add(z, info + "RECORD", "\n".join([*record, info + "RECORD,,", ""]).encode())


def add(z, name, data):
    entry = zipfile.ZipInfo(name)  # dated 1980
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
    z.writestr(entry, data)


def main():
    build, out = sys.argv[1:3]
    with open(os.path.join(HERE, "../../CMakeLists.txt")) as f:
        version = re.search(r"project\(deepseek VERSION (\S+)", f.read()).group(1)
    files = {}
    with tempfile.TemporaryDirectory() as lib:
        gather(build, lib)
        paths = [os.path.join(d, n) for d, _, names in os.walk(lib) for n in names]
        tag = "manylinux_%d_%d_%s" % (*glibc([p for p in paths if ".so" in p]), platform.machine())
        for p in paths:
            with open(p, "rb") as f:
                files["deepseek/lib/" + os.path.relpath(p, lib)] = f.read()
    for name in os.listdir(os.path.join(HERE, "deepseek")):
        if name.endswith(".py") or name == "py.typed":
            with open(os.path.join(HERE, "deepseek", name), "rb") as f:
                files["deepseek/" + name] = f.read()
    info = f"deepseek-{version}.dist-info/"
    with open(os.path.join(HERE, "../../LICENSE"), "rb") as f:
        files[info + "LICENSE"] = f.read()
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
        text = f.read()
    files[info + "METADATA"] = (f"Metadata-Version: 2.1\nName: deepseek\nVersion: {version}\nSummary: Large language models: generation, chat, "
                                "scoring and embeddings through libdeepseek\nLicense: MIT\nRequires-Python: >=3.8\nProvides-Extra: numpy\n"
                                "Requires-Dist: numpy; extra == 'numpy'\n"
                                f"Description-Content-Type: text/markdown\n\n{text}").encode()
    files[info + "WHEEL"] = f"Wheel-Version: 1.0\nGenerator: build_wheel.py\nRoot-Is-Purelib: false\nTag: py3-none-{tag}\n".encode()
    os.makedirs(out, exist_ok=True)
    wheel = os.path.join(out, f"deepseek-{version}-py3-none-{tag}.whl")
    write(wheel + ".part", files)
    os.replace(wheel + ".part", wheel)
    print(wheel)


if __name__ == "__main__":
    main()
