"""Pictures of the console for the documentation, of what really happens on two local Regions."""

import subprocess

from browser import ROOT, SAMPLE, TANDEM, WORK, Console, Window, browser, wait
from story import (AWAY, HOME, ask_failover, card, close, confirm_failover, dismiss_messages, named, network, row, until,
                   until_failed_over, upload)

IMAGES = ROOT / "docs/images"
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 1180}
LARGE_ROWS = 800_000
TRIES = 5


def take(window, name):
    # The mouse off the page, so that nothing is drawn as if it were pointed at.
    window.page.mouse.move(0, 0)
    window.page.screenshot(path=IMAGES / f"console-{name}.png")


def large_files():
    """Files of many chunks, and the reference data of their rows, which are the same keys in all of them."""
    reference = WORK / "large-reference.csv"
    for number in range(1, TRIES + 1):
        orders = WORK / f"large-{number}.csv"
        command = [TANDEM, "generate", "--rows", str(LARGE_ROWS), "--seed", str(number), "--bad", "1", "--keys", "10000", "--out", orders, "--reference", reference]
        subprocess.run(command, cwd=ROOT, check=True)
        if number == 1:
            subprocess.run([TANDEM, "reference", "load", reference], cwd=ROOT, check=True)
        yield orders


def is_half_way(page, name):
    """Whether the file is seen with some of its chunks done, and not all of them: they may all end within one look."""
    part = row(page, name).locator("[data-part=chunks]")
    seen = lambda: [int(word) for word in part.inner_text().split() if word.isdigit()] if part.count() else []
    ended = lambda: row(page, name).count() and row(page, name).get_attribute("data-status") == "DELIVERED"
    wait(lambda: ended() or (len(chunks := seen()) == 2 and 0 < chunks[0] < chunks[1]), f"{name} is half way, or delivered")
    return not ended()


def main():
    console = Console()
    try:
        with browser() as started:
            light = Window(started, viewport=DESKTOP, color_scheme="light").open(console.link)
            dark = Window(started, viewport=DESKTOP, color_scheme="dark").open(console.link)
            phone = Window(started, viewport=PHONE, color_scheme="light").open(console.link)
            story(light.page, lambda: [take(light, "light"), take(dark, "dark"), take(phone, "phone")], lambda: take(light, "failover"))
    finally:
        console.end()


def story(page, overview, failover):
    sample = SAMPLE.read_bytes()
    for name in ("orders-monday.csv", "orders-tuesday.csv", "orders-wednesday.csv"):
        upload(page, named(name, sample))
        until(page, name, "DELIVERED")
    upload(page, named("orders-without-ids.csv", b"Country,Item Type\nNorway,Cereal\n"))
    until(page, "orders-without-ids.csv", "FAILED")
    for large in large_files():
        upload(page, large)
        wait(lambda: row(page, large.name).count() and not page.locator("#uploads li").count(), "the list of uploads is empty again")
        dismiss_messages(page)
        if is_half_way(page, large.name):
            break
    else:
        raise SystemExit(f"{TRIES} files were delivered before one was seen half way")
    overview()
    until(page, large.name, "DELIVERED")

    network(page, HOME, "slow")
    lost = [f"orders-{day}.csv" for day in ("thursday", "friday", "saturday")]
    upload(page, *(named(name, sample) for name in lost))
    for name in lost:
        wait(lambda: row(page, name).count() and row(page, name).locator("[data-part=owner]").inner_text() == HOME, f"{HOME} claims {name}")
    network(page, HOME, "isolate")
    wait(lambda: card(page, HOME).locator("[data-part=error]").is_visible(), f"{HOME} does not answer")
    wait(lambda: "waiting" in card(page, HOME).locator("[data-part=lag]").inner_text(), "the marker is late")
    dismiss_messages(page)
    ask_failover(page, AWAY)
    confirm_failover(page, AWAY)
    wait(lambda: page.locator("#failover-steps li[data-status=done]").count() >= 3, "half of the steps are done")
    failover()
    until_failed_over(page, AWAY)
    close(page)
    for name in lost:
        until(page, name, "DELIVERED")
    network(page, HOME, "heal")


if __name__ == "__main__":
    main()
