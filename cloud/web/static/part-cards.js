// The latest parts as cards. A card is built once, and again when the gate's action was corrected.

import { createElement } from "./dom.js";
import {
  formatCount, formatGap, formatGate, formatMilliseconds, formatReason, formatTime, isGapRecord, isGateUnexpected,
  partId, VERDICTS,
} from "./format.js";
import { verdictIcon } from "./icons.js";
import { pictureGrid } from "./picture-grid.js";

const built = new Map();

export function renderPartCards(container, records, open) {
  const wanted = new Set(records.map(cardKey));
  for (const [id, card] of built) {
    if (!wanted.has(id)) {
      card.remove();
      built.delete(id);
    }
  }
  let place = container.firstElementChild;
  for (const record of records) {
    const card = built.get(cardKey(record)) ?? buildCard(record, open);
    if (card === place) place = place.nextElementSibling;
    else container.insertBefore(card, place);
  }
}

const cardKey = (record) => `${partId(record)} ${record.gate ?? ""}`;

function buildCard(record, open) {
  const card = isGapRecord(record) ? gapCard(record, open) : partCard(record, open);
  built.set(cardKey(record), card);
  return card;
}

function gapCard(gap, open) {
  return createElement(
    "button",
    { class: "card missed gap", onclick: () => open(gap), "data-part": gap.to },
    createElement(
      "span",
      { class: "card-head" },
      verdictIcon("missed"),
      createElement("span", { class: "card-verdict" }, `${formatCount(gap.to - gap.from + 1)} missed`),
      createElement("time", { datetime: gap.timestamp }, formatTime(gap.timestamp)),
    ),
    createElement("span", { class: "card-reason" }, createElement("strong", {}, formatGap(gap))),
    createElement("span", { class: "card-reason" }, formatReason(gap.reason)),
    createElement("span", { class: "card-foot" }, createElement("span", { class: "odd" }, "No pictures and no single records")),
  );
}

export function partCard(record, open) {
  return createElement(
    "button",
    { class: `card ${record.verdict}`, onclick: () => open(record), "data-part": record.partNumber },
    buildCardHead(record),
    pictureGrid(record, "span", false),
    createElement("span", { class: "card-reason" }, formatReason(record.reason)),
    createElement(
      "span",
      { class: "card-foot" },
      createElement("span", { class: isGateUnexpected(record) ? "odd" : "" }, `Gate: ${formatGate(record)}`),
      createElement("span", { title: "Trigger to verdict" }, formatMilliseconds(record.timings?.trigger_to_verdict_ms)),
    ),
  );
}

function buildCardHead(record) {
  return createElement(
    "span",
    { class: "card-head" },
    verdictIcon(record.verdict),
    createElement("span", { class: "card-verdict" }, VERDICTS[record.verdict] ?? record.verdict),
    createElement("span", { class: "card-number" }, `#${record.partNumber}`),
    createElement("time", { datetime: record.timestamp }, formatTime(record.timestamp)),
  );
}
