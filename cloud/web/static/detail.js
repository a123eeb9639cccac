// One part in full: why, large pictures, what the machine did, what judged it, how long it took.

import { make } from "./dom.js";
import { verdictIcon } from "./icons.js";
import { cameraPicture } from "./pictures.js";
import { referenceButton } from "./reference-button.js";
import { withStation } from "./stations.js";
import {
  boxesOf, camerasOf, capital, count, dateAndTime, GATES, gateWords, isGap, milliseconds, plain, reasonInWords, unseenParts,
  valueWithUnit, VERDICTS, why,
} from "./words.js";

export function showDetail(dialog, record, onClose) {
  dialog.replaceChildren(...(isGap(record) ? ofGap(dialog, record) : ofPart(dialog, record)));
  dialog.onclose = onClose;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function ofPart(dialog, record) {
  return [
    head(dialog, record, record.verdict, `Part ${record.partNumber} · ${VERDICTS[record.verdict] ?? record.verdict}`),
    make("p", { class: "why" }, why(record)),
    make("div", { class: "pictures large" }, camerasOf(record).map((c) => cameraPicture(record, c, true))),
    make("div", { class: "detail-acts" }, referenceButton(record)),
    make("div", { class: "fact-columns" }, make("div", {}, found(record), judges(record)), facts(record), times(record), machine(record)),
  ];
}

function ofGap(dialog, gap) {
  const rows = [
    ["Counts as missed", count(gap.to - gap.from + 1)],
    ["Reason", reasonInWords(gap.reason)],
    ["Product", gap.product || "–"],
    ["Lot", gap.lot || "–"],
    ["Mode", capital(gap.mode ?? "production")],
    ["Epoch", String(gap.epoch)],
    ["Record", asJson(gap, gap.gapId)],
  ];
  return [
    head(dialog, gap, "missed", unseenParts(gap)),
    make("p", { class: "why" }, "The line counted these parts and no station saw them: none of them is judged. The gate takes out what is not judged, but nobody confirmed it of these; if the gate was open by bypass, they passed."),
    make("div", { class: "fact-columns" }, block("Parts", rows)),
  ];
}

function head(dialog, part, verdict, title) {
  return make(
    "header",
    { class: `detail-head ${verdict}` },
    verdictIcon(verdict, 34),
    make(
      "div",
      {},
      make("h2", { id: "detail-title" }, title),
      make("p", {}, `${dateAndTime(part.timestamp)} · ${part.stationId} · ${part.lineId}`),
    ),
    make("button", { class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×"),
  );
}

const asJson = (part, id) =>
  make("a", { href: withStation(`/api/parts/${encodeURIComponent(id)}`, part.stationId), target: "_blank" }, "as JSON");

function found(record) {
  const rows = boxesOf(record).map((box) => [
    `${capital(plain(box.label))} · ${box.camera}`,
    `${Math.round(box.score * 100)} %${typeof box.sizeMm === "number" ? ` · ${box.sizeMm.toFixed(1)} mm` : ""}`,
  ]);
  if (record.boxesOmitted) rows.push(["Left out of the record", `${record.boxesOmitted} more`]);
  return block("Found", rows.length ? rows : [["No defect", ""]]);
}

function facts(record) {
  return block("Part", [
    ["Reason", reasonInWords(record.reason)],
    ["Gate", gateWords(record)],
    ...(record.gateCorrection ? [["Gate as recorded", GATES[record.gateCorrection.recorded] ?? record.gateCorrection.recorded]] : []),
    ["Product", record.product || "–"],
    ["Lot", record.lot || "–"],
    ["Mode", capital(record.mode ?? "production")],
    ...challenge(record),
    ["Epoch", String(record.epoch)],
    ["Missing cameras", (record.missingCameras ?? []).join(", ") || "none"],
    ["Record", asJson(record, record.recordId)],
  ]);
}

function challenge(record) {
  const rows = [];
  if (record.challenge) rows.push(["Challenge", `${plain(record.challenge)}: ${record.challengeResult || "missed"}`]);
  if (record.hold) rows.push(["Held back", `hold ${record.hold}`]);
  if (record.heldBack) {
    const { first, last } = record.heldBack;
    rows.push(["Puts in doubt", `parts ${first ? `${first.epoch}-${first.part_number}` : "since ever"} to ${last.epoch}-${last.part_number}`]);
  }
  return rows;
}

function times(record) {
  const timings = record.timings ?? {};
  const names = {
    trigger_to_verdict_ms: "Trigger to verdict",
    capture_ms: "Capture",
    queue_ms: "Waiting",
    preprocess_ms: "Preprocessing",
    model_ms: "Models",
    decode_ms: "Decoding",
    commit_ms: "Commit",
  };
  const rows = Object.entries(names).map(([key, name]) => [name, milliseconds(timings[key])]);
  const images = (timings.per_image_ms ?? []).map((value) => value.toFixed(1)).join(" · ");
  return block("Time taken", [...rows, ["Each image, ms", images || "–"]]);
}

function machine(record) {
  const state = record.machine;
  if (!state) return block("Machine at that time", [["State", "not known"]]);
  const values = Object.entries(state.values ?? {}).map(([tag, value]) => [
    capital(plain(tag)),
    valueWithUnit(value, ""),
  ]);
  return block("Machine at that time", [
    ["Status", `${state.status}, ${state.ageS.toFixed(1)} s old`],
    ["Belt speed", valueWithUnit(record.conveyerBeltSpeed, "m/s")],
    ["Unusual", state.outlierCause ? `${plain(state.outlierCause)} (${state.outlierScore.toFixed(1)})` : "nothing"],
    ...values,
  ]);
}

function judges(record) {
  const models = (record.models ?? []).map((model) => [
    model.name,
    make("code", { title: model.digest }, model.digest.slice(0, 16)),
  ]);
  return block("Judged by", [
    ...(models.length ? models : [["Models", "none"]]),
    ["Policy", record.policyVersion || "–"],
    ["Calibration", record.calibrationVersion || "–"],
  ]);
}

function block(title, rows) {
  const entries = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  return make("section", { class: "facts" }, make("h3", {}, title), make("dl", {}, entries));
}
