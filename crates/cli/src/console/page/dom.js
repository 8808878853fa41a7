// The document: found, filled and ordered in place, so that focus, selection and scrolling survive every update.

import { ago, exact } from "./format.js";

export const $ = (id) => document.getElementById(id);

/** Elements of `root` by their data-part. */
export function partsOf(root) {
  const parts = { root };
  for (const element of root.querySelectorAll("[data-part]")) parts[element.dataset.part] = element;
  return parts;
}

/** A copy of a template's only element, with its parts. */
export const clone = (id) => partsOf($(id).content.firstElementChild.cloneNode(true));

// Only what differs is written: assistive technology announces, and the browser lays out, what is written.
export function text(element, value) {
  const wanted = String(value ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, String(value));
  }
}

export const show = (element, shown) => {
  if (element.hidden === shown) element.hidden = !shown;
};

/** Text that is shown only while there is some. */
export function optional(element, value) {
  text(element, value);
  show(element, Boolean(value));
}

export function element(name, content, className) {
  const made = document.createElement(name);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
}

/** A time that is written relative to now and told exactly in its title. */
export function time(element, value) {
  attribute(element, "datetime", value);
  attribute(element, "title", value ? exact(value) : null);
  text(element, value ? ago(value) : "");
}

export function refreshTimes() {
  for (const element of document.querySelectorAll("time[datetime]")) text(element, ago(element.dateTime));
}

export function setProgress(element, done, total) {
  const known = total > 0;
  if (known && element.max !== total) element.max = total;
  if (element.value !== (known ? done : 0)) element.value = known ? done : 0;
}

/** A control that keeps its focus while it can not be used. */
export const enable = (button, enabled) => attribute(button, "aria-disabled", enabled ? null : "true");

/** Does something when a control is used, once at a time. */
export function onUse(button, action) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true" || button.dataset.busy) return;
    button.dataset.busy = "yes";
    try {
      await action();
    } finally {
      delete button.dataset.busy;
    }
  });
}

/** A list whose entries are kept by key: `make()` gives parts, `update(parts, item)` fills them. */
export class Keyed {
  constructor(container, make, update) {
    Object.assign(this, { container, make, update, entries: new Map() });
  }

  set(items, keyOf) {
    const before = this.entries;
    this.entries = new Map();
    for (const item of items) {
      const key = keyOf(item);
      if (this.entries.has(key)) continue;
      const parts = before.get(key) ?? this.make(item);
      this.update(parts, item);
      this.entries.set(key, parts);
      before.delete(key);
    }
    const kept = [...this.entries.values()].map((parts) => parts.root);
    for (const parts of before.values()) remove(parts.root, kept[0]);
    order(this.container, kept);
  }
}

const focusable = "button, a, select, input";

/** Takes an element away. If it holds the focus, it hands it on: from nowhere, Tab would begin at the top of the page. */
export function remove(root, heir) {
  const focused = root.contains(document.activeElement);
  const next = root.nextElementSibling ?? root.previousElementSibling ?? heir;
  root.remove();
  if (focused) giveFocus(next);
}

/** Gives the focus to an element, or to the first in it that can have it. */
export function giveFocus(element) {
  const to = element?.matches(`${focusable}, [tabindex]`) ? element : element?.querySelector(focusable);
  to?.focus({ preventScroll: true });
}

// An element that moves loses its focus: so the focused one stays, and the others move around it.
function order(container, wanted) {
  const fixed = Math.max(0, wanted.findIndex((root) => root.contains(document.activeElement)));
  if (!wanted.length) return;
  const pivot = wanted[fixed];
  if (pivot.parentNode !== container) container.prepend(pivot);
  for (let at = fixed - 1; at >= 0; at -= 1) {
    if (wanted[at].nextElementSibling !== wanted[at + 1]) container.insertBefore(wanted[at], wanted[at + 1]);
  }
  for (let at = fixed + 1; at < wanted.length; at += 1) {
    if (wanted[at].previousElementSibling !== wanted[at - 1]) wanted[at - 1].after(wanted[at]);
  }
  while (fixed === 0 && pivot.previousElementSibling) pivot.previousElementSibling.before(pivot);
}

/** The last values as a small drawing; `null` is a gap. The number beside it is what is read. */
export class Spark {
  constructor(svg, length = 60) {
    Object.assign(this, { svg, length, values: [] });
  }

  push(value) {
    this.values.push(value);
    if (this.values.length > this.length) this.values.shift();
    const highest = Math.max(1e-9, ...this.values.filter((each) => each !== null));
    const points = this.values.map((each, at) =>
      each === null ? null : [120 - ((this.values.length - 1 - at) * 120) / (this.length - 1), 26 - (each / highest) * 23]);
    const runs = [[]];
    for (const point of points) point === null ? runs.push([]) : runs.at(-1).push(point);
    const drawn = runs.filter((run) => run.length);
    const path = (run) => `M${run.map((point) => point.map((each) => each.toFixed(1)).join(" ")).join("L")}`;
    attribute(this.svg.querySelector(".line"), "d", drawn.map(path).join(""));
    const area = (run) => `${path(run)}L${run.at(-1)[0].toFixed(1)} 28L${run[0][0].toFixed(1)} 28Z`;
    attribute(this.svg.querySelector(".area"), "d", drawn.map(area).join(""));
  }
}

/** Name and value pairs in a `dl`, kept in place. A value is text or `{ time }`; a pair without one is left out. */
export class Pairs {
  constructor(list) {
    this.list = new Keyed(list, ([name]) => makePair(name), ({ told }, [, value]) => {
      if (value.time) time(told, value.time);
      else text(told, value);
    });
  }

  set(entries) {
    this.list.set(entries.filter(([, value]) => (value && typeof value === "object" ? value.time : value)), ([name]) => name);
  }
}

function makePair(name) {
  const root = element("div");
  const value = element("dd");
  const told = element("time");
  value.append(told);
  root.append(element("dt", name), value);
  return { root, told };
}

/** A dialog that Escape, its Close buttons and a click beside it close. */
export function dialog(id) {
  const box = $(id);
  for (const button of box.querySelectorAll("[data-close]")) button.addEventListener("click", () => box.close());
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
  return box;
}
