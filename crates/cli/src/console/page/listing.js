// Of how many batches the listed ones are a part, in words.

import { number } from "./format.js";

/** What is left out of a list with so many open, running and ended batches; nothing if nothing is. */
export function partOf(list, { open, running, ended }) {
  if (!list) return "";
  const told = [];
  if (open < list.open || ended < list.ended || list.more) {
    told.push(`Listed are ${number(open)} of ${number(list.open)} open batches, the longest unchanged, and ${number(ended)} of ${number(list.ended)} that have ended, the newest, with room for those that failed.`);
    if (list.more) told.push("There are others that this page does not know.");
    told.push("tandem status names every open one.");
  }
  if (running > list.followed) told.push(`Of the ${number(running)} that run, ${number(list.followed)} are followed from stage to stage.`);
  return told.join(" ");
}
