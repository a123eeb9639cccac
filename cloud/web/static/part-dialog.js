// One part in full: why, large pictures, what the machine did, what judged it, how long it took.

import { cameraPicture } from "./camera-pictures.js";
import { createElement } from "./dom.js";
import {
  capitalize, explainVerdict, formatCode, formatCount, formatDateTime, formatGap, formatGate, formatMilliseconds,
  formatReason, formatValue, GATES, isGapRecord, listBoxes, listCameras, VERDICTS,
} from "./format.js";
import { verdictIcon } from "./icons.js";
import { referenceButton } from "./reference-button.js";
import { withStation } from "./station-choice.js";

export function openPartDialog(dialog, record, onClose) {
  dialog.replaceChildren(...(isGapRecord(record) ? fillWithGap(dialog, record) : fillWithPart(dialog, record)));
  dialog.onclose = onClose;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function fillWithPart(dialog, record) {
  return [
    head(dialog, record, record.verdict, `Part ${record.partNumber} · ${VERDICTS[record.verdict] ?? record.verdict}`),
    createElement("p", { class: "why" }, explainVerdict(record)),
    createElement("div", { class: "pictures large" }, listCameras(record).map((c) => cameraPicture(record, c, true))),
    createElement("div", { class: "detail-acts" }, referenceButton(record)),
    createElement("div", { class: "fact-columns" }, createElement("div", {}, detectionBlock(record), versionBlock(record)), factBlock(record), timingBlock(record), machineBlock(record)),
  ];
}

function fillWithGap(dialog, gap) {
  const rows = [
    ["Counts as missed", formatCount(gap.to - gap.from + 1)],
    ["Reason", formatReason(gap.reason)],
    ["Product", gap.product || "–"],
    ["Lot", gap.lot || "–"],
    ["Mode", capitalize(gap.mode ?? "production")],
    ["Epoch", String(gap.epoch)],
    ["Record", asJson(gap, gap.gapId)],
  ];
  return [
    head(dialog, gap, "missed", formatGap(gap)),
    createElement("p", { class: "why" }, "The line counted these parts and no station saw them: none of them is judged. The gate takes out what is not judged, but nobody confirmed it of these; if the gate was open by bypass, they passed."),
    createElement("div", { class: "fact-columns" }, block("Parts", rows)),
  ];
}

function head(dialog, part, verdict, title) {
  return createElement(
    "header",
    { class: `detail-head ${verdict}` },
    verdictIcon(verdict, 34),
    createElement(
      "div",
      {},
      createElement("h2", { id: "detail-title" }, title),
      createElement("p", {}, `${formatDateTime(part.timestamp)} · ${part.stationId} · ${part.lineId}`),
    ),
    createElement("button", { class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×"),
  );
}

const asJson = (part, id) =>
  createElement("a", { href: withStation(`/api/parts/${encodeURIComponent(id)}`, part.stationId), target: "_blank" }, "as JSON");

function detectionBlock(record) {
  const rows = listBoxes(record).map((box) => [
    `${capitalize(formatCode(box.label))} · ${box.camera}`,
    `${Math.round(box.score * 100)} %${typeof box.sizeMm === "number" ? ` · ${box.sizeMm.toFixed(1)} mm` : ""}`,
  ]);
  if (record.boxesOmitted) rows.push(["Left out of the record", `${record.boxesOmitted} more`]);
  return block("Found", rows.length ? rows : [["No defect", ""]]);
}

function factBlock(record) {
  return block("Part", [
    ["Reason", formatReason(record.reason)],
    ["Gate", formatGate(record)],
    ...(record.gateCorrection ? [["Gate as recorded", GATES[record.gateCorrection.recorded] ?? record.gateCorrection.recorded]] : []),
    ["Product", record.product || "–"],
    ["Lot", record.lot || "–"],
    ["Mode", capitalize(record.mode ?? "production")],
    ...challengeBlock(record),
    ["Epoch", String(record.epoch)],
    ["Missing cameras", (record.missingCameras ?? []).join(", ") || "none"],
    ["Record", asJson(record, record.recordId)],
  ]);
}

function challengeBlock(record) {
  const rows = [];
  if (record.challenge) rows.push(["Challenge", `${formatCode(record.challenge)}: ${record.challengeResult || "missed"}`]);
  if (record.hold) rows.push(["Held back", `hold ${record.hold}`]);
  if (record.heldBack) {
    const { first, last } = record.heldBack;
    rows.push(["Puts in doubt", `parts ${first ? `${first.epoch}-${first.part_number}` : "since ever"} to ${last.epoch}-${last.part_number}`]);
  }
  return rows;
}

function timingBlock(record) {
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
  const rows = Object.entries(names).map(([key, name]) => [name, formatMilliseconds(timings[key])]);
  const images = (timings.per_image_ms ?? []).map((value) => value.toFixed(1)).join(" · ");
  return block("Time taken", [...rows, ["Each image, ms", images || "–"]]);
}

function machineBlock(record) {
  const state = record.machine;
  if (!state) return block("Machine at that time", [["State", "not known"]]);
  const values = Object.entries(state.values ?? {}).map(([tag, value]) => [
    capitalize(formatCode(tag)),
    formatValue(value, ""),
  ]);
  return block("Machine at that time", [
    ["Status", `${state.status}, ${state.ageS.toFixed(1)} s old`],
    ["Belt speed", formatValue(record.conveyerBeltSpeed, "m/s")],
    ["Unusual", state.outlierCause ? `${formatCode(state.outlierCause)} (${state.outlierScore.toFixed(1)})` : "nothing"],
    ...values,
  ]);
}

function versionBlock(record) {
  const models = (record.models ?? []).map((model) => [
    model.name,
    createElement("code", { title: model.digest }, model.digest.slice(0, 16)),
  ]);
  return block("Judged by", [
    ...(models.length ? models : [["Models", "none"]]),
    ["Policy", record.policyVersion || "–"],
    ["Calibration", record.calibrationVersion || "–"],
  ]);
}

function block(title, rows) {
  const entries = rows.flatMap(([name, value]) => [createElement("dt", {}, name), createElement("dd", {}, value)]);
  return createElement("section", { class: "facts" }, createElement("h3", {}, title), createElement("dl", {}, entries));
}
