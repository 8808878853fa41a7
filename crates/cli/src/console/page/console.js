// The page's entry: follows the console's events, gives each part its share, and listens to the keys.

import { goneSentence, isStranger, post, tokenSentence } from "./api.js";
import { setUpBatches, tickBatches } from "./batches.js";
import { setUpDetails } from "./details.js";
import { $, attribute, onUse, optional, refreshTimes, show, text } from "./dom.js";
import { setUpFailover } from "./failover.js";
import { clock, line } from "./format.js";
import { setUpKeys } from "./keys.js";
import { told } from "./notices.js";
import { setUpPanels } from "./panels.js";
import { setUpRegions, tickRegions } from "./regions.js";
import { setUpUploads } from "./uploads.js";

// Silence that is told; a snapshot comes at least every 10 s.
const lostAfter = 5000;
const silentAfter = 25000;
const againAfter = 2000;

const details = setUpDetails();
const failover = setUpFailover();
const parts = [setUpRegions(failover.ask), setUpBatches(details.open), setUpPanels(details.open), setUpUploads(), failover.snapshot, drawHeader, details.update];

const connection = { open: false, since: Date.now(), heard: 0, stranger: false };

function drawHeader(snapshot) {
  optional($("environment"), line(snapshot.environment ?? ""));
  optional($("version"), `Tandem ${line(snapshot.version ?? "")}`);
  text($("active"), snapshot.active ? line(snapshot.active) : "not known");
  attribute($("active"), "data-kind", snapshot.active ? null : "warn");
  const apart = snapshot.active && snapshot.routed && snapshot.active !== snapshot.routed;
  text($("routed"), snapshot.routed ? `${line(snapshot.routed)}${apart ? ", not the active Region" : ""}` : "not known");
  attribute($("routed"), "data-kind", apart || !snapshot.routed ? "warn" : null);
  document.title = snapshot.active ? `Tandem: ${line(snapshot.active)} is active` : "Tandem";
}

// One part that cannot be drawn leaves the others whole.
function receive(snapshot) {
  connection.heard = Date.now();
  clock.set(snapshot.now);
  for (const draw of parts) {
    try {
      draw(snapshot);
    } catch (failure) {
      console.error(failure);
    }
  }
  tellConnection();
}

function follow() {
  const events = new EventSource("/api/events");
  const on = (name, use) => events.addEventListener(name, (event) => use(JSON.parse(event.data)));
  on("state", receive);
  on("failover", failover.run);
  events.addEventListener("open", () => {
    Object.assign(connection, { open: true, since: Date.now(), stranger: false });
    tellConnection();
  });
  events.addEventListener("error", async () => {
    if (connection.open) Object.assign(connection, { open: false, since: Date.now() });
    tellConnection();
    // Refused for good: by its own means it does not come back.
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(follow, againAfter);
    connection.stranger = await isStranger();
    tellConnection();
  });
}

function tellConnection() {
  const now = Date.now();
  const gone = !connection.open && (connection.stranger || now - connection.since > lostAfter);
  const silent = connection.open && connection.heard > 0 && now - connection.heard > silentAfter;
  const state = gone ? "lost" : silent ? "silent" : connection.open && connection.heard ? "live" : "waiting";
  const words = { lost: "Not connected", silent: "No news", live: "Live", waiting: connection.heard ? "Reconnecting" : "Connecting" };
  attribute($("live"), "data-state", state);
  text($("live-text"), words[state]);
  const seconds = Math.floor((now - connection.heard) / 1000);
  text($("live-age"), connection.heard && state !== "live" ? `last news ${seconds} s ago` : "");
  const sentence = gone ? (connection.stranger ? tokenSentence : goneSentence) : silent ? "The console is connected but sends no news. What is shown is old." : "";
  optional($("lost"), sentence && connection.heard ? `${sentence} What is shown is the last that was known.` : sentence);
  const old = (gone || silent) && connection.heard > 0;
  attribute(document.body, "data-old", old ? "yes" : null);
  for (const mark of document.querySelectorAll(".old:not([id])")) show(mark, old);
}

function tick() {
  tellConnection();
  refreshTimes();
  // What is old does not go on growing.
  if (document.body.dataset.old) return;
  tickRegions();
  tickBatches();
  failover.tick();
}

setUpKeys({
  u: () => $("choose").click(),
  f: () => failover.askStandby(),
  "/": () => $("search").focus(),
});

onUse($("reconcile"), () => told(() => post("/api/reconcile")));
follow();
setInterval(tick, 1000);
