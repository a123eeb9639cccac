// The last parts as cards; a card is built once, for a record never changes.

import { make } from "./dom.js";
import { verdictIcon } from "./icons.js";
import { cameraPicture } from "./pictures.js";
import { CAMERAS, clock, gateIsOdd, GATES, milliseconds, reasonInWords, VERDICTS } from "./words.js";

const built = new Map();

export function showCards(container, records, open) {
  const wanted = new Set(records.map((record) => record.recordId));
  for (const [id, card] of built) {
    if (!wanted.has(id)) {
      card.remove();
      built.delete(id);
    }
  }
  let place = container.firstElementChild;
  for (const record of records) {
    const card = built.get(record.recordId) ?? build(record, open);
    if (card === place) place = place.nextElementSibling;
    else container.insertBefore(card, place);
  }
}

function build(record, open) {
  const card = make(
    "button",
    { class: `card ${record.verdict}`, onclick: () => open(record), "data-part": record.partNumber },
    head(record),
    pictures(record),
    make("span", { class: "card-reason" }, reasonInWords(record.reason)),
    make(
      "span",
      { class: "card-foot" },
      make("span", { class: gateIsOdd(record) ? "odd" : "" }, GATES[record.gate] ?? record.gate),
      make("span", { title: "from trigger to verdict" }, milliseconds(record.timings?.trigger_to_verdict_ms)),
    ),
  );
  built.set(record.recordId, card);
  return card;
}

function head(record) {
  return make(
    "span",
    { class: "card-head" },
    verdictIcon(record.verdict),
    make("span", { class: "card-verdict" }, VERDICTS[record.verdict] ?? record.verdict),
    make("span", { class: "card-number" }, `#${record.partNumber}`),
    make("time", { datetime: record.timestamp }, clock(record.timestamp)),
  );
}

function pictures(record) {
  const nothing = !(record.evidence ?? []).length && !CAMERAS.some((c) => (record[c] ?? []).length);
  if (nothing && !(record.missingCameras ?? []).length) {
    return make("span", { class: "pictures none" }, "no picture kept");
  }
  return make("span", { class: "pictures" }, CAMERAS.map((c) => cameraPicture(record, c, false)));
}
