"""The console used by a person who uploads, watches, loses a Region and fails over, in a real browser.

Steps build on each other, as a session does; the first that fails ends the run.
"""

import csv
import http.client
import sys
import time

from browser import SAMPLE, WORK, Console, Window, browser, wait
from layout import check_contrast, check_focus_is_seen
from story import (AWAY, HOME, ask_failover, card, close, confirm_failover, details, dismiss_messages, drop, edge, named,
                   network, row, until, until_failed_over, upload, use)

DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 360, "height": 740}
# A key of its own for each run: the same file under the same key is the same batch.
RUN = time.strftime("%H%M%S")


def ask(console, method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Security-Policy") or "", answer.read()
    finally:
        connection.close()


def nobody_gets_in_without_the_token(console, window):
    for path in ("/", "/console.js", "/api/events", "/?token=" + "0" * 64):
        status, policy, _ = ask(console, "GET", path)
        assert status == 401, f"{path}: {status}"
        assert "default-src 'none'" in policy, policy
    cookies = window.context.cookies()
    assert all(each["httpOnly"] and each["sameSite"] == "Strict" for each in cookies), cookies
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in cookies)
    assert ask(console, "GET", "/", Cookie=cookie)[0] == 200
    for headers in ({"Origin": "http://127.0.0.1:1"}, {"Origin": console.origin, "Host": "example.com"}, {}):
        status = ask(console, "POST", "/api/reconcile", Cookie=cookie, **headers)[0]
        assert status == 403, f"{headers}: {status}"


def both_regions_are_shown_and_one_is_active(console, window):
    page = window.page
    assert "token" not in page.url, page.url
    wait(lambda: page.locator("#active").inner_text() == HOME, "the active Region is told")
    wait(lambda: page.locator("#routed").inner_text() == HOME, "where uploads go is told")
    for region, badge in ((HOME, "Active"), (AWAY, "Standby")):
        wait(lambda: card(page, region).locator("[data-part=badge]").inner_text() == badge, f"{region} is {badge}")
        wait(lambda: "Reachable" in card(page, region).locator("[data-part=reach]").inner_text(), f"{region} is reachable")
        wait(lambda: "ms" in card(page, region).locator("[data-part=rtt]").inner_text(), f"{region} has a round trip")
        wait(lambda: card(page, region).locator("[data-part=lag]").inner_text().endswith("s"), f"the lag to {region} is measured")


def a_file_is_uploaded_and_watched_until_it_is_delivered(console, window):
    page, name = window.page, f"orders-{RUN}.csv"
    upload(page, named(name, SAMPLE.read_bytes()))
    # The upload's own row goes by itself once it was accepted; the batch's comes and stays.
    wait(lambda: page.locator("#uploads li", has_text=name).count() or row(page, name).count(), f"{name} is shown at once")
    found = until(page, name, "DELIVERED")
    wait(lambda: found.locator("[data-part=rows]").inner_text() == "10,000", "rows are told")
    assert found.locator("[data-part=rejected]").inner_text() == "100"
    assert "failed" not in (page.locator("#uploads").inner_text() or "")
    wait(lambda: page.locator("#rejects li", has_text="uuid: pattern").count(), "the most frequent reason is told")


def its_output_and_rejects_are_downloaded(console, window):
    page = window.page
    told = details(page, f"orders-{RUN}.csv")
    assert told["Rows"] == "10,000 read, 9,900 delivered, 100 rejected", told
    for link, records in (("details-output", 9901), ("details-rejects", 101)):
        check_download(page, f"#{link}", records)
    use(page, page.locator("#details-resend"), "was sent again, from")
    close(page)
    dismiss_messages(page)


def check_download(page, link, records):
    with page.expect_download() as download:
        page.locator(link).click()
    saved = WORK / "downloaded.csv"
    download.value.save_as(saved)
    # A rejected row stands in its file as it came, whatever its bytes are.
    with open(saved, newline="", encoding="latin-1") as file:
        assert sum(1 for _ in csv.reader(file)) == records, link


def the_mailbox_holds_its_mail_with_working_links(console, window):
    page, subject = window.page, f"Delivered: orders-{RUN}.csv"
    wait(lambda: page.locator("#emails li", has_text=subject).count() == 2, "the e-mail, and the one that was sent again")
    page.locator("#emails li", has_text=subject).first.locator("button").click()
    assert "Rows delivered: 9900" in page.locator("#email-text").inner_text()
    check_download(page, "#email-output", 9901)
    close(page)


def what_a_file_is_called_or_holds_is_shown_and_never_done(console, window):
    page = window.page
    hostile = [f"<img src=x onerror=window.pwned=1>-{RUN}.csv", f"quote\"s' & <b>{RUN}<b>.csv", f"invoice\u202egnp.{RUN}.csv", f"{'n' * 180}-{RUN}.csv"]
    shown = [name.replace("\u202e", "⟨U+202E⟩") for name in hostile]
    content = b"<img src=x onerror=window.pwned=2>,\"<script>window.pwned=3</script>\"\n1,2\n"
    upload(page, *(named(name, content) for name in hostile))
    for name in shown:
        found = until(page, name, "FAILED")
        assert found.locator("[data-part=reason]").inner_text(), name
        details(page, name)
        assert page.locator("#details-title").text_content() == name
        close(page)
    wait(lambda: page.locator("#emails li", has_text="<img src=x").count(), "its e-mail is there")
    page.locator("#emails li", has_text="<img src=x").first.locator("button").click()
    close(page)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.querySelectorAll('img, iframe, script:not([src])').length") == 0
    assert window.sideways() <= 0
    dismiss_messages(page)


def the_keyboard_alone_does_everything(console, window):
    page = window.page
    page.locator("#batches-title").focus()
    page.keyboard.press("?")
    page.locator("#keys[open]").wait_for()
    close(page)
    page.keyboard.press("/")
    page.keyboard.type(f"orders-{RUN}")
    wait(lambda: page.locator("#rows tr").count() == 1, "the filter leaves one batch")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#details[open]").wait_for()
    close(page)
    assert page.evaluate("document.activeElement.closest('tr') !== null"), "the focus comes back to the row"
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    wait(lambda: page.locator("#rows tr").count() > 1, "Escape takes the filter away")
    page.locator("#batches-title").focus()
    assert not window.choosers
    page.keyboard.press("u")
    # Asking the page anything lets what it tells come in.
    wait(lambda: page.evaluate("document.hasFocus()") is not None and window.choosers, "u asks for files")
    page.locator("#batches-title").focus()
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    page.keyboard.type("us-west-1")
    page.keyboard.press("Enter")
    wait(lambda: "Nothing was done" in page.locator("#failover-error").inner_text(), "a wrong name is refused")
    close(page)
    assert page.locator("#active").inner_text() == HOME
    check_focus_is_seen(page)


def single_keys_can_be_switched_off(console, window):
    page, choosers = window.page, len(window.choosers)
    page.locator("#help").click()
    page.locator("#keys-on").uncheck()
    close(page)
    page.reload()
    wait(lambda: page.locator("#rows tr").count(), "the page is there again")
    page.locator("#batches-title").focus()
    for key in ("u", "f", "/", "?"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.id") == "batches-title"
    assert page.locator("dialog[open]").count() == 0 and len(window.choosers) == choosers
    assert page.locator("#choose").get_attribute("aria-keyshortcuts") is None
    page.locator("#help").click()
    page.locator("#keys-on").check()
    close(page)
    page.locator("#batches-title").focus()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def messages_keep_errors_and_the_focus(console, window):
    page = window.page
    page.locator("#reconcile").focus()
    # Whatever is put into the body again while messages come would be the list of messages.
    page.evaluate("""async () => {
        const { notice } = await import("/notices.js");
        window.moved = 0;
        new MutationObserver((seen) => (window.moved += seen.length)).observe(document.body, { childList: true });
        for (const number of [1, 2, 3, 4, 5, 6]) {
            notice(`good ${number}`);
            notice(`bad ${number}`, "error");
        }
    }""")
    texts = page.locator("#toasts p").all_inner_texts()
    assert [each for each in texts if "bad" in each] == [f"bad {number}" for number in range(1, 7)], texts
    assert page.evaluate("window.moved") == 0, "the list of messages stays where it is"
    page.locator("#toasts .error button").last.focus()
    for left in range(5, -1, -1):
        page.keyboard.press("Enter")
        wait(lambda: page.locator("#toasts .error").count() == left, f"{left} errors are left")
        assert page.evaluate("document.activeElement.closest('#toasts') !== null || document.activeElement.id === 'reconcile'")
    dismiss_messages(page)
    wait(lambda: page.evaluate("document.activeElement !== document.body"), "somebody has the focus")


def what_is_left_out_of_the_list_is_told(console, window):
    page = window.page
    assert not page.locator("#batches-part").is_visible(), page.locator("#batches-part").inner_text()
    words = page.evaluate("""async () => {
        const { partOf } = await import("/listing.js");
        const of = (list, shown) => partOf({ followed: 20, more: false, ...list }, { running: 0, ...shown });
        return [of({ open: 3, ended: 4 }, { open: 3, ended: 4 }), of({ open: 300, ended: 5000 }, { open: 70, ended: 30 }),
            of({ open: 3, ended: 97, more: true }, { open: 3, ended: 97 }), of({ open: 50, ended: 0 }, { open: 50, running: 40, ended: 0 })];
    }""")
    assert words[0] == "", words
    assert "70 of 300 open" in words[1] and "30 of 5,000 that have ended" in words[1], words
    assert "does not know" in words[2] and "Of the 40 that run, 20 are followed" in words[3], words


def a_dropped_file_is_delivered_and_the_focus_stays_where_it_is(console, window):
    page = window.page
    page.locator("#rows tr button").last.focus()
    before = page.evaluate("document.activeElement.closest('tr').dataset.id")
    for number in (1, 2):
        drop(page, f"dropped-{number}-{RUN}.csv", SAMPLE.read_bytes())
        until(page, f"dropped-{number}-{RUN}.csv", "DELIVERED")
    assert page.evaluate("document.activeElement.closest('tr')?.dataset.id") == before


def replication_is_paused_and_a_function_frozen(console, window):
    page, region = window.page, card(window.page, HOME)
    use(page, page.locator("#replication", has_text="Pause"), "replication is paused")
    use(page, page.locator("#replication", has_text="Resume"), "replication goes on")
    page.locator("#replication", has_text="Pause").wait_for()
    region.locator("select").select_option("deliver")
    use(page, region.locator("[data-part=freeze]"), "is frozen")
    use(page, region.locator(".frozen button", has_text="Thaw deliver"), "is thawed")
    wait(lambda: region.locator(".frozen li").count() == 0, "deliver is thawed")
    dismiss_messages(page)
    use(page, page.locator("#reconcile"), f"{HOME} reconciled: ")
    dismiss_messages(page)


def a_state_table_that_does_not_answer_is_told(console, window):
    page, batches = window.page, window.page.locator("#rows tr").count()
    away = {"fail": {"status": 503, "error": "ServiceUnavailable", "message": "away"}}
    edge("POST", "faults", {"service": "dynamodb", "operation": "Scan", "action": away})
    wait(lambda: "away" in page.locator("#table-error").inner_text(), "why it does not answer is told")
    assert page.locator("#table-old").inner_text().startswith("last known"), page.locator("#table-old").inner_text()
    assert page.locator("#rows tr").count() == batches, "what was known stays"
    edge("DELETE", "faults")
    wait(lambda: not page.locator("#table-error").is_visible(), "it answers again")
    assert not page.locator("#table-old").is_visible()


def the_active_region_is_lost_and_the_other_one_takes_over(console, window):
    page, files = window.page, [f"lost-{number}-{RUN}.csv" for number in (1, 2, 3)]
    network(page, HOME, "slow")
    wait(lambda: "slower" in card(page, HOME).locator("[data-part=reach]").inner_text(), f"{HOME} is slow")
    upload(page, *(named(name, SAMPLE.read_bytes()) for name in files))
    for name in files:
        wait(lambda: row(page, name).count() and row(page, name).locator("[data-part=owner]").inner_text() == HOME, f"{HOME} claims {name}")
    network(page, HOME, "isolate")
    wait(lambda: card(page, HOME).locator("[data-part=reach]").inner_text() == "Isolated", f"{HOME} is isolated")
    wait(lambda: card(page, HOME).locator("[data-part=error]").is_visible(), f"what {HOME} does not answer is told")
    wait(lambda: "waiting" in card(page, HOME).locator("[data-part=lag]").inner_text(), "the marker's waiting time is told")
    ask_failover(page, AWAY)
    confirm_failover(page, AWAY)
    a_second_failover_is_told(window)
    until_failed_over(page, AWAY)
    steps = page.locator("#failover-steps li")
    assert steps.count() > 3 and set(steps.evaluate_all("each => each.map(one => one.dataset.status)")) == {"done"}
    close(page)
    wait(lambda: page.locator("#active").inner_text() == AWAY, f"{AWAY} is active")
    # The button that asked for it is hidden by now, and the focus was on it.
    wait(lambda: not card(page, AWAY).locator("[data-part=failover]").is_visible(), "its failover is done")
    focused = "document.activeElement.closest('article')?.getAttribute('aria-label')"
    wait(lambda: page.evaluate(focused) == f"Region {AWAY}", f"the focus is on {AWAY}")
    for name in files:
        found = until(page, name, "DELIVERED")
        assert found.locator("[data-part=owner]").inner_text() == AWAY
        assert f"was {HOME}" in found.locator("[data-part=attempt]").inner_text()
        wait(lambda: page.locator("#emails li", has_text=f"Delivered: {name}").count() == 1, f"one e-mail for {name}")
    dismiss_messages(page)


def a_second_failover_is_told(window):
    answer = window.page.evaluate("""async (to) => {
        const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ to, confirm: to }) };
        const answer = await fetch("/api/failover", request);
        return [answer.status, (await answer.json()).error];
    }""", AWAY)
    assert answer[0] == 409 and AWAY in answer[1], answer
    window.forgive("409")


def the_lost_region_comes_back(console, window):
    page = window.page
    network(page, HOME, "heal")
    wait(lambda: card(page, HOME).locator("[data-part=reach]").inner_text() == "Reachable", f"{HOME} is reachable again")
    wait(lambda: "waiting" not in card(page, AWAY).locator("[data-part=lag]").inner_text(), "replication goes on")
    assert page.locator("#active").inner_text() == AWAY
    for number in (1, 2, 3):
        subject = f"Delivered: lost-{number}-{RUN}.csv"
        assert page.locator("#emails li", has_text=subject).count() == 1, subject


def light_dark_and_phone_are_readable(console, window):
    for options in ({"viewport": DESKTOP}, {"viewport": DESKTOP, "color_scheme": "dark"}, {"viewport": PHONE},
                    {"viewport": PHONE, "color_scheme": "dark"}, {"viewport": {"width": 800, "height": 600}}):
        other = Window(window.context.browser, **options).open(console.link)
        wait(lambda: other.page.locator("#rows tr").count(), "batches are listed")
        assert other.sideways() <= 0, options
        check_contrast(other.page, options)
        details(other.page, f"lost-1-{RUN}.csv")
        assert other.sideways() <= 0, options
        check_contrast(other.page, options)
        assert not other.complaints, other.complaints
        other.context.close()


def a_console_that_goes_away_is_told(console, window):
    page, batches = window.page, window.page.locator("#rows tr").count()
    console.end()
    wait(lambda: page.locator("#lost").is_visible(), "the page says that the console is gone")
    assert "tandem console" in page.locator("#lost").inner_text()
    assert page.locator("#rows tr").count() == batches, "what was known stays"
    console.start(console.port)
    wait(lambda: "Open the link" in page.locator("#lost").inner_text(), "the page says that its token is of another start")
    page.goto(console.link)
    page.locator("#live[data-state=live]").wait_for()
    assert not page.locator("#lost").is_visible()
    window.forgive("ERR_", "401")


STEPS = [
    both_regions_are_shown_and_one_is_active,
    nobody_gets_in_without_the_token,
    a_file_is_uploaded_and_watched_until_it_is_delivered,
    its_output_and_rejects_are_downloaded,
    the_mailbox_holds_its_mail_with_working_links,
    what_a_file_is_called_or_holds_is_shown_and_never_done,
    the_keyboard_alone_does_everything,
    single_keys_can_be_switched_off,
    messages_keep_errors_and_the_focus,
    what_is_left_out_of_the_list_is_told,
    a_dropped_file_is_delivered_and_the_focus_stays_where_it_is,
    replication_is_paused_and_a_function_frozen,
    a_state_table_that_does_not_answer_is_told,
    the_active_region_is_lost_and_the_other_one_takes_over,
    the_lost_region_comes_back,
    light_dark_and_phone_are_readable,
    a_console_that_goes_away_is_told,
]


def main():
    console = Console()
    try:
        with browser() as started:
            window = Window(started, viewport=DESKTOP).open(console.link)
            try:
                for step in STEPS:
                    step(console, window)
                    assert not window.complaints, window.complaints
                    print("ok:", step.__name__.replace("_", " "), flush=True)
            except BaseException:
                print("FAILED:", step.__name__.replace("_", " "), window.complaints, file=sys.stderr)
                window.page.screenshot(path=WORK / "failed.png", full_page=True)
                raise
    finally:
        console.end()
    print(f"The console: {len(STEPS)} of {len(STEPS)} steps passed.")


if __name__ == "__main__":
    main()
