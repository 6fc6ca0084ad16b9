"""A small terminal: a child behind a pseudo-terminal, and the screen that its output makes. Widths come from Python's own tables."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

PATIENCE = 120  # seconds until a wait counts as failed; nothing is slower on purpose


def width(c):
    if c in "\u200d\ufe0f" or unicodedata.combining(c) or "\U0001f3fb" <= c <= "\U0001f3ff":
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


class Screen:
    """Rows of cells; a cell is a character with what joins it, its right half is "". Long rows are broken up when it gets narrower."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells, self.row, self.column, self.pending = [[]], 0, 0, False
        self.modes = set()

    def text(self):
        return "\n".join("".join(r).rstrip() for r in self.cells).rstrip("\n")

    def feed(self, s):
        for part in re.findall(r"\x1b\[[?]?[0-9;]*[A-Za-z]|\x1b.|[\s\S]", s):
            if part.startswith("\x1b["):
                self.control(part[-1], part[2:-1])
            elif part == "\r":
                self.column, self.pending = 0, False
            elif part == "\n":
                self.down()
            elif part >= " ":
                self.put(part)
            else:
                assert part in "\x07\x08", repr(part)

    def control(self, kind, number):
        n = int(number) if number.isdigit() else 1
        self.pending = False
        if kind == "A":
            self.row = max(self.row - n, len(self.cells) - self.rows, 0)
        elif kind == "C":
            self.column = min(self.column + n, self.columns - 1)
        elif kind == "J" and number in ("", "0"):
            del self.cells[self.row + 1:]
            del self.cells[self.row][self.column:]
        elif kind in "HJ":
            self.cells, self.row, self.column = [[]], 0, 0
        elif kind in "hl":
            (self.modes.add if kind == "h" else self.modes.discard)(number)
        else:
            assert kind == "m", (kind, number)

    def down(self):
        self.row += 1
        self.pending = False
        while len(self.cells) <= self.row:
            self.cells.append([])

    def put(self, c):
        row = self.cells[self.row]
        joined = self.column and row[:self.column] and row[self.column - (2 if row[self.column - 1] == "" else 1)].endswith("\u200d")
        if width(c) == 0 or joined:
            at = (self.column if self.pending else self.column) - 1
            if at >= 0 and row[at] == "":
                at -= 1
            row[at] += c
            return
        if self.pending or self.column + width(c) > self.columns:
            self.down()
            self.column = 0
            row = self.cells[self.row]
        row += [" "] * (self.column - len(row))
        row[self.column:self.column + width(c)] = [c] + [""] * (width(c) - 1)
        self.column += width(c)
        self.pending = self.column == self.columns
        if self.pending:
            self.column = self.columns  # the cursor waits at the margin

    def resize(self, columns, rows):
        out, where = [], (0, 0)
        for i, r in enumerate(self.cells):
            pieces = [r[k:k + columns] for k in range(0, max(len(r), 1), columns)]
            if i == self.row:
                where = (len(out) + min(self.column // columns, len(pieces)), self.column % columns)
            out += pieces
        self.cells, (self.row, self.column) = out, where
        while len(self.cells) <= self.row:
            self.cells.append([])
        self.columns, self.rows, self.pending = columns, rows, False


class Terminal:
    def __init__(self, arguments, environment, columns=80, rows=24):
        self.screen = Screen(columns, rows)
        self.log = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(arguments[0], arguments, environment)

    def read(self, seconds):
        """What comes within that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        s = self.decoder.decode(data)
        self.log += s
        self.screen.feed(s)
        return bool(data)

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            if not self.read(0.2) and not condition():
                raise SystemExit(f"the program ended before: {what}\n{self.log[-2000:]}")
            if time.monotonic() > end:
                raise SystemExit(f"waited in vain for {what!r}; the screen:\n{self.screen.text()}\n{self.log[-500:]!r}")

    def send(self, s):
        os.write(self.fd, s.encode() if isinstance(s, str) else s)

    def resize(self, columns, rows=24):
        self.screen.resize(columns, rows)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self):
        """Its exit status."""
        while self.read(PATIENCE):
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
