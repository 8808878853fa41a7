// How values are written. Nothing here touches the document.

const grouped = new Intl.NumberFormat("en-US");
const rounded = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const exactTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** The server's clock: what it says of time is compared with its own time, not with this machine's. */
export const clock = {
  ahead: 0,
  set(now) {
    const time = Date.parse(now);
    if (!Number.isNaN(time)) clock.ahead = time - Date.now();
  },
  now: () => Date.now() + clock.ahead,
};

// Direction marks, joiners and control characters: a name that holds them could pass for another one.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const code = (mark) => `⟨U+${mark.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

/** Text of others, on several lines: what cannot be seen is written out. */
export const visible = (text) => String(text ?? "").replace(/\r\n/g, "\n").replace(unseen, code);

/** Text of others, on one line. */
export const line = (text) => visible(text).replace(/[\t\n]+/g, " ");

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export const number = (value) => (isNumber(value) ? grouped.format(value) : "–");

export const counted = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

export function bytes(value) {
  if (!isNumber(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** power;
  return `${power && scaled < 99.5 ? scaled.toFixed(1) : rounded.format(scaled)} ${units[power]}`;
}

// A number and its unit stay on one line.
const measured = (...pairs) => pairs.map(([value, unit]) => `${value}\u00a0${unit}`).join(" ");

export function duration(value) {
  if (!isNumber(value)) return "–";
  const all = Math.max(0, value);
  if (all < 9.95) return measured([all.toFixed(1), "s"]);
  const whole = Math.round(all);
  const split = (one) => [Math.floor(whole / one), Math.floor((whole % one) / (one === 86400 ? 3600 : one / 60))];
  if (whole < 60) return measured([whole, "s"]);
  const [one, units] = whole < 3600 ? [60, ["min", "s"]] : whole < 86400 ? [3600, ["h", "min"]] : [86400, ["d", "h"]];
  return measured(...split(one).map((each, at) => [each, units[at]]));
}

export function milliseconds(value) {
  if (!isNumber(value)) return "–";
  if (value >= 10000) return duration(value / 1000);
  return measured([value < 10 ? value.toFixed(1) : rounded.format(value), "ms"]);
}

/** How long ago, to one unit: what changes each second would only flicker. */
export function ago(time) {
  const seconds = Math.max(0, (clock.now() - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return "";
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export function exact(time) {
  const parsed = Date.parse(time);
  return Number.isNaN(parsed) ? "" : `${exactTime.format(parsed)} (${new Date(parsed).toISOString()})`;
}

export function dollars(value) {
  if (!isNumber(value)) return "–";
  if (value === 0) return "$0";
  if (value < 0.000001) return "under $0.000001";
  const digits = value >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(value)) + 1);
  return `$${new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits }).format(value)}`;
}
