"""A console of its own for the run, and a browser that looks at it. Whatever the browser complains of is kept."""

import json
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[4]
TANDEM = ROOT / "target/local/tandem"
WORK = ROOT / "target/console"
SAMPLE = ROOT / "assets/sample/sales-orders.csv"
# Generous: it only ends what would never come.
PATIENCE = 180


def wait(true, what):
    """Waits until `true()` is, and gives what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if answer := true():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE} s in vain: {what}")


class Console:
    """`tandem console`, started and ended."""

    def __init__(self, port=0):
        self.process = None
        self.start(port)

    def start(self, port):
        command = [TANDEM, "--target", "local", "console", "--no-open", "--port", str(port), "--json"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        told = self.process.stdout.readline()
        assert told, "tandem console ended before it told its link"
        answer = json.loads(told)
        self.link, self.port = answer["url"], answer["port"]
        self.origin = f"http://127.0.0.1:{self.port}"

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()


class Window:
    """One page in a browser's context of its own."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.complaints = []
        # Asked for from the start: asked for only just before a key is pressed, the browser may open the chooser itself.
        self.choosers = []
        self.page.on("filechooser", lambda chooser: self.choosers.append(chooser))
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.complain(message))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda box: (self.complaints.append(f"a box: {box.message}"), box.dismiss()))

    def complain(self, message):
        self.complaints.append(f"{message.text} ({(message.location or {}).get('url', '')})")

    def forgive(self, *texts):
        """Takes away the complaints that a step is about; any other stays."""
        self.complaints[:] = [each for each in self.complaints if not any(text in each for text in texts)]

    def open(self, link):
        self.page.goto(link)
        self.page.locator("#live[data-state=live]").wait_for()
        self.page.locator("article.region").nth(1).wait_for()
        return self

    def sideways(self):
        """By how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")


@contextmanager
def browser():
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=os.environ["TANDEM_CHROMIUM"])
        try:
            yield started
        finally:
            started.close()
