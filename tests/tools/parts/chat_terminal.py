"""deepseek chat in a terminal: chat_terminal.py DEEPSEEK FOLDER"""
import json
import os
import stat
import sys

sys.path.insert(0, os.path.dirname(__file__))
from terminal import Terminal

DEEPSEEK, FOLDER = sys.argv[1:]
HISTORY = os.path.join(FOLDER, "state/deepseek/history")
ENV = dict(os.environ, TERM="xterm", XDG_STATE_HOME=os.path.join(FOLDER, "state"))
ASTRONAUT, E_ACUTE = "\U0001f469\u200d\U0001f680", "e\u0301"
LEFT, RIGHT, UP, DOWN, HOME, END, DELETE = ("\x1b[" + s for s in ["D", "C", "A", "B", "H", "F", "3~"])
ARGUMENTS = [DEEPSEEK, "chat", "-m", "deepseek/nano", "--temp", "0.7", "--seed", "1", "-n", "12"]


def last_line(t):
    return t.screen.text().split("\n")[-1]


def shows(t, text, column=None):
    """Waits until the last line is the prompt with this text, and the cursor stands in that column of it."""
    t.until(lambda: last_line(t) == ("> " + text).rstrip() and (column is None or t.screen.column == 2 + column), f"> {text} with the cursor in {column}")


def clear(t):
    t.send("\x05\x15")
    shows(t, "", 0)


def ready(t, answers):
    t.until(lambda: t.log.count("\x1b[?2004h") == answers + 1 and last_line(t) == ">", f"the prompt after {answers} answers")


def editing(t):
    t.send("你好")
    shows(t, "你好", 4)
    t.send(LEFT)  # over a wide character
    shows(t, "你好", 2)
    t.send("们")
    shows(t, "你们好", 4)
    t.send("\x7f\x7f")
    shows(t, "好", 0)
    clear(t)
    t.send("a" + ASTRONAUT + "b" + LEFT + LEFT)  # over all of the emoji
    shows(t, "a" + ASTRONAUT + "b", 1)
    t.send(DELETE)
    shows(t, "ab", 1)
    clear(t)
    t.send("caf" + E_ACUTE + "s" + LEFT + "\x7f")  # the letter with its accent
    shows(t, "cafs", 3)
    clear(t)
    t.send("one two three")
    t.send("\x1b[1;5D\x1bb")
    shows(t, "one two three", 4)
    t.send("\x0b")  # Ctrl-K, then Ctrl-Y at the beginning
    shows(t, "one", 4)
    t.send("\x01\x19")
    shows(t, "two threeone", 9)
    t.send("\x05 x\x17\x17")  # Ctrl-W
    shows(t, "two", 4)
    t.send(HOME + RIGHT + "-" + END + "!")
    shows(t, "t-wo !", 6)
    t.send("\x1bd\x1b\x7f\x0c")  # Alt-D, Alt-Backspace, Ctrl-L
    shows(t, "t-", 2)
    t.send("\xff\t".encode("latin-1"))  # no UTF-8, and a control character
    shows(t, "t-\ufffd^I", 5)
    clear(t)


def margins(t):
    """Lines longer than the terminal, and terminals that become narrower and wider."""
    t.resize(20)
    text = "0123456789" * 2 + "你好你好你好"
    t.send(text)
    wide = lambda: t.screen.text().endswith("> 012345678901234567\n89你好你好你好")
    t.until(wide, "a line of 20 columns and the rest")
    t.send(HOME + RIGHT * 18)
    t.until(lambda: (t.screen.column, len(t.screen.cells) - t.screen.row) == (0, 1), "the cursor at the beginning of the second row")
    t.send(END)
    t.until(lambda: t.screen.column == 14, "the end")
    t.resize(11)
    t.until(lambda: t.screen.text().endswith("> 012345678\n90123456789\n你好你好你\n好") and t.screen.text().count("> 012") == 1, "eleven columns")
    t.resize(40)
    t.until(lambda: last_line(t) == "> " + text, "forty columns")
    t.resize(80)
    shows(t, text)
    t.send("\x03")  # clears the line
    t.until(lambda: t.screen.text().endswith(text + "^C\n>"), "an empty line after Ctrl-C")
    t.send("x" * 78)  # the margin exactly
    t.until(lambda: t.screen.text().endswith("> " + "x" * 78) and t.screen.column == 0, "the cursor below a full row")
    t.send("\x7f")
    shows(t, "x" * 77, 77)
    clear(t)


def several_lines(t):
    t.send("\x1b[200~first\r\nsecond\x1b[201~")  # pasted: not sent
    t.until(lambda: t.screen.text().endswith("> first\n  second"), "two pasted lines")
    t.send(UP + "!")
    t.until(lambda: t.screen.text().endswith("> first!\n  second"), "the line above, in the same column or its end")
    t.send("\x1b[201~\x05" + DOWN + END + "\x1b\rthird\\\r" + "fourth")  # Alt-Enter; a backslash
    t.until(lambda: t.screen.text().endswith("> first!\n  second\n  third\n  fourth"), "four lines")
    t.send("\x03")
    t.until(lambda: t.screen.text().endswith("fourth^C\n>"), "an empty line")


def history(t):
    t.send("first question\r")
    ready(t, t.base + 1)
    t.send("/clear\r")
    ready(t, t.base + 2)
    t.send("draft" + UP)
    shows(t, "/clear", 6)
    t.send(UP)
    shows(t, "first question", 14)
    t.send("\x0e" + DOWN)  # Ctrl-N, down: what was typed
    shows(t, "draft", 5)
    clear(t)
    t.send("\x12que")  # Ctrl-R
    t.until(lambda: last_line(t) == "(history: que) first question", "a find")
    t.send(END)
    shows(t, "first question", 14)
    clear(t)
    t.send("\x12zzz\x07")
    shows(t, "")


def answers(t):
    t.send("/set max-new 4000\r")
    ready(t, t.base + 3)
    mark = len(t.log)
    t.send("tell me more\r")
    t.until(lambda: t.log[mark:].partition("tell me more")[2].partition("\x1b[?2004l")[2].strip(), "the beginning of an answer")
    t.send("\x03")  # stops the answer only
    t.until(lambda: "; stopped\x1b[0m" in t.log, "the stop")
    ready(t, t.base + 4)
    t.send("/set max-new 12\r")
    ready(t, t.base + 5)
    t.send("你好，世界\r")
    ready(t, t.base + 6)
    path = os.path.join(FOLDER, "saved.json")
    t.send(f"/save {path}\r")
    ready(t, t.base + 7)
    messages = json.load(open(path))
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2, messages
    assert messages[0]["content"] == "tell me more" and messages[2]["content"] == "你好，世界", messages


def leave(t):
    t.send("x\x03\x03")  # the line, then a warning
    t.until(lambda: "Ctrl-C once more" in t.screen.text() and last_line(t) == ">", "a warning")
    t.send("\x03")
    assert t.wait() == 0


def first():
    t = Terminal(ARGUMENTS + ["--ctx", "4100", "--bias", "1=-inf"], ENV)
    try:
        ready(t, 0)
        assert "?2004" in t.screen.modes
        editing(t)
        margins(t)
        several_lines(t)
        t.base = t.log.count("\x1b[?2004h") - 1
        history(t)
        answers(t)
        leave(t)
        assert "?2004" not in t.screen.modes
    finally:
        t.kill()
    assert stat.S_IMODE(os.stat(HISTORY).st_mode) == 0o600
    lines = open(HISTORY).read().split("\n")
    assert lines[0] == "first question" and "你好，世界" in lines, lines


def second():
    """Another session: the history is still there, and stays as it is with --no-history."""
    before = open(HISTORY).read()
    t = Terminal(ARGUMENTS, ENV)
    try:
        ready(t, 0)
        t.send(UP)
        t.until(lambda: last_line(t).startswith("> /save"), "the last entry of the first session")
        clear(t)
        t.send("\x04")  # Ctrl-D
        assert t.wait() == 0
    finally:
        t.kill()
    t = Terminal(ARGUMENTS + ["--no-history", "-q"], ENV)
    try:
        ready(t, 0)
        t.send(UP + "/tokens\r")
        ready(t, 1)
        t.send("\x04")
        assert t.wait() == 0 and "Ctrl-D" not in t.log
    finally:
        t.kill()
    assert open(HISTORY).read() == before


first()
second()
