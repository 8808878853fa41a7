// Single keys for what is done most. They can be switched off: a word that is taken for keys, or a slip, must not act.

import { $, attribute, dialog } from "./dom.js";

// For as long as the tab is open, also when it is loaded again.
const off = "tandem-keys-off";

export function setUpKeys(actions) {
  const box = dialog("keys");
  const shortcuts = { ...actions, "?": () => box.showModal() };
  const told = [...document.querySelectorAll("[aria-keyshortcuts]")].map((element) => [element, element.getAttribute("aria-keyshortcuts")]);
  const tell = () => told.forEach(([element, keys]) => attribute(element, "aria-keyshortcuts", $("keys-on").checked ? keys : null));
  $("help").addEventListener("click", () => box.showModal());
  $("keys-on").checked = !sessionStorage.getItem(off);
  $("keys-on").addEventListener("change", () => {
    if ($("keys-on").checked) sessionStorage.removeItem(off);
    else sessionStorage.setItem(off, "yes");
    tell();
  });
  tell();
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=radio]), select, textarea, [contenteditable]");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (!$("keys-on").checked || !shortcuts[event.key] || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    shortcuts[event.key]();
  });
}
