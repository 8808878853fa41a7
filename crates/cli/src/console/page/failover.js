// Failing over: what it means, two questions, and every step of the runbook as it happens.

import { post } from "./api.js";
import { $, Keyed, attribute, clone, dialog, onUse, optional, setProgress, show, text } from "./dom.js";
import { counted, duration, isNumber, line } from "./format.js";
import { focusActive } from "./regions.js";

const marks = { waiting: "", running: "", done: "✓", failed: "✕", skipped: "–" };
const parts = ["failover-explain", "failover-confirm", "failover-run"];

let box;
let steps;
let target = null;
let regions = [];
let run = null;
let hidden = null;
let stepBegun = { name: null, at: 0 };

export function setUpFailover() {
  box = dialog("failover");
  steps = new Keyed($("failover-steps"), () => clone("step-row"), updateStep);
  onUse($("failover-first"), askAgain);
  onUse($("failover-back"), () => explain(target));
  $("failover-confirm").addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  $("run-show").addEventListener("click", showRun);
  $("run-hide").addEventListener("click", () => {
    hidden = run?.run_id;
    tellBanner();
    focusActive();
  });
  // The button that asked for the failover is hidden once its Region is active: then the focus is nowhere, or still in what is closed.
  box.addEventListener("close", () => {
    if (document.activeElement === document.body || box.contains(document.activeElement)) focusActive();
  });
  return {
    ask: explain,
    askStandby: () => {
      const standby = regions.find((region) => !region.active);
      if (run && !run.ended) showRun();
      else if (standby && regions.some((region) => region.active)) explain(standby.name);
      // Which one stands by is not known: the choice is the operator's.
      else document.querySelector("[data-part=failover]:not([hidden])")?.focus();
    },
    snapshot: (snapshot) => {
      regions = snapshot.regions ?? regions;
    },
    run: (event) => {
      const step = event.steps?.find((each) => each.status === "running")?.name ?? null;
      if (event.run_id !== run?.run_id || step !== stepBegun.name) stepBegun = { name: step, at: Date.now() };
      run = event;
      drawRun();
    },
    tick: () => run && !run.ended && drawRun(),
  };
}

function open(part) {
  for (const each of parts) show($(each), each === part);
  if (!box.open) box.showModal();
}

function explain(to) {
  target = to;
  const from = regions.find((region) => region.active && region.name !== to);
  text($("failover-title"), `Fail over to ${line(to)}`);
  for (const name of box.querySelectorAll("[data-to]")) text(name, line(to));
  text($("failover-intro"), from ? `${line(from.name)} is the active Region now. If you go on:` : "If you go on:");
  optional($("failover-warning"), warning(regions.find((region) => region.name === to)));
  open("failover-explain");
  $("failover-first").focus();
}

function warning(region) {
  if (!region) return "";
  const told = [];
  if (!region.reachable) told.push(`${line(region.name)} does not answer from here: the runbook will likely fail at its first step.`);
  const { pending, paused, waiting_seconds: waiting } = region.replication ?? {};
  if (pending > 0) told.push(`${counted(pending, "object is", "objects are")} not replicated to it yet: their batches start when they arrive.`);
  else if (paused) told.push("Replication is paused: what did not arrive starts when it does.");
  else if (waiting > 30) told.push(`Nothing has been replicated to it for ${duration(waiting)}.`);
  return told.join(" ");
}

function askAgain() {
  text($("failover-error"), "");
  $("failover-name").value = "";
  open("failover-confirm");
  $("failover-name").focus();
}

async function begin() {
  const confirm = $("failover-name").value.trim();
  if (confirm !== target) {
    text($("failover-error"), `That is not ${line(target)}. Nothing was done.`);
    return;
  }
  const button = $("failover-second");
  if (button.dataset.busy) return;
  button.dataset.busy = "yes";
  text($("failover-error"), "");
  try {
    const { run_id: id } = await post("/api/failover", { to: target, confirm });
    if (run?.run_id !== id) run = { run_id: id, to: target, steps: [], ended: false, ok: null };
    showRun();
  } catch (failure) {
    text($("failover-error"), failure.message);
  } finally {
    delete button.dataset.busy;
  }
}

function showRun() {
  if (!run) return;
  text($("failover-title"), `Failover to ${line(run.to)}`);
  open("failover-run");
  $("failover-title").focus();
  drawRun();
}

function verdict() {
  if (!run.ended) return ["running", run.steps?.length ? "Under way" : "Starting"];
  if (run.ok === true) return ["ok", line(run.message || `${run.to} has taken over.`)];
  const why = line(run.message || "the runbook did not come to its end").replace(/[.\s]+$/, "");
  return ["failed", `Not done: ${why}. It may be started again: it goes on from wherever this run was.`];
}

function drawRun() {
  const [state, words] = verdict();
  attribute($("failover-verdict"), "data-state", state);
  text($("failover-verdict"), words);
  steps.set(run.steps ?? [], (step) => step.name);
  const followed = run.followed;
  optional($("failover-followed"), followed ? `Of the batches that were taken over, ${followed.ended} ${followed.ended === 1 ? "has" : "have"} ended and ${followed.open} ${followed.open === 1 ? "is" : "are"} open.` : "");
  text($("failover-id"), `Run ${line(run.run_id)}`);
  tellBanner();
}

function tellBanner() {
  show($("run"), Boolean(run) && hidden !== run.run_id);
  if (!run) return;
  const [state, words] = verdict();
  const all = run.steps ?? [];
  const done = all.filter((step) => ["done", "skipped"].includes(step.status)).length;
  const now = all.find((step) => step.status === "running");
  attribute($("run"), "data-state", state);
  text($("run-title"), state === "running" ? `Failing over to ${line(run.to)}` : state === "ok" ? `Failed over to ${line(run.to)}` : `The failover to ${line(run.to)} did not succeed`);
  text($("run-now"), state === "running" ? `Step ${Math.min(done + 1, Math.max(1, all.length))} of ${all.length || "…"}${now ? `: ${line(now.name)}` : ""}` : words);
  setProgress($("run-progress"), done, all.length);
  show($("run-progress"), state === "running");
  show($("run-hide"), run.ended === true);
}

function updateStep(row, step) {
  attribute(row.root, "data-status", step.status);
  text(row.mark, marks[step.status] ?? "");
  text(row.name, line(step.name));
  text(row.description, line(step.description));
  optional(row.detail, step.detail ? line(step.detail) : "");
  const going = step.status === "running" && stepBegun.name === step.name ? (Date.now() - stepBegun.at) / 1000 : null;
  const seconds = isNumber(step.seconds) ? step.seconds : going;
  text(row.status, [line(step.status), seconds === null ? "" : duration(seconds)].filter(Boolean).join(" · "));
}
