// Files from this machine to the multi-Region endpoint, each with its progress.

import { upload } from "./api.js";
import { $, attribute, clone, setProgress, show, text } from "./dom.js";
import { bytes, line } from "./format.js";
import { notice } from "./notices.js";

const atOnce = 3;
// What the canary sends is in no list: who uploaded a file as its dataset would look for it in vain.
const unlisted = "canary";
const usual = "sales-orders";

export function setUpUploads() {
  const waiting = [];
  let running = 0;
  const next = () => {
    while (running < atOnce && waiting.length) {
      running += 1;
      send(waiting.shift()).finally(() => {
        running -= 1;
        next();
      });
    }
  };
  const add = (files) => {
    for (const file of files) waiting.push(makeRow(file, $("dataset").value, waiting));
    next();
  };
  $("choose").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => {
    add([...$("files").files]);
    $("files").value = "";
  });
  dropAnywhere(add);
  return ({ datasets = [] }) => fillDatasets(datasets.filter((name) => name !== unlisted));
}

function fillDatasets(datasets) {
  const select = $("dataset");
  if ([...select.options].map((option) => option.value).join("\n") === datasets.join("\n")) return;
  const before = select.value;
  select.replaceChildren(...datasets.map((name) => new Option(line(name), name)));
  const chosen = datasets.includes(before) ? before : usual;
  if (datasets.includes(chosen)) select.value = chosen;
}

function makeRow(file, dataset, waiting) {
  const parts = clone("upload-row");
  const entry = { file, dataset, parts, cancel: null };
  text(parts.name, line(file.name));
  attribute(parts.name, "title", line(file.name));
  attribute(parts.progress, "aria-label", `Upload of ${line(file.name)}`);
  text(parts.status, "waiting");
  parts.dismiss.addEventListener("click", () => {
    const at = waiting.indexOf(entry);
    if (at >= 0) waiting.splice(at, 1);
    if (entry.cancel) entry.cancel();
    else parts.root.remove();
  });
  $("uploads").append(parts.root);
  return entry;
}

async function send(entry) {
  const { file, dataset, parts } = entry;
  const sending = upload(file, dataset, (sent, total) => {
    setProgress(parts.progress, sent, total);
    text(parts.status, sent < total ? `${bytes(sent)} of ${bytes(total)}` : "sent, waiting for the answer");
  });
  entry.cancel = sending.cancel;
  attribute(parts.root, "data-state", "sending");
  try {
    const { batch_id: batch } = await sending.done;
    setProgress(parts.progress, 1, 1);
    ended(parts, "accepted", "accepted");
    attribute(parts.root, "data-batch", batch);
    notice(`${line(file.name)} was accepted as ${dataset}.`);
    // The table shows it from here on.
    setTimeout(() => !parts.root.contains(document.activeElement) && parts.root.remove(), 8000);
  } catch (failure) {
    ended(parts, "failed", failure.message);
    if (failure.message !== "Cancelled.") notice(`${line(file.name)}: ${failure.message}`, "error");
  } finally {
    entry.cancel = null;
  }
}

function ended(parts, state, words) {
  attribute(parts.root, "data-state", state);
  text(parts.status, line(words));
  text(parts.dismiss, "Dismiss");
}

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function dropAnywhere(add) {
  let depth = 0;
  const over = (change) => (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = Math.max(0, depth + change);
    text($("drop-dataset"), $("dataset").value);
    show($("drop"), depth > 0);
  };
  document.addEventListener("dragenter", over(1));
  document.addEventListener("dragleave", over(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show($("drop"), false);
    add([...event.dataTransfer.files]);
  });
}

