// One batch with everything that is known of it, and what can be done with it.

import { outputOf, post, rejectsOf } from "./api.js";
import { batchOf, isEnded, stageState, stages, took } from "./batches.js";
import { $, Keyed, Pairs, attribute, dialog, element, enable, onUse, optional, show, text } from "./dom.js";
import { bytes, counted, duration, isNumber, line, number } from "./format.js";
import { told } from "./notices.js";

const said = {
  CLAIMED: "claimed, not started yet",
  RUNNING: "under way",
  DELIVERING: "passed the fence, the e-mail is being sent",
  DELIVERED: "delivered",
  FAILED: "failed",
};
const inWords = { done: "done", now: "under way", failed: "failed here", todo: "to come" };

export function setUpDetails() {
  const box = dialog("details");
  const state = { id: null, known: null };
  const parts = {
    stages: new Keyed($("details-stages"), ([name]) => makeStage(name), updateStage),
    pairs: new Pairs($("details-pairs")),
  };
  onUse($("details-resend"), () => told(() => post(`/api/batches/${encodeURIComponent(state.id)}/resend`)));
  onUse($("details-rerun"), () => told(() => post(`/api/batches/${encodeURIComponent(state.id)}/rerun`)));
  const update = () => {
    if (!box.open || !state.id) return;
    const now = batchOf(state.id);
    state.known = now ?? state.known;
    show($("details-gone"), !now);
    if (state.known) fill(parts, state.known);
  };
  const open = (id) => {
    Object.assign(state, { id, known: batchOf(id) ?? null });
    if (!state.known) return false;
    for (const other of document.querySelectorAll("dialog[open]")) other.close();
    box.showModal();
    update();
    $("details-body").scrollTop = 0;
    return true;
  };
  return { open, update };
}

function makeStage(name) {
  const root = element("li");
  const state = element("span", "", "sub muted");
  root.append(element("b", name), state);
  return { root, state };
}

function updateStage(parts, [, state]) {
  attribute(parts.root, "class", state);
  text(parts.state, inWords[state]);
}

function fill(parts, batch) {
  text($("details-title"), line(batch.name));
  parts.stages.set(stages.map((name, at) => [name, stageState(batch, at)]), ([name]) => name);
  optional($("details-reason"), batch.reason ? line(batch.reason) : "");
  for (const [link, path, there] of [["details-output", outputOf, batch.has_output], ["details-rejects", rejectsOf, batch.has_rejects]]) {
    show($(link), Boolean(there));
    attribute($(link), "href", there ? path(batch.id) : null);
  }
  enable($("details-resend"), batch.status === "DELIVERED");
  attribute($("details-resend"), "title", batch.status === "DELIVERED" ? "Fresh links, same files" : "Only what was delivered can be sent again");
  enable($("details-rerun"), isEnded(batch));
  attribute($("details-rerun"), "title", isEnded(batch) ? "A new attempt from the same input" : "Only a batch that has ended can be run again");
  parts.pairs.set(pairsOf(batch));
}

const rate = (batch) => (isNumber(batch.rows_per_second) ? `${number(Math.round(batch.rows_per_second))} a second` : "");
const chunks = (batch) => (isNumber(batch.chunks_total) ? `${number(batch.chunks_done ?? 0)} of ${counted(batch.chunks_total, "chunk", "chunks")}` : "");

function pairsOf(batch) {
  const rows = isNumber(batch.rows_in) ? `${number(batch.rows_in)} read, ${number(batch.rows_out)} delivered, ${number(batch.rows_rejected)} rejected` : "";
  return [
    ["Status", said[batch.status] ?? line(batch.status)],
    ["Failed in", batch.failed_state ? line(batch.failed_state) : ""],
    ["Batch", line(batch.id)],
    ["Key", line(batch.key)],
    ["Dataset", line(batch.dataset)],
    ["Size", `${bytes(batch.size)} (${number(batch.size)} bytes)`],
    ["Rows", rows],
    ["Speed", rate(batch)],
    ["Chunks", chunks(batch)],
    ["Attempt", number(batch.attempt)],
    ["Owner", line(batch.owner)],
    ["Regions so far", (batch.history ?? []).map(line).join(" → ")],
    ["Took", duration(took(batch))],
    ["Claimed", { time: batch.created }],
    ["Last change", { time: batch.updated }],
  ];
}
