"""Pictures of the console for the documentation, of what really happens on two local Regions."""

import subprocess

from browser import ROOT, SAMPLE, TANDEM, WORK, Console, Window, browser, wait
from story import (AWAY, HOME, ask_failover, card, close, confirm_failover, dismiss_messages, named, network, row, until,
                   until_failed_over, upload)

IMAGES = ROOT / "docs/images"
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 1180}
LARGE_ROWS = 600_000


def take(window, name):
    # The mouse off the page, so that nothing is drawn as if it were pointed at.
    window.page.mouse.move(0, 0)
    window.page.screenshot(path=IMAGES / f"console-{name}.png")


def large_file():
    """One file of many chunks, and the reference data of its rows."""
    orders, reference = WORK / "large.csv", WORK / "large-reference.csv"
    command = [TANDEM, "generate", "--rows", str(LARGE_ROWS), "--seed", "2", "--bad", "1", "--keys", "10000", "--out", orders, "--reference", reference]
    subprocess.run(command, cwd=ROOT, check=True)
    subprocess.run([TANDEM, "reference", "load", reference], cwd=ROOT, check=True)
    return orders


def half_way(page, name):
    part = row(page, name).locator("[data-part=chunks]")
    wait(lambda: row(page, name).count() and not part.inner_text().startswith("0 of") and " of " in part.inner_text(), f"{name} is half way")


def main():
    console = Console()
    try:
        large = large_file()
        with browser() as started:
            light = Window(started, viewport=DESKTOP, color_scheme="light").open(console.link)
            dark = Window(started, viewport=DESKTOP, color_scheme="dark").open(console.link)
            phone = Window(started, viewport=PHONE, color_scheme="light").open(console.link)
            story(light.page, large, lambda: [take(light, "light"), take(dark, "dark"), take(phone, "phone")], lambda: take(light, "failover"))
    finally:
        console.end()


def story(page, large, overview, failover):
    sample = SAMPLE.read_bytes()
    for name in ("orders-monday.csv", "orders-tuesday.csv", "orders-wednesday.csv"):
        upload(page, named(name, sample))
        until(page, name, "DELIVERED")
    upload(page, named("orders-without-ids.csv", b"Country,Item Type\nNorway,Cereal\n"))
    until(page, "orders-without-ids.csv", "FAILED")
    upload(page, large)
    half_way(page, large.name)
    wait(lambda: not page.locator("#uploads li").count(), "the list of uploads is empty again")
    dismiss_messages(page)
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
