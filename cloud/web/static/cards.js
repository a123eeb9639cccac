// The last parts as cards; a card is built once, and anew when the gate is known to have done otherwise.

import { make } from "./dom.js";
import { verdictIcon } from "./icons.js";
import { cameraPicture } from "./pictures.js";
import {
  boxesOf, camerasOf, clock, count, gateIsOdd, gateWords, idOf, isGap, milliseconds, reasonInWords, unseenParts, VERDICTS,
} from "./words.js";

const built = new Map();

export function showCards(container, records, open) {
  const wanted = new Set(records.map(keyOf));
  for (const [id, card] of built) {
    if (!wanted.has(id)) {
      card.remove();
      built.delete(id);
    }
  }
  let place = container.firstElementChild;
  for (const record of records) {
    const card = built.get(keyOf(record)) ?? build(record, open);
    if (card === place) place = place.nextElementSibling;
    else container.insertBefore(card, place);
  }
}

const keyOf = (record) => `${idOf(record)} ${record.gate ?? ""}`;

function build(record, open) {
  const card = isGap(record) ? gapCard(record, open) : partCard(record, open);
  built.set(keyOf(record), card);
  return card;
}

function gapCard(gap, open) {
  return make(
    "button",
    { class: "card missed gap", onclick: () => open(gap), "data-part": gap.to },
    make(
      "span",
      { class: "card-head" },
      verdictIcon("missed"),
      make("span", { class: "card-verdict" }, `${count(gap.to - gap.from + 1)} missed`),
      make("time", { datetime: gap.timestamp }, clock(gap.timestamp)),
    ),
    make("span", { class: "card-reason" }, make("strong", {}, unseenParts(gap))),
    make("span", { class: "card-reason" }, reasonInWords(gap.reason)),
    make("span", { class: "card-foot" }, make("span", { class: "odd" }, "No picture, no record of each")),
  );
}

function partCard(record, open) {
  return make(
    "button",
    { class: `card ${record.verdict}`, onclick: () => open(record), "data-part": record.partNumber },
    head(record),
    pictures(record),
    make("span", { class: "card-reason" }, reasonInWords(record.reason)),
    make(
      "span",
      { class: "card-foot" },
      make("span", { class: gateIsOdd(record) ? "odd" : "" }, gateWords(record)),
      make("span", { title: "from trigger to verdict" }, milliseconds(record.timings?.trigger_to_verdict_ms)),
    ),
  );
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
  const nothing = !(record.evidence ?? []).length && !boxesOf(record).length;
  if (nothing && !(record.missingCameras ?? []).length) {
    return make("span", { class: "pictures none" }, "no picture kept");
  }
  return make("span", { class: "pictures" }, camerasOf(record).map((c) => cameraPicture(record, c, false)));
}
