// What other thresholds would have made of the last parts: in sentences, with the parts that change.

import { createElement } from "./dom.js";
import { formatCount, VERDICTS } from "./format.js";
import { partCard } from "./part-cards.js";

const name = (verdict) => VERDICTS[verdict] ?? verdict;

export function effectView(effect, open) {
  if (!effect.parts) return [createElement("p", { class: "note" }, "No part of this product's version is recorded yet. The effect is not known.")];
  return [
    createElement("p", { class: "effect-lead" }, describeEffect(effect)),
    effect.unknown ? createElement("p", { class: "note" }, describeUnknown(effect.unknown)) : null,
    ...effect.changes.flatMap((change) => [
      createElement("p", { class: change.after === "ok" ? "effect-change escape" : "effect-change" }, describeChange(change)),
      createElement("div", { class: "cards" }, change.examples.map((record) => partCard(record, open))),
      change.count > change.examples.length ? createElement("p", { class: "note" }, `and ${formatCount(change.count - change.examples.length)} more`) : null,
    ]),
  ].filter(Boolean);
}

export function describeEffect({ parts, unchanged, changes }) {
  const changed = changes.reduce((sum, change) => sum + change.count, 0);
  const lead = `Of the last ${formatCount(parts)} parts, `;
  if (!changed) return `${lead}${formatCount(unchanged)} would keep their verdict, and none is known to change.`;
  return `${lead}${changes.map((change) => `${formatCount(change.count)} ${name(change.before)} would become ${name(change.after)}`).join(", ")}; ${formatCount(unchanged)} would keep their verdict.`;
}

const describeChange = ({ before, after, count }) =>
  `${formatCount(count)} from ${name(before)} to ${name(after)}${after === "ok" ? ": the gate would let them pass" : ""}`;

const describeUnknown = (unknown) =>
  `Of ${formatCount(unknown)} parts it is unknown: it depends on scores below those that the station looked at, or their records have no scores.`;
