"""What can be measured of how the page looks: contrast of every text with its ground, and a focus that is seen."""

# The ratio that WCAG 2 asks of text (AA).
ENOUGH = 4.5

CONTRAST = """() => {
    const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
    const over = (top, below) => {
        const alpha = top[3] ?? 1;
        return [0, 1, 2].map((at) => top[at] * alpha + below[at] * (1 - alpha));
    };
    const ground = (element) => {
        const layers = [];
        for (let each = element; each; each = each.parentElement) layers.push(channels(getComputedStyle(each).backgroundColor));
        return layers.reverse().filter((each) => each[3] !== 0).reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const light = (colour) => {
        const [red, green, blue] = colour.map((each) => each / 255).map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
        const told = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
        if (!told || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        const below = ground(element);
        const levels = [light(over(channels(getComputedStyle(element).color), below)), light(below)].sort((one, other) => other - one);
        const ratio = (levels[0] + 0.05) / (levels[1] + 0.05);
        if (ratio < %s) faint.push(`${ratio.toFixed(2)}: ${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 40)}`);
    }
    return faint;
}""" % ENOUGH

FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    // A radio button is drawn by the words beside it.
    const drawn = element.matches("input[type=radio]") ? element.nextElementSibling : element;
    const style = getComputedStyle(drawn);
    const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return [`${element.tagName}#${element.id} ${element.textContent.trim().slice(0, 30)}`, seen || element.matches("dialog")];
}"""


def check_contrast(page, what):
    faint = page.evaluate(CONTRAST)
    assert not faint, f"{what}: text that is hard to read: {faint[:5]}"


def check_focus_is_seen(page):
    """Goes through the page by Tab: wherever the focus is, it is seen, and the main controls are reached."""
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        if focused := page.evaluate(FOCUSED):
            assert focused[1], f"the focus is not seen on {focused[0]}"
            reached.append(focused[0])
    for wanted in ("#reconcile", "#help", "#choose", "#dataset", "#search", "Isolate", "Fail over to"):
        assert any(wanted in each for each in reached), f"Tab does not reach {wanted}: {reached}"
