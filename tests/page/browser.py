"""A headless Chromium, driven over a pipe by its debugging protocol. Only the standard library."""

import base64
import fcntl
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time


class Broken(Exception):
    """The browser did not do what it was told."""


class Browser:
    """One browser with one page. Ends with the `with` block."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        asked, self.ask = os.pipe()
        self.hear, said = os.pipe()
        # The browser reads file 3 and writes file 4; out of the way first, so that neither is lost to the other.
        asked, said = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (asked, said))

        def files():
            os.dup2(asked, 3)
            os.dup2(said, 4)

        arguments = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.folder.name}"]
        arguments += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        arguments += ["--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        self.process = subprocess.Popen(
            [program, *arguments, "about:blank"],
            preexec_fn=files,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(asked)
        os.close(said)
        self.number, self.rest, self.session = 0, b"", None
        self.events, self.errors, self.requests = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.ask)
        os.close(self.hear)
        self.folder.cleanup()

    def read(self, until):
        """The next message, before a time."""
        while b"\0" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.hear], [], [], left)[0]:
                raise Broken("the browser is silent")
            part = os.read(self.hear, 1 << 20)
            if not part:
                raise Broken("the browser has ended")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(message)
        method, told = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(told["entry"]["text"] + " " + told["entry"].get("url", ""))
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        if method:
            self.events.append(method)
        return message

    def call(self, method, **parameters):
        """Calls a method and gives its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.ask, data) :]
        until = time.monotonic() + 30
        while True:
            answer = self.read(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Broken(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url):
        """Loads a page to its end."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        until = time.monotonic() + 30
        while "Page.loadEventFired" not in self.events:
            self.read(until)

    def run(self, script):
        """What an expression comes to in the page; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise Broken(f"{result['exceptionDetails']} in {script[:200]}")
        return result["result"].get("value")

    def wait(self, script, seconds=40):
        """Waits until an expression is true."""
        until = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > until:
                raise Broken(f"not within {seconds} s: {script}\n{self.run('document.body.innerText')[:3000]}")
            time.sleep(0.1)

    def size(self, width, height, phone=False):
        """Sets the size of the window."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    def scheme(self, name):
        """Sets what the user prefers: light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path):
        """Keeps what is seen as a PNG."""
        data = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))
