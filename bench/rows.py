"""Rows of bench/results: which commit, which processor, and adding one."""
import csv
import os
import platform
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def commit(folder=HERE):
    return subprocess.run(["git", "-C", folder, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def processor():
    return next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())


def append(path, columns, rows):
    """A new file gets the names of the columns first."""
    new = not os.path.exists(path)
    with open(path, "a", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        if new:
            w.writerow(columns)
        w.writerows(rows)
