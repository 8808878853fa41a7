// The two Regions side by side, and what can be done to them.

import { post } from "./api.js";
import { $, Keyed, Spark, attribute, clone, element, enable, giveFocus, onUse, optional, partsOf, show, text } from "./dom.js";
import { duration, isNumber, line, milliseconds, number } from "./format.js";
import { told } from "./notices.js";

const slowMilliseconds = 2000;
// A lag above this is worth a second look; the words beside it say so too.
const longWait = 5;

let local = false;
let functions = [];
let received = 0;
let paused = null;
let activeIsKnown = false;
let waitingCards = [];
const numbers = new Map();

/** The place of a Region, 0 or 1: its colour wherever it is named. */
export const placeOf = (name) => numbers.get(name);

export function ownerBadge(target, name) {
  text(target, name ?? "–");
  attribute(target, "data-place", name ? placeOf(name) ?? "other" : null);
}

/** Gives the focus to the active Region's name: from the control that has made it so and is gone. */
export const focusActive = () => giveFocus(document.querySelector(".region[data-active=yes] [data-part=name]") ?? $("batches-title"));

export function setUpRegions(failOver) {
  const cards = new Keyed($("regions"), (region) => makeCard(region.name, failOver), updateCard);
  onUse($("replication"), () => told(() => post("/api/replication", { paused: !paused })));
  return (snapshot) => {
    local = snapshot.local === true;
    activeIsKnown = Boolean(snapshot.active);
    functions = snapshot.functions ?? [];
    received = Date.now();
    waitingCards = [];
    const regions = snapshot.regions ?? [];
    regions.forEach((region, at) => numbers.set(region.name, at));
    $("regions").querySelector(".empty")?.remove();
    cards.set(regions, (region) => region.name);
    updateReplication(regions);
  };
}

function updateReplication(regions) {
  const known = regions.map((region) => region.replication?.paused).filter((each) => typeof each === "boolean");
  paused = known.length ? known.some(Boolean) : null;
  show($("replication"), local);
  text($("replication"), paused ? "Resume replication" : "Pause replication");
  enable($("replication"), paused !== null);
}

function makeCard(name, failOver) {
  const parts = clone("region-card");
  attribute(parts.root, "aria-label", `Region ${line(name)}`);
  text(parts.name, line(name));
  text(parts.failover, `Fail over to ${line(name)}…`);
  const path = `/api/regions/${encodeURIComponent(name)}`;
  const network = (button, wanted) => onUse(button, () => told(() => post(path, { network: wanted })));
  network(parts.isolate, "isolated");
  network(parts.slow, { slow: slowMilliseconds });
  network(parts.heal, "reachable");
  for (const button of [parts.isolate, parts.slow, parts.heal]) attribute(button, "aria-label", `${button.textContent} ${line(name)}`);
  attribute(parts.slow, "title", `Each call of this Region takes ${slowMilliseconds / 1000} s longer`);
  attribute(parts.isolate, "title", "Nobody reaches this Region, and it reaches nobody");
  attribute(parts.function, "aria-label", `Function of ${line(name)} to freeze`);
  onUse(parts.freeze, () => told(() => freeze(name, parts.function.value, "freeze")));
  onUse(parts.failover, () => failOver(name));
  parts.rttSpark = new Spark(parts["rtt-spark"]);
  parts.lagSpark = new Spark(parts["lag-spark"]);
  parts.frozenList = new Keyed(parts.frozen, (each) => makeFrozen(name, each), () => {});
  return parts;
}

const freeze = (region, name, what) => post(`/api/functions/${encodeURIComponent(name)}`, { region, do: what });

function makeFrozen(region, name) {
  const root = element("li");
  const thaw = element("button", `Thaw ${line(name)}`, "small");
  thaw.type = "button";
  onUse(thaw, () => told(() => freeze(region, name, "thaw")));
  root.append(element("span", `${line(name)} is frozen`), thaw);
  return partsOf(root);
}

function updateCard(parts, region) {
  attribute(parts.root, "data-place", placeOf(region.name));
  attribute(parts.root, "data-active", region.active ? "yes" : "no");
  text(parts.badge, region.active ? "Active" : activeIsKnown ? "Standby" : "Active or not: not known");
  attribute(parts.badge, "data-kind", region.active ? "active" : "standby");
  text(parts.role, region.role ? `deployed as ${line(region.role)}` : "");
  updateReach(parts, region);
  updateLag(parts, region);
  updateDrill(parts, region);
  // What is hidden keeps no focus.
  if (region.active && parts.failover === document.activeElement) giveFocus(parts.name);
  show(parts.failover, !region.active);
}

function updateReach(parts, region) {
  const slow = isNumber(region.network?.slow) ? region.network.slow : null;
  const isolated = region.network === "isolated";
  let words = region.reachable ? "Reachable" : "Not reachable";
  if (isolated) words = "Isolated";
  else if (slow !== null) words += `, ${milliseconds(slow)} slower`;
  text(parts.reach, words);
  attribute(parts.reach, "data-kind", isolated || !region.reachable ? "bad" : slow !== null ? "warn" : "ok");
  optional(parts.error, region.error ? line(region.error) : "");
  text(parts.rtt, region.reachable ? milliseconds(region.round_trip_ms) : "no answer");
  parts.rttSpark.push(region.reachable && isNumber(region.round_trip_ms) ? region.round_trip_ms : null);
}

function updateLag(parts, { replication }) {
  text(parts["lag-label"], replication?.from ? `Replication from ${line(replication.from)}` : "Replication");
  const lag = isNumber(replication?.lag_seconds) ? replication.lag_seconds : null;
  const waiting = isNumber(replication?.waiting_seconds) ? replication.waiting_seconds : null;
  parts.wait = { lag, waiting, error: replication?.error };
  waitingCards.push(parts);
  tellLag(parts, 0);
  parts.lagSpark.push(waiting === null ? lag : Math.max(waiting, lag ?? 0));
  const told = [];
  if (replication?.paused) told.push("paused");
  if (isNumber(replication?.pending)) told.push(`${number(replication.pending)} pending`);
  if (replication?.error) told.push(line(replication.error));
  text(parts.pending, told.join(" · "));
  attribute(parts.pending, "data-kind", replication?.paused || replication?.error ? "warn" : null);
}

function tellLag(parts, since) {
  const { lag, waiting } = parts.wait;
  const waited = waiting === null ? 0 : waiting + since;
  // A marker that has just been sent is no news: the last lag is.
  const late = waiting !== null && (lag === null || waited > Math.max(3, 2 * lag));
  text(parts.lag, late ? `waiting ${waited < 60 ? `${Math.floor(waited)}\u00a0s` : duration(waited)}` : lag === null ? "not measured" : duration(lag));
  attribute(parts.lag, "data-kind", late && waited > longWait ? "warn" : null);
}

/** Between snapshots the waiting times go on. */
export const tickRegions = () => waitingCards.forEach((parts) => tellLag(parts, (Date.now() - received) / 1000));

function updateDrill(parts, region) {
  show(parts.drill, local);
  const state = region.network?.slow !== undefined ? "slow" : region.network;
  enable(parts.isolate, state !== "isolated");
  enable(parts.heal, state !== "reachable");
  const options = [...parts.function.options].map((option) => option.value);
  if (options.join("\n") !== functions.join("\n")) {
    const before = parts.function.value;
    parts.function.replaceChildren(...functions.map((name) => new Option(line(name), name)));
    if (functions.includes(before)) parts.function.value = before;
  }
  show(parts.function.parentElement, functions.length > 0);
  const frozen = region.frozen ?? [];
  parts.frozenList.set(frozen, (name) => name);
  show(parts.frozen, frozen.length > 0);
}
