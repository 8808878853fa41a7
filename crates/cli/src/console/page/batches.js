// The table of batches: one row each, kept in place.

import { $, Keyed, attribute, clone, optional, setProgress, show, text, time } from "./dom.js";
import { bytes, clock, counted, duration, exact, isNumber, line, number } from "./format.js";
import { partOf } from "./listing.js";
import { ownerBadge } from "./regions.js";

export const stages = ["claimed", "split", "rows", "merge", "deliver", "delivered"];
// So many rows that what stands below them is still found; fewer where each is a card.
const atFirst = () => (matchMedia("(max-width: 720px)").matches ? 8 : 25);

let all = [];
let unrolled = false;
let opened = [];
// When the table last answered, while it does not: what is old does not go on growing.
let asOf = null;
// Whether the whole table was read once.
let isWhole = false;
// The whole table is read more slowly the larger it is; below this age nobody needs to know.
const oldList = 90_000;

const kinds = {
  all: () => true,
  open: (batch) => !isEnded(batch),
  delivered: (batch) => batch.status === "DELIVERED",
  failed: (batch) => batch.status === "FAILED",
};

export const isEnded = (batch) => batch.status === "DELIVERED" || batch.status === "FAILED";
export const batchOf = (id) => all.find((batch) => batch.id === id);

/** Seconds from claim to end, or to now. */
export const took = (batch) =>
  isNumber(batch.seconds) ? batch.seconds : isEnded(batch) ? null : ((asOf ?? clock.now()) - Date.parse(batch.created)) / 1000;

/** The stage a batch is in, or in which it failed, as its place among the stages; -1 if that is not known. */
export function stageAt(batch) {
  // Not followed: behind its claim, and in no stage that anybody has seen.
  if (batch.stage === "under way") return 0.5;
  if (batch.stage !== "failed") return stages.indexOf(batch.stage);
  const where = String(batch.failed_state ?? "").toLowerCase();
  const names = [["claim"], ["split"], ["validate", "enrich", "rows", "chunk"], ["merge"], ["deliver"]];
  return names.findIndex((each) => each.some((name) => where.includes(name)));
}

/** `done`, `now`, `failed` or `todo` for the stage at a place. */
export function stageState(batch, at) {
  const current = stageAt(batch);
  if (batch.stage === "delivered" || at < current) return "done";
  if (at > current) return "todo";
  return batch.stage === "failed" ? "failed" : "now";
}

export function setUpBatches(openDetails) {
  const table = new Keyed($("rows"), (batch) => makeRow(batch, openDetails), updateRow);
  const draw = () => drawTable(table);
  $("filter").addEventListener("change", draw);
  $("search").addEventListener("input", draw);
  $("search").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    $("search").value = "";
    draw();
  });
  $("more").addEventListener("click", () => {
    unrolled = !unrolled;
    draw();
  });
  return (snapshot) => {
    if (Array.isArray(snapshot.batches)) all = snapshot.batches;
    tellTable(snapshot.table);
    tellPart(snapshot.list);
    draw();
  };
}

function tellTable(table) {
  const old = table && !table.answers;
  asOf = old ? Date.parse(table.stale_since) || asOf || clock.now() : null;
  const since = old && table.stale_since ? `last known ${new Date(table.stale_since).toLocaleTimeString("en-GB")}` : "last known";
  optional($("table-old"), old ? since : "");
  attribute($("table-old"), "title", old && table.stale_since ? exact(table.stale_since) : null);
  optional($("table-error"), old ? line(table.error ?? "The state table does not answer; this goes on by itself.") : "");
  attribute($("batches"), "data-old", old ? "yes" : null);
  isWhole = Boolean(table?.listed);
  optional($("table-listed"), table && !old ? listed(table.listed) : "");
}

function tellPart(list) {
  const ended = all.filter(isEnded).length;
  const running = all.filter((batch) => batch.status === "RUNNING").length;
  optional($("batches-part"), partOf(list, { open: all.length - ended, running, ended }));
}

/** How old the list of those that have ended is, if that is worth a word. */
function listed(since) {
  if (!since) return "still reading the table";
  const at = Date.parse(since);
  return clock.now() - at > oldList ? `ended ones as of ${new Date(at).toLocaleTimeString("en-GB")}` : "";
}

function drawTable(table) {
  const kind = $("filter").querySelector("input:checked").value;
  const wanted = $("search").value.trim().toLowerCase();
  const named = all.filter((batch) => !wanted || [batch.name, batch.id, batch.dataset, batch.key].some((each) => String(each ?? "").toLowerCase().includes(wanted)));
  for (const count of $("filter").querySelectorAll("[data-count]")) text(count, named.filter(kinds[count.dataset.count]).length);
  const found = named.filter(kinds[kind]);
  const listed = unrolled ? found : found.slice(0, atFirst());
  opened = [];
  table.set(listed, (batch) => batch.id);
  show($("batches"), listed.length > 0);
  optional($("batches-empty"), listed.length ? "" : all.length ? "No batch is like that." : isWhole ? "No batch yet. Drop a CSV file on this page to make the first." : "Reading the table.");
  show($("more"), found.length > atFirst());
  text($("more"), unrolled ? `Show the first ${atFirst()}` : `Show all ${number(found.length)}`);
}

function makeRow(batch, openDetails) {
  const parts = clone("batch-row");
  parts.open.addEventListener("click", () => openDetails(batch.id));
  return parts;
}

function updateRow(parts, batch) {
  const name = line(batch.name);
  attribute(parts.root, "data-id", batch.id);
  attribute(parts.root, "data-status", batch.status);
  text(parts.name, name);
  attribute(parts.open, "title", `${line(batch.key)}: show everything`);
  text(parts.dataset, line(batch.dataset));
  text(parts.size, bytes(batch.size));
  text(parts.id, String(batch.id).slice(0, 8));
  updateStage(parts, batch);
  text(parts.rows, number(batch.rows_in));
  text(parts.rate, isNumber(batch.rows_per_second) ? `${number(Math.round(batch.rows_per_second))} rows/s` : "");
  text(parts.rejected, number(batch.rows_rejected));
  text(parts.share, share(batch));
  ownerBadge(parts.owner, batch.owner);
  text(parts.attempt, attempts(batch));
  parts.batch = batch;
  opened.push(parts);
  tellTook(parts);
  time(parts.updated, batch.updated);
}

const tellTook = (parts) => text(parts.took, duration(took(parts.batch)));

/** Between snapshots the clocks of open batches go on. */
export const tickBatches = () => opened.forEach(tellTook);

function updateStage(parts, batch) {
  [...parts.stepper.children].forEach((step, at) => attribute(step, "class", stageState(batch, at)));
  text(parts.stage, batch.stage === "failed" && batch.failed_state ? `failed in ${line(batch.failed_state)}` : batch.stage);
  attribute(parts.stage, "data-stage", batch.stage);
  const counts = isNumber(batch.chunks_total) && isNumber(batch.chunks_done);
  const busy = counts && batch.stage === "rows";
  text(parts.chunks, counts && !isEnded(batch) ? `${number(batch.chunks_done)} of ${counted(batch.chunks_total, "chunk", "chunks")}` : "");
  show(parts.progress, busy);
  if (busy) setProgress(parts.progress, batch.chunks_done, batch.chunks_total);
  optional(parts.reason, batch.reason ? line(batch.reason) : "");
  attribute(parts.reason, "title", batch.reason ? line(batch.reason) : null);
}

function share(batch) {
  if (!batch.rows_rejected || !batch.rows_in) return "";
  const percent = (100 * batch.rows_rejected) / batch.rows_in;
  return percent < 0.1 ? "under 0.1 %" : `${percent.toFixed(1)} %`;
}

function attempts(batch) {
  const moved = [...new Set(batch.history ?? [])].filter((region) => region !== batch.owner);
  const attempt = batch.attempt > 1 ? `attempt ${number(batch.attempt)}` : "";
  return [attempt, moved.length ? `was ${moved.map(line).join(", ")}` : ""].filter(Boolean).join("\n");
}

