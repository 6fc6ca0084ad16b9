"""The web page in Chromium: browser.py CHROMIUM WEB_DIRECTORY [TEST...] (browser.sh calls it)."""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

from playwright.sync_api import sync_playwright

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Mock:
    """The stand-in server."""

    def __init__(self, web):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "mock.py"), web], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}/"

    def set(self, **values):
        urllib.request.urlopen(urllib.request.Request(self.url + "__set", json.dumps(values).encode())).read()

    def log(self):
        return json.load(urllib.request.urlopen(self.url + "__log"))

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Tab:
    """A page in a context of its own, with what is asked of it most. Console errors, errors of scripts and requests to other servers
    are problems, unless they tell of a reply that the test had asked for."""

    def __init__(self, browser, url, faults=False, mobile=False, path="", **options):
        if mobile:
            options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2, **options}
        self.context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 800}, **options})
        self.context.set_default_timeout(60000)  # a busy machine
        self.page = self.context.new_page()
        self.url, self.faults, self.problems = url, faults, []
        self.page.on("console", self.on_console)
        self.page.on("pageerror", lambda e: self.problems.append(f"script: {e.stack}"))
        self.context.on("request", self.on_request)
        self.page.goto(url + path)
        self.page.wait_for_function("() => document.querySelector('#model').value || document.querySelector('#server-error').textContent")

    def on_console(self, message):
        expected = self.faults and message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not expected:
            self.problems.append(f"console: {message.text}")

    def on_request(self, request):
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.problems.append(f"outside: {request.url}")

    def send(self, text):
        self.page.fill("#input", text)
        self.page.press("#input", "Enter")

    def done(self):
        self.page.wait_for_selector("#stop", state="hidden")

    def ask(self, text):
        self.send(text)
        self.done()

    def text(self, selector):
        return self.page.inner_text(selector)

    def last(self):
        return self.page.locator("article").last

    def click(self, name, within=None):
        (within or self.page).get_by_role("button", name=name, exact=True).click()

    def end(self):
        self.context.close()
        assert not self.problems, "\n".join(self.problems)


def eq(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def soon(find, expected, seconds=30):
    """As eq, once the page has come to it."""
    end = time.monotonic() + seconds
    while find() != expected and time.monotonic() < end:
        time.sleep(0.05)
    eq(find(), expected)


# ---- the conversation ----

@test
def sends_and_streams(b, mock):
    tab = Tab(b, mock.url)
    lengths = tab.page.evaluate("""() => new Promise((resolve) => {
        const seen = new Set();
        const look = () => { const a = document.querySelector('.assistant .text'); if (a) seen.add(a.textContent.length); };
        new MutationObserver(() => { look(); if (document.querySelector('.assistant .stats')?.textContent.includes('out')) resolve([...seen]); })
            .observe(document.querySelector('#messages'), {childList: true, subtree: true, characterData: true});
        const input = document.querySelector('#input');
        input.value = 'Hello there';
        input.form.requestSubmit();
    })""")
    assert len(lengths) > 4 and lengths[0] < lengths[-1] / 2, f"the answer came in the steps {lengths}"
    answer = tab.page.locator(".assistant .text")
    soon(lambda: answer.locator("strong").inner_text(), "bold")
    soon(lambda: answer.locator("ol > li").count(), 3)
    soon(lambda: answer.locator("ol ul > li").count(), 2)
    soon(lambda: answer.locator("pre code").inner_text(), 'def greet(name):\n    return f"Hello, {name}!"')
    soon(lambda: answer.locator("tbody tr").count(), 2)
    eq([(a.get_attribute("href"), a.get_attribute("rel")) for a in answer.locator("a").all()],
       [("https://example.org/page", "noopener noreferrer nofollow")])
    assert "<script>alert(1)</script> [bad](javascript:alert(1))" in answer.inner_text()
    soon(lambda: tab.text(".user .text"), "Hello there")
    assert "tokens/s" in tab.text(".assistant .stats") and "20 in (12 cached), " in tab.text(".assistant .stats")
    body = mock.log()[-1]["body"]
    eq(body, {"model": "deepseek/7b-chat", "stream": True, "stream_options": {"include_usage": True},
              "messages": [{"role": "user", "content": "Hello there"}]})
    soon(lambda: tab.text("#chats a"), "Hello there")
    soon(lambda: tab.page.title(), "Hello there · deepseek")
    spoken = tab.page.locator("#spoken p").all_inner_texts()
    assert spoken[0] == "Answering" and spoken[-1] == "The answer is complete" and len(spoken) < 21, spoken
    tab.ask("And then?")
    eq([m["role"] for m in mock.log()[-1]["body"]["messages"]], ["user", "assistant", "user"])
    tab.end()


@test
def stops(b, mock):
    tab = Tab(b, mock.url)
    for stop in (lambda: tab.page.keyboard.press("Escape"), lambda: tab.page.click("#stop")):
        tab.send("slow")
        tab.page.wait_for_function("() => document.querySelector('#messages > :last-child .text').textContent.includes('word9')")
        stop()
        tab.done()
        assert "Stopped." in tab.last().inner_text() and "word5" in tab.last().inner_text()
    tab.end()


@test
def edits_regenerates_deletes(b, mock):
    tab = Tab(b, mock.url)
    tab.ask("first")
    tab.ask("second")
    tab.click("Regenerate", tab.page.locator(".assistant").first)
    tab.done()
    soon(lambda: tab.page.locator("article").count(), 2)
    tab.click("Undo")
    soon(lambda: tab.page.locator("article").count(), 4)
    tab.click("Edit", tab.page.locator(".user").first)
    area = tab.page.locator(".editor textarea")
    eq(area.input_value(), "first")
    area.fill("other")
    area.press("Escape")
    soon(lambda: tab.text(".user .text >> nth=0"), "first")
    tab.click("Edit", tab.page.locator(".user").first)
    area.fill("first again")
    area.press("Enter")
    tab.done()
    eq(mock.log()[-1]["body"]["messages"], [{"role": "user", "content": "first again"}])
    tab.click("Delete", tab.last())
    soon(lambda: tab.page.locator("article").count(), 1)
    tab.click("Undo")
    soon(lambda: tab.page.locator("article").count(), 2)
    tab.page.focus("#input")
    tab.page.keyboard.press("ArrowUp")
    soon(lambda: tab.page.locator(".editor textarea").input_value(), "first again")
    tab.end()


@test
def copies(b, mock):
    tab = Tab(b, mock.url, permissions=["clipboard-read", "clipboard-write"])
    tab.ask("x")
    tab.click("Copy", tab.last().locator(".code"))
    tab.page.wait_for_selector("#toast >> text=Copied")
    assert tab.page.evaluate("navigator.clipboard.readText()").startswith("def greet(name):\n    return")
    tab.click("Copy", tab.last().locator(".tools"))
    tab.page.wait_for_function("() => navigator.clipboard.readText().then((t) => t.startsWith('Three things about **bold**'))")
    tab.end()


@test
def settings_arrive(b, mock):
    tab = Tab(b, mock.url)
    tab.page.keyboard.press("Control+,")
    values = {"Temperature": "0.3", "Top-p": "0.9", "Maximum tokens": "5", "Seed": "42", "System text": "Be brief.", "Stop at": "END\n\\n\\n"}
    for label, value in values.items():
        tab.page.get_by_label(label).fill(value)
    tab.page.get_by_label("Answer in JSON").check()
    tab.page.keyboard.press("Escape")
    tab.ask("long")
    body = mock.log()[-1]["body"]
    eq({k: body[k] for k in ("temperature", "top_p", "max_tokens", "seed", "stop", "response_format")},
       {"temperature": 0.3, "top_p": 0.9, "max_tokens": 5, "seed": 42, "stop": ["END", "\n\n"], "response_format": {"type": "json_object"}})
    eq(body["messages"][0], {"role": "system", "content": "Be brief."})
    assert "Ended at the token limit." in tab.last().inner_text()
    tab.page.reload()
    tab.page.click("#open-settings")
    soon(lambda: tab.page.get_by_label("Temperature").input_value(), "0.3")
    tab.page.get_by_label("Temperature").fill("3")
    tab.page.get_by_label("Temperature").press("Tab")
    soon(lambda: tab.page.get_by_label("Temperature").get_attribute("aria-invalid"), "")
    tab.page.keyboard.press("Escape")
    tab.ask("again")
    assert "temperature" not in mock.log()[-1]["body"] and mock.log()[-1]["body"]["seed"] == 42
    tab.page.click("#open-settings")
    tab.click("Reset sampling")
    tab.page.keyboard.press("Escape")
    tab.ask("plain")
    eq(sorted(mock.log()[-1]["body"]), ["messages", "model", "stream", "stream_options"])
    tab.end()


@test
def composing_does_not_send(b, mock):
    tab = Tab(b, mock.url, locale="zh-CN")
    before = len(mock.log())
    tab.page.focus("#input")
    cdp = tab.context.new_cdp_session(tab.page)
    tab.page.evaluate("addEventListener('keydown', (e) => { (window.keys ??= []).push([e.key, e.isComposing]); }, true)")
    cdp.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    for kind in ("rawKeyDown", "keyUp"):
        cdp.send("Input.dispatchKeyEvent", {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13})
    assert ["Enter", True] in tab.page.evaluate("window.keys"), "the key press did not come while composing"
    cdp.send("Input.insertText", {"text": "你好"})
    soon(lambda: tab.page.input_value("#input"), "你好")
    tab.page.keyboard.press("Shift+Enter")
    tab.page.keyboard.type("x")
    soon(lambda: (tab.page.input_value("#input"), len(mock.log())), ("你好\nx", before))
    tab.page.keyboard.press("Enter")
    tab.done()
    eq(mock.log()[-1]["body"]["messages"][-1]["content"], "你好\nx")
    tab.end()


@test
def text_of_a_base_model(b, mock):
    tab = Tab(b, mock.url)
    tab.page.select_option("#model", "deepseek/nano")
    tab.page.wait_for_selector("text=was not trained to chat")
    tab.page.wait_for_selector("#tag")
    tab.page.select_option("#model", "deepseek/7b-chat")
    tab.ask("hello")
    tab.page.select_option("#model", "deepseek/nano")  # a chat does not go on with a model that does not chat
    tab.page.wait_for_selector("text=was not trained to chat")
    tab.click("Once upon a time")
    tab.done()
    eq(mock.log()[-1]["path"], "/v1/completions")
    eq(mock.log()[-1]["body"]["prompt"], "Once upon a time")
    soon(lambda: tab.text("article .text"), "Once upon a time, and the river went on to the sea. 江水东流。")
    tab.page.press("#input", "Enter")  # nothing written: it goes on
    tab.done()
    eq(mock.log()[-1]["body"]["prompt"], "Once upon a time, and the river went on to the sea. 江水东流。")
    tab.click("Delete")
    soon(lambda: tab.text("article .text"), "Once upon a time, and the river went on to the sea. 江水东流。")
    tab.click("Edit")
    tab.page.fill(".editor textarea", "Changed")
    tab.click("Save")
    tab.ask(" text")
    eq(mock.log()[-1]["body"]["prompt"], "Changed text")
    tab.end()


# ---- conversations ----

@test
def several_conversations(b, mock):
    tab = Tab(b, mock.url)
    tab.send("slow")
    tab.page.wait_for_selector("text=word3")
    tab.page.keyboard.press("Control+k")
    tab.page.wait_for_selector("article", state="detached")
    tab.ask("second")
    soon(lambda: tab.page.locator("#chats a").count(), 2)
    assert "running" in tab.page.get_by_role("link", name="slow").get_attribute("class")
    tab.page.get_by_role("link", name="slow").click()  # it has gone on meanwhile
    tab.page.wait_for_function("() => document.querySelector('.assistant .text').textContent.includes('word40')")
    tab.page.keyboard.press("Escape")
    tab.done()
    tab.page.reload()
    soon(lambda: tab.page.locator("article").count(), 2)
    assert "word40" in tab.last().inner_text()
    tab.page.hover("#chats li >> nth=0")
    tab.click("Delete “slow”")
    soon(lambda: tab.page.locator("#chats a").all_inner_texts(), ["second"])
    tab.click("Undo")
    soon(lambda: tab.page.locator("#chats a").count(), 2)
    tab.end()


@test
def a_reload_cuts_and_keeps(b, mock):
    tab = Tab(b, mock.url, faults=True)
    tab.send("slow")
    tab.page.wait_for_selector("text=word30")
    tab.page.reload()
    tab.page.wait_for_selector("text=The connection broke off. What had arrived is kept.")
    assert "word20" in tab.last().inner_text()
    tab.end()


@test
def export_import_clear(b, mock):
    tab = Tab(b, mock.url)
    tab.ask("to be kept")
    tab.page.click("#open-settings")
    with tab.page.expect_download() as download:
        tab.click("Export")
    path = download.value.path()
    with open(path, encoding="utf-8") as f:
        eq([c["title"] for c in json.load(f)["conversations"]], ["to be kept"])
    tab.click("Delete all")
    tab.click("Cancel")
    soon(lambda: tab.page.locator("#chats a").count(), 1)
    tab.click("Delete all")
    tab.page.locator("#confirm").get_by_role("button", name="Delete all").click()
    soon(lambda: tab.page.locator("#chats a").count(), 0)
    tab.page.set_input_files("#import-file", path)
    tab.page.wait_for_selector("text=1 conversations imported")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write("[1, 2")
        f.flush()
        tab.page.set_input_files("#import-file", f.name)
        tab.page.wait_for_selector("text=This file holds no conversations")
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("link", name="to be kept").click()
    soon(lambda: tab.page.locator("article").count(), 2)
    tab.end()


@test
def a_full_storage_is_told(b, mock):
    tab = Tab(b, mock.url)
    tab.page.evaluate("() => { for (let n = 1 << 21; n > 8; n >>= 1) try { for (let i = 0; i < 4; i++) localStorage.setItem(`full${n}-${i}`, 'x'.repeat(n)); } catch {} }")
    tab.ask("x")
    tab.page.wait_for_selector("text=The browser has no room left")
    soon(lambda: tab.page.locator("article").count(), 2)
    tab.end()


# ---- faults ----

@test
def errors_are_told(b, mock):
    tab = Tab(b, mock.url, faults=True)
    cases = {"fault:500": ["Something went wrong in the server.", "The model file has gone."], "fault:cut": ["Three", "What had arrived is kept."],
             "fault:event": ["Three", "The memory ran out."], "fault:text": ["The connection broke off."], "fault:429": ["Try again in 2 s.", "The queue is full."]}
    for fault, words in cases.items():
        tab.ask(fault)
        for word in words:
            assert word in tab.last().inner_text(), f"{fault}: {tab.last().inner_text()}"
        soon(lambda: tab.last().get_by_role("button", name="Try again").count(), 1)
    tab.page.wait_for_selector("text=Try again in 1 s.")
    tab.click("Try again", tab.last())
    tab.done()
    tab.click("Edit", tab.page.locator(".user").last)
    tab.page.fill(".editor textarea", "fine")
    tab.page.press(".editor textarea", "Enter")
    tab.done()
    roles = [m["role"] for m in mock.log()[-1]["body"]["messages"]]
    assert all(a != b for a, b in zip(roles, roles[1:])), roles
    tab.end()


@test
def a_model_without_template(b, mock):
    tab = Tab(b, mock.url, faults=True)
    tab.ask("fault:template")
    tab.click("Continue as text")
    tab.done()
    eq(mock.log()[-1]["path"], "/v1/completions")
    assert "fault:template, and the river" in tab.text("article .text")
    tab.end()


@test
def the_key(b, mock):
    mock.set(key="sesame")
    tab = Tab(b, mock.url, faults=True)
    assert "asks for an API key" in tab.text("#server-error")
    tab.click("Enter the key")
    soon(lambda: tab.page.evaluate("document.activeElement.id"), "s-key")
    tab.page.keyboard.type("wrong")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_selector("text=does not accept this API key")
    tab.click("Enter the key")
    tab.page.fill("#s-key", "sesame")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_function("() => document.querySelector('#model').value && !document.querySelector('#server-error').textContent")
    soon(lambda: tab.page.evaluate("[sessionStorage['deepseek.key'], localStorage['deepseek.key']]"), ["sesame", None])
    mock.set(key="other")
    tab.ask("hello")
    tab.click("Enter the key", tab.last())
    tab.page.fill("#s-key", "other")
    tab.page.get_by_label("Remember it").check()
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_selector(".assistant .text strong")
    tab.done()
    soon(lambda: tab.page.evaluate("[sessionStorage['deepseek.key'], localStorage['deepseek.key']]"), [None, "other"])
    eq(mock.log()[-1]["key"], "Bearer other")
    mock.set(key="")
    tab.end()


@test
def the_server_goes_and_comes_back(b, mock):
    mock.set(down=True)
    tab = Tab(b, mock.url, faults=True)
    assert "cannot be reached" in tab.text("#server-error")
    mock.set(down=False)
    tab.click("Try again")
    tab.page.wait_for_function("() => document.querySelector('#model').value")
    soon(lambda: tab.text("#server-error"), "")
    mock.set(down=True)
    tab.ask("hello")
    assert "The server cannot be reached." in tab.last().inner_text()
    mock.set(down=False)
    tab.click("Try again", tab.last())
    tab.page.wait_for_selector(".assistant .text strong")
    tab.end()


# ---- language, look, size ----

@test
def chinese(b, mock):
    tab = Tab(b, mock.url, locale="zh-CN")
    soon(lambda: tab.page.get_attribute("html", "lang"), "zh-CN")
    soon(lambda: tab.text("#new"), "新对话")
    tab.ask("这首诗")
    soon(lambda: tab.last().locator(".text").get_attribute("lang"), "zh")
    assert "词元/秒" in tab.text(".assistant .stats")
    tab.page.click("#open-settings")
    tab.page.select_option("#s-language", "en")
    soon(lambda: (tab.page.get_attribute("html", "lang"), tab.text("#settings-title")), ("en", "Settings"))
    tab.page.keyboard.press("Escape")
    assert "tokens/s" in tab.text(".assistant .stats")
    tab.page.reload()
    soon(lambda: tab.text("#new"), "New conversation")
    tab.end()


@test
def light_and_dark(b, mock):
    tab = Tab(b, mock.url, color_scheme="dark")
    paper = lambda: tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    soon(lambda: paper(), "rgb(23, 25, 29)")
    tab.page.click("#open-settings")
    tab.page.select_option("#s-theme", "light")
    soon(lambda: paper(), "rgb(255, 255, 255)")
    tab.page.reload()
    soon(lambda: paper(), "rgb(255, 255, 255)")
    tab.end()


@test
def on_a_phone(b, mock):
    tab = Tab(b, mock.url, mobile=True)
    tab.page.tap("#input")
    tab.page.keyboard.type("a")
    tab.page.keyboard.press("Enter")  # a new line: there is no Shift-Enter on a phone
    tab.page.keyboard.type("b")
    soon(lambda: tab.page.input_value("#input"), "a\nb")
    tab.page.tap("#send")
    tab.done()
    soon(lambda: tab.page.evaluate("document.scrollingElement.scrollWidth"), 360)
    soon(lambda: tab.page.evaluate("document.querySelector('#log').scrollWidth"), 360)
    small = """(root) => [...document.querySelectorAll(root + ' :is(button, a[href], select, textarea)')].filter((e) => e.checkVisibility({visibilityProperty: true}))
        .filter((e) => !e.closest('.text')).map((e) => [e.id || e.textContent, e.getBoundingClientRect()]).filter(([, r]) => r.height < 43.5 || r.width < 43.5).map(([n, r]) => `${n} ${r.width}x${r.height}`)"""
    soon(lambda: tab.page.evaluate(small, "#frame"), [])
    assert not tab.page.is_visible("#chats")
    tab.page.tap("#open-menu")
    tab.page.wait_for_function("() => document.activeElement.id === 'close-menu' && document.querySelector('#drawer').getBoundingClientRect().left === 0")
    soon(lambda: tab.page.evaluate(small, "#drawer"), [])
    tab.page.keyboard.press("Escape")
    soon(lambda: tab.page.evaluate("document.activeElement.id"), "open-menu")
    tab.page.tap("#open-menu")
    tab.page.tap("#drawer >> text=Metrics")
    tab.page.wait_for_selector("#charts .card")
    soon(lambda: tab.page.evaluate("document.querySelector('#drawer').inert"), True)
    soon(lambda: tab.page.evaluate("document.scrollingElement.scrollWidth"), 360)
    tab.end()


# ---- pages ----

@test
def metrics_page(b, mock):
    tab = Tab(b, mock.url, path="#/metrics")
    polls = []
    tab.page.on("request", lambda r: polls.append(r.url) if r.url.endswith("/metrics") else None)
    tab.page.wait_for_function("() => [...document.querySelectorAll('#charts b')].every((v) => v.textContent !== '–')")
    values = tab.page.locator("#charts b").all_inner_texts()
    eq(values[2:4] + values[8:], ["3", "1", "30 %", "67 %"])
    eq(values[5][-1], "s")
    label = tab.page.get_attribute("#charts svg >> nth=1", "aria-label")
    assert label.startswith("Requests, last 1 min. running: now 3, least 3, most 3.") and "waiting: now 1" in label, label
    tab.page.wait_for_function("() => document.querySelector('path.line').getAttribute('d').includes('L')")
    tab.page.evaluate("() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }")
    soon(lambda: tab.text("#metrics-state"), "Paused")
    n = len(polls)
    tab.page.wait_for_timeout(2500)
    eq(len(polls), n)
    tab.page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    tab.page.wait_for_function("() => !document.querySelector('#metrics-state').textContent")
    assert len(polls) > n
    tab.faults = True
    mock.set(down=True)
    tab.page.wait_for_function("() => document.querySelector('#metrics-state').textContent.includes('cannot be reached')")
    mock.set(down=False)
    tab.end()


@test
def rooms(b, mock):
    tab = Tab(b, mock.url)
    for name in ("Recipes", "Contributions"):
        tab.page.click(f"#drawer >> text={name}")
        soon(lambda: tab.text("main:not([hidden]) h1"), name)
        assert "nothing here yet" in tab.text("main:not([hidden])")
        soon(lambda: tab.page.get_attribute(f"#drawer a:has-text('{name}')", "aria-current"), "page")
        soon(lambda: tab.page.evaluate("document.activeElement.textContent"), name)
    tab.page.go_back()
    tab.page.go_back()
    tab.page.wait_for_selector("#input")
    tab.page.goto(tab.url + "#/no/such/page")
    tab.page.goto(tab.url + "#/c/nosuch")
    tab.page.wait_for_selector("#input")
    tab.end()


# ---- keyboard and voices ----

@test
def by_keyboard_alone(b, mock):
    tab = Tab(b, mock.url, path="#/recipes")
    press = tab.page.keyboard.press
    focused = lambda: tab.page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
    press("Tab")
    soon(lambda: focused(), "skip")
    press("Enter")
    soon(lambda: focused(), "Recipes")
    press("Control+k")
    soon(lambda: focused(), "input")
    tab.page.keyboard.type("hello")
    press("Enter")
    tab.done()
    tab.page.evaluate("() => { document.querySelector('#skip').focus(); }")
    seen = []
    for _ in range(40):
        press("Tab")
        seen.append(focused())
        visible = tab.page.evaluate("""() => { const s = (e) => getComputedStyle(e), a = document.activeElement;
            return a.matches(':focus-visible') && (s(a).outlineStyle !== 'none' || (a.id === 'input' && s(a.form).boxShadow !== 'none')) && s(a).opacity === '1'; }""")
        assert visible, f"no focus to be seen on {seen[-1]}"
        if seen[-1] == "send" or seen[-1] == "input":
            break
    wanted = ["new", "hello", "Delete “hello”", "Metrics", "Recipes", "Contributions", "model", "open-help", "open-settings", "log", "Copy", "Edit", "Delete"]
    eq(seen[:len(wanted)], wanted)
    eq(seen[-1], "input")
    press("Control+/")
    soon(lambda: tab.page.locator("#help[open]").count(), 1)
    assert "New line" in tab.text("#help")
    press("Escape")
    soon(lambda: focused(), "input")
    press("Control+,")
    soon(lambda: tab.page.locator("#settings[open]").count(), 1)
    press("Control+k")  # not while a dialog is open
    soon(lambda: tab.page.locator("article").count(), 2)
    press("Escape")
    press("Control+k")
    tab.page.wait_for_selector("article", state="detached")
    tab.end()


@test
def no_motion_where_none_is_wanted(b, mock):
    tab = Tab(b, mock.url, reduced_motion="reduce")
    moving = tab.page.evaluate("[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none').length")
    eq(moving, 0)
    tab.end()


@test
def axe(b, mock):
    if not os.environ.get("DS_AXE"):
        print("left out: axe (set DS_AXE)")
        return
    with open(os.environ["DS_AXE"], encoding="utf-8") as f:
        source = f.read()

    def check(tab, where):
        tab.page.evaluate(source)
        found = tab.page.evaluate("() => axe.run({resultTypes: ['violations']})")["violations"]
        assert not found, where + ": " + "\n".join(f"{v['id']}: {v['help']}: {[n['html'] for n in v['nodes']]}" for v in found)

    for scheme in ("light", "dark"):
        tab = Tab(b, mock.url, color_scheme=scheme, faults=True)
        check(tab, "empty")
        tab.ask("hello")
        tab.ask("fault:500")
        check(tab, "chat")
        tab.page.click("#open-settings")
        check(tab, "settings")
        tab.page.keyboard.press("Escape")
        tab.page.click("#open-help")
        check(tab, "help")
        tab.page.keyboard.press("Escape")
        tab.page.goto(tab.url + "#/metrics")
        tab.page.wait_for_selector("#charts .card")
        check(tab, "metrics")
        tab.page.goto(tab.url + "#/recipes")
        check(tab, "recipes")
        tab.page.goto(tab.url + "#/")
        tab.page.select_option("#model", "deepseek/nano")
        check(tab, "begin")
        tab.click("Once upon a time")
        tab.done()
        check(tab, "text")
        tab.end()
        tab = Tab(b, mock.url, color_scheme=scheme, mobile=True, locale="zh-CN")
        tab.page.tap("#open-menu")
        tab.page.wait_for_timeout(300)
        check(tab, "drawer")
        tab.end()


# ---- with the server itself: a base model, and a small random one that brings a chat template ----

DEEPSEEK = os.environ.get("DEEPSEEK")


@contextlib.contextmanager
def server(*options):
    with tempfile.TemporaryDirectory() as scratch:
        chat = os.path.join(scratch, "talker")
        subprocess.run([DEEPSEEK, "init", "--config", "tiny", "--dtype", "f32", "--seed", "1", chat], check=True, capture_output=True)
        with open(os.path.join(chat, "chat_template.jinja"), "w", encoding="utf-8") as f:
            f.write("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ")
        command = [DEEPSEEK, "serve", "-m", "deepseek/nano", "-m", chat, "--port", "0", "--quiet", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process.url = re.search(r"http://\S+", process.stdout.readline()).group(0) + "/"
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def with_server(fn):
    """A test that needs the command; left out without it."""
    def run(b, mock):
        if DEEPSEEK:
            fn(b)
        else:
            print(f"left out: {fn.__name__} (set DEEPSEEK)")
    run.__name__ = fn.__name__
    TESTS.append(run)
    return run


def set_sampling(tab, **values):
    tab.page.click("#open-settings")
    for name, value in values.items():
        tab.page.fill(f"#s-{name}", value)
    tab.page.keyboard.press("Escape")


@with_server
def real_text(b):
    """The base model goes on as `deepseek generate` does; the metrics tell of it; then the server dies."""
    generated = subprocess.run([DEEPSEEK, "generate", "-m", "deepseek/nano", "-p", "床前明月光", "-n", "24", "--temp", "0"], check=True, capture_output=True, text=True)
    with server() as s:
        tab = Tab(b, s.url, faults=True, locale="zh-CN")
        tab.page.wait_for_selector("text=deepseek/nano 未经对话训练")
        set_sampling(tab, temperature="0", max_tokens="24")
        tab.click("床前明月光")
        tab.done()
        eq(tab.page.locator("article .text").text_content().strip(), "床前明月光" + generated.stdout.strip())
        assert re.search(r"输入 \d+.*，输出 \d+", tab.text(".stats")), tab.text(".stats")
        tab.page.click("#drawer >> text=运行指标")
        tab.page.wait_for_selector("#charts .card")
        tab.page.wait_for_function("() => document.querySelectorAll('#charts b')[8].textContent.endsWith('%')")
        eq(tab.page.locator("#charts b").all_inner_texts()[2:4], ["0", "0"])
        s.kill()
        s.wait()
        tab.page.wait_for_function("() => document.querySelector('#metrics-state').textContent === '无法连接服务器。'")
        tab.page.go_back()
        tab.page.press("#input", "Enter")
        tab.page.wait_for_selector("article >> text=无法连接服务器")
        tab.end()


@with_server
def real_chat(b):
    with server() as s:
        tab = Tab(b, s.url)
        tab.page.select_option("#model", "talker")
        set_sampling(tab, temperature="0", max_tokens="12", stop="\\n\\n\\n")
        tab.ask("Hello")
        tab.ask("And again")
        soon(lambda: tab.page.locator("article").count(), 4)
        before = tab.last().locator(".text").text_content()
        assert "Ended at the token limit." in tab.last().inner_text()
        tab.click("Regenerate", tab.last())
        tab.done()
        soon(lambda: tab.last().locator(".text").text_content(), before)
        assert re.search(r"\d+ in( \(\d+ cached\))?, 12 out", tab.last().inner_text()), tab.last().inner_text()
        tab.end()


@with_server
def real_key(b):
    with tempfile.NamedTemporaryFile("w") as keys:
        keys.write("a-key-for-this-test-only\n")
        keys.flush()
        with server("--api-key-file", keys.name) as s:
            tab = Tab(b, s.url, faults=True)
            tab.click("Enter the key")
            tab.page.fill("#s-key", "a-key-for-this-test-only")
            tab.page.keyboard.press("Escape")
            tab.page.wait_for_function("() => document.querySelector('#model').value === 'deepseek/nano'")
            soon(lambda: tab.text("#server-error"), "")
            tab.end()


def main():
    chromium, web, *wanted = sys.argv[1:]
    failed = []
    mock = Mock(web)
    try:
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
            for fn in TESTS:
                if wanted and fn.__name__ not in wanted:
                    continue
                try:
                    fn(browser, mock)
                except Exception:
                    failed.append(fn.__name__)
                    print(f"failed: {fn.__name__}\n{traceback.format_exc()}", flush=True)
                    mock.set(key="", down=False)
                    for context in browser.contexts:
                        context.close()
            browser.close()
    finally:
        mock.end()
    print(f"{len(TESTS if not wanted else wanted) - len(failed)} passed, {len(failed)} failed {' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
