"""What a user does with the page: the parts that the test and the pictures share."""

import base64
import json
import urllib.request

from playwright.sync_api import TimeoutError

from browser import ROOT, wait

HOME, AWAY = "us-east-1", "us-west-2"


def card(page, region):
    return page.locator(f'article.region[aria-label="Region {region}"]')


def row(page, name):
    """The row of the batch whose file is shown under this name."""
    return page.locator("#rows tr").filter(has=page.locator("bdi", has_text=name)).first


def upload(page, *files):
    """Uploads files: paths, or dicts with name, mimeType and buffer."""
    page.locator("#dataset").select_option("sales-orders")
    page.locator("#files").set_input_files(list(files))


def drop(page, name, content):
    """Drags a file over the page and lets it fall."""
    page.evaluate("""([name, content]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], name, { type: "text/csv" }));
        for (const kind of ["dragenter", "dragover", "drop"]) {
            const event = new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried });
            document.body.dispatchEvent(event);
            if (!event.defaultPrevented) throw new Error(`${kind} is left to the browser, which would open the file`);
        }
    }""", [name, base64.b64encode(content).decode()])


def named(name, content):
    return {"name": name, "mimeType": "text/csv", "buffer": content}


def until(page, name, status):
    wait(lambda: row(page, name).count() and row(page, name).get_attribute("data-status") == status, f"{name} is {status}")
    return row(page, name)


def details(page, name):
    """Opens the details of a batch, and gives their pairs."""
    row(page, name).locator("button").click()
    page.locator("#details[open]").wait_for()
    names = page.locator("#details-pairs dt").all_inner_texts()
    return dict(zip(names, page.locator("#details-pairs dd").all_inner_texts()))


def close(page):
    page.keyboard.press("Escape")
    wait(lambda: page.locator("dialog[open]").count() == 0, "Escape closes the dialog")


def use(page, control, words):
    """Uses a control, and waits until the console has said what came of it: until then another use of it is ignored."""
    control.click()
    said = page.locator("#toasts .toast", has_text=words)
    said.or_(page.locator("#toasts .toast.error")).first.wait_for()
    assert page.locator("#toasts .toast.error").count() == 0, page.locator("#toasts").inner_text()
    wait(lambda: page.locator("[data-busy]").count() == 0, "the control can be used again")


def network(page, region, button):
    card(page, region).locator(f"[data-part={button}]").click()


def edge(method, path, body=None):
    """Asks something of the edge's own interface."""
    endpoint = json.loads((ROOT / ".tandem/local.json").read_text())["endpoint"]
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{endpoint}/_tandem/{path}", content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def dismiss_messages(page):
    wait(lambda: no_message_left(page), "every message is dismissed")


def no_message_left(page):
    """Dismisses one message, if there is any; it may go by itself just as it is about to be clicked."""
    buttons = page.locator("#toasts button")
    if not buttons.count():
        return True
    try:
        buttons.first.click(timeout=2000)
    except TimeoutError:
        pass
    return False


def ask_failover(page, region):
    """The first question, and on to the second."""
    card(page, region).locator("[data-part=failover]").click()
    page.locator("#failover-first").click()
    page.locator("#failover-name").wait_for()


def confirm_failover(page, region):
    page.locator("#failover-name").fill(region)
    page.locator("#failover-second").click()
    page.locator("#failover-run").wait_for()


def until_failed_over(page, region):
    state = page.locator("#failover-verdict")
    wait(lambda: state.get_attribute("data-state") != "running", f"the failover to {region} ends")
    assert state.get_attribute("data-state") == "ok", state.inner_text()
