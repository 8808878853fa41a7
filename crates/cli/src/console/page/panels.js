// What stands beside the batches: rejects, cost, mailbox, and what was done.

import { outputOf, rejectsOf } from "./api.js";
import { batchOf } from "./batches.js";
import { $, Keyed, Pairs, attribute, clone, dialog, optional, show, text, time } from "./dom.js";
import { dollars, isNumber, line, number, visible } from "./format.js";

export function setUpPanels(openDetails) {
  const drawn = [setUpRejects(), setUpCost(), setUpMailbox(openDetails), setUpNotes()];
  return (snapshot) => drawn.forEach((draw) => draw(snapshot));
}

function fillBar(parts, { label, extra, value, share }) {
  text(parts.label, label);
  text(parts.extra, extra);
  text(parts.value, value);
  const width = `${(100 * share).toFixed(1)}%`;
  if (parts.fill.style.width !== width) parts.fill.style.width = width;
}

const shareOf = (value, highest) => (highest > 0 && isNumber(value) ? Math.min(1, Math.max(0.01, value / highest)) : 0);

function setUpRejects() {
  const list = new Keyed($("rejects"), () => clone("bar-row"), fillBar);
  return ({ rejects = [] }) => {
    const highest = Math.max(0, ...rejects.map((each) => each.count));
    list.set(
      rejects.map((each) => ({ label: `${line(each.field)}: ${line(each.rule)}`, extra: line(each.dataset), value: number(each.count), share: shareOf(each.count, highest) })),
      (each) => `${each.extra}\n${each.label}`,
    );
    show($("rejects-empty"), rejects.length === 0);
  };
}

function setUpCost() {
  const list = new Keyed($("cost-parts"), () => clone("bar-row"), fillBar);
  return ({ cost }) => {
    const parts = (cost?.parts ?? []).filter((part) => isNumber(part.usd)).sort((one, other) => other.usd - one.usd);
    text($("cost"), dollars(cost?.usd));
    optional($("cost-error"), cost?.error ? line(cost.error) : "");
    const highest = Math.max(0, ...parts.map((part) => part.usd));
    list.set(parts.map((part) => ({ label: line(part.name), extra: "", value: dollars(part.usd), share: shareOf(part.usd, highest) })), (part) => part.label);
  };
}

function setUpMailbox(openDetails) {
  const box = dialog("email");
  const pairs = new Pairs($("email-pairs"));
  let shown = null;
  $("email-batch").addEventListener("click", () => openDetails(shown.batch_id));
  const open = (email) => {
    shown = email;
    fillEmail(email, pairs);
    box.showModal();
  };
  const list = new Keyed($("emails"), () => makeEmail(open), (parts, email) => {
    parts.email = email;
    text(parts.subject, line(email.subject));
    text(parts.to, line(email.to));
    time(parts.time, email.time);
  });
  return ({ local, emails = [] }) => {
    show($("mailbox"), local === true);
    const seen = new Map();
    list.set(emails, (email) => {
      const name = `${email.time}\n${email.to}\n${email.subject}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      return `${name}\n${seen.get(name)}`;
    });
    text($("mailbox-count"), emails.length ? `latest ${number(emails.length)}` : "");
    show($("emails-empty"), emails.length === 0);
  };
}

function makeEmail(open) {
  const parts = clone("email-row");
  parts.open.addEventListener("click", () => open(parts.email));
  return parts;
}

// The links in the text lead to a name that only AWS answers to. The buttons lead to the same files through the console.
function fillEmail(email, pairs) {
  text($("email-title"), line(email.subject));
  pairs.set([["To", line(email.to)], ["Sent", { time: email.time }]]);
  text($("email-text"), visible(email.text));
  const batch = email.batch_id ? batchOf(email.batch_id) : null;
  const linked = (id, path, there) => {
    show($(id), Boolean(email.batch_id) && there);
    attribute($(id), "href", email.batch_id ? path(email.batch_id) : null);
  };
  linked("email-output", outputOf, batch ? batch.has_output : true);
  linked("email-rejects", rejectsOf, batch ? batch.has_rejects : true);
  show($("email-batch"), Boolean(batch));
  show($("email-links"), Boolean(email.batch_id));
}

function setUpNotes() {
  const list = new Keyed($("notes"), () => clone("note-row"), (parts, note) => {
    attribute(parts.root, "data-kind", note.kind);
    text(parts.kind, note.kind === "error" ? "Error" : "");
    text(parts.text, line(note.text));
    time(parts.time, note.time);
  });
  return ({ notes = [] }) => {
    list.set(notes, (note) => `${note.time}\n${note.text}`);
    show($("notes-empty"), notes.length === 0);
  };
}
