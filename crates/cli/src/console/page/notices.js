// Short messages. Good news goes by itself; bad news stays until it is dismissed.

import { $, element } from "./dom.js";
import { visible } from "./format.js";

const shown = 4;
const patience = 7000;

// What was moved into a dialog comes back when that closes; `close` does not bubble.
document.addEventListener("close", () => document.body.append($("toasts")), true);

export function notice(message, kind = "info") {
  const toast = element("div", undefined, `toast ${kind}`);
  const dismiss = element("button", "Dismiss", "small quiet");
  dismiss.type = "button";
  toast.append(element("b", kind === "error" ? "Error" : "Done"), element("p", visible(message)), dismiss);
  const remove = () => toast.remove();
  dismiss.addEventListener("click", remove);
  // An open modal dialog makes everything beneath it inert; a message belongs where it can be read and dismissed.
  (document.querySelector("dialog:modal") ?? document.body).append($("toasts"));
  $("toasts").append(toast);
  if (kind !== "error") setTimeout(remove, patience);
  while ($("toasts").children.length > shown) $("toasts").firstElementChild.remove();
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
