#!/usr/bin/env python3
"""Looks at a running status page as a person would, in a headless Chromium, and fails when it is not as promised.

The caller changes the world meanwhile: after `loaded` it makes a stream fail, after `failing` it mends that and records
a gap. Each is said on standard output.

    look.py --url http://127.0.0.1:9464 --chromium /usr/bin/chromium [--pictures FOLDER]
"""

import argparse
import pathlib
import subprocess
import sys

import axe
from browser import Browser, Broken

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = (1180, 860, False), (390, 844, True)


def check(holds, said):
    if not holds:
        raise Broken(said)


def say(word):
    print(word, flush=True)


class Look:
    def __init__(self, browser, arguments, rules):
        self.browser, self.arguments, self.rules, self.examined = browser, arguments, rules, 0

    def open(self, path, size=WIDE, scheme="light"):
        self.browser.size(*size)
        self.browser.scheme(scheme)
        self.browser.open(self.arguments.url + path)

    def picture(self, name):
        if self.arguments.pictures:
            self.browser.picture(pathlib.Path(self.arguments.pictures) / f"{name}.png")

    def accessible(self, what):
        """No rule of axe-core is broken."""
        if not self.rules:
            return
        browser = self.browser
        browser.run(self.rules)
        found, passed = browser.run(
            f"axe.run(document, {{runOnly: {RULES}}}).then(all => [all.violations.map(one => one.id + ': ' + one.help + '\\n' "
            "+ one.nodes.slice(0, 3).map(node => '  ' + node.html.slice(0, 200) + '\\n  ' + node.failureSummary).join('\\n')), "
            "all.passes.map(one => one.id)])"
        )
        check(not found, f"{what}: {len(found)} rules of accessibility are broken\n" + "\n".join(found))
        # What cannot be decided by a program does not count; that contrast was examined does.
        check("color-contrast" in passed, f"{what}: contrast was not examined: {passed}")
        self.examined += 1
        say(f"axe-core: {what}: {len(passed)} rules hold, none is broken")

    def fits(self, what):
        width, seen = self.browser.run("[document.documentElement.scrollWidth, innerWidth]")
        check(width <= seen, f"{what} is {width} wide where {seen} can be seen")

    def all(self):
        browser = self.browser
        self.open("/")
        browser.wait("document.querySelectorAll('main table.cards tbody tr').length >= 6")
        browser.wait("document.querySelectorAll('svg.strip').length >= 4 && document.querySelectorAll('svg.bars').length >= 5")
        check(browser.run("document.title") == "status · fuelsync", browser.run("document.title"))
        check("Nothing fails, and nothing is late" in browser.run("document.body.innerText"), "all is well at first")
        check(browser.run("document.querySelectorAll('tr.bad').length") == 0, "no row is marked")
        self.picture("status")

        # Whoever reads must not be disturbed: the same document, the focus where it was.
        browser.run("window.same = 1; document.querySelector('main a[href=\"/quarantine\"]').focus(); 1")
        say("loaded")
        browser.wait("document.querySelectorAll('tr.bad').length == 1")
        row = browser.run("document.querySelector('tr.bad').innerText")
        check("failing" in row and "HTTP 503" in row and "What to do:" in row, row)
        check(browser.run("document.title") == "1 failing · fuelsync", browser.run("document.title"))
        check(browser.run("window.same") == 1, "the page was loaded again")
        focus = browser.run("document.activeElement.getAttribute('href')")
        check(focus == "/quarantine", f"the focus went to {focus}")
        browser.run("scrollTo(0, 0)")
        self.picture("failing")
        say("failing")
        browser.wait("document.querySelectorAll('tr.bad').length == 0 && document.querySelectorAll('.s-gap title').length > 0")
        check(browser.run("window.same") == 1, "the page was loaded again")
        check("lost at the source" in browser.run("document.querySelector('.troubles').innerText"), "the gap in words")
        browser.run("document.querySelector('.troubles').scrollIntoView({block: 'center'})")
        self.picture("gap")
        check(not browser.errors, f"errors in the page: {browser.errors}")

        first = "document.querySelector('main a[href^=\"{}?source=alexela_card\"]').getAttribute('href')"
        group, stream = browser.run(first.format("/")), browser.run(first.format("/stream"))
        wide, phone = (WIDE, "light"), (PHONE, "dark")
        browser.call("Page.setBypassCSP", enabled=True)
        for what, path, sights in [
            ("the front page", "/", (wide, phone)),
            ("a group", group, (phone,)),
            ("a stream", stream, (wide, phone)),
            ("the quarantine", "/quarantine", (phone,)),
            ("a page that is not there", "/stream?source=hecone&account=nobody", (wide,)),
        ]:
            for size, scheme in sights:
                self.open(path, size, scheme)
                self.fits(what)
                self.accessible(f"{what}, {scheme}, {size[0]} wide")
        browser.call("Page.setBypassCSP", enabled=False)
        for name, path, size, scheme in [
            ("dark", "/", WIDE, "dark"),
            ("phone", "/", PHONE, "light"),
            ("stream", stream, WIDE, "light"),
            ("quarantine", "/quarantine", WIDE, "light"),
        ]:
            self.open(path, size, scheme)
            self.picture(name)
        self.open("/", WIDE, "dark")
        check(browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)", "dark is dark")

        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        self.open("/")
        root = browser.call("DOM.getDocument")["root"]["nodeId"]
        html = browser.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
        check("alexela_card" in html and 'http-equiv="refresh"' in html, "without JavaScript")

        outside = {url for url in browser.requests if not url.startswith(self.arguments.url + "/")}
        check(outside <= {"about:blank"}, f"asked elsewhere: {outside}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--chromium", default="chromium")
    parser.add_argument("--pictures")
    arguments = parser.parse_args()
    try:
        rules = axe.find().read_text()
    except (OSError, subprocess.TimeoutExpired) as error:
        rules = None
        say(f"NOT CHECKED: accessibility; there is no axe-core: {error}")
    try:
        with Browser(arguments.chromium) as browser:
            look = Look(browser, arguments, rules)
            look.all()
            say(f"the page is as promised; {look.examined} examined by axe-core, {len(browser.requests)} requests, all to itself")
    except Broken as broken:
        sys.exit(f"FAILED: {broken}")


if __name__ == "__main__":
    main()
