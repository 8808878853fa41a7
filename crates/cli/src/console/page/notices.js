// Short messages. Good news goes by itself; bad news stays until it is dismissed.

import { $, element, giveFocus, remove } from "./dom.js";
import { visible } from "./format.js";

const shown = 4;
const patience = 7000;

// Where the focus was before it went among the messages, and goes back to from the last of them.
let before = null;
$("toasts").addEventListener("focusin", ({ relatedTarget }) => {
  if (relatedTarget && !$("toasts").contains(relatedTarget)) before = relatedTarget;
});

// An open modal dialog makes everything beneath it inert; a message belongs where it can be read and dismissed. What is where it
// belongs is not put there again: it would lose the focus, and be read out anew.
function settle() {
  const place = document.querySelector("dialog:modal") ?? document.body;
  if ($("toasts").parentElement !== place) place.append($("toasts"));
}

// `close` does not bubble.
document.addEventListener("close", settle, true);

export function notice(message, kind = "info") {
  const toast = element("div", undefined, `toast ${kind}`);
  const dismiss = element("button", "Dismiss", "small quiet");
  dismiss.type = "button";
  toast.append(element("b", kind === "error" ? "Error" : "Done"), element("p", visible(message)), dismiss);
  dismiss.addEventListener("click", () => take(toast));
  settle();
  $("toasts").append(toast);
  if (kind !== "error") setTimeout(() => take(toast), patience);
  makeRoom(toast);
}

function take(toast) {
  const focused = toast.contains(document.activeElement);
  remove(toast);
  if (!focused || $("toasts").contains(document.activeElement)) return;
  giveFocus(before);
  if (document.activeElement === document.body) giveFocus(document.querySelector("dialog:modal [data-close]") ?? $("batches-title"));
}

// Errors keep their place: nobody has read what went by itself.
function makeRoom(newest) {
  const spare = [...$("toasts").children].filter((toast) => toast !== newest && !toast.classList.contains("error"));
  spare.slice(0, Math.max(0, $("toasts").children.length - shown)).forEach(take);
}

/** Does something of the console, and says what came of it. */
export async function told(action) {
  try {
    const answer = await action();
    notice(answer?.message ?? "Done.");
    return answer;
  } catch (failure) {
    notice(failure.message, "error");
    return null;
  }
}
