// One part in detail: explanation, large pictures, detections, versions, timings, machine state.

import { createElement } from "./dom.js";
import {
  capitalize, CHALLENGE_RESULTS, explainVerdict, formatCode, formatCount, formatDateTime, formatGap, formatGate,
  formatMilliseconds, formatReason, formatScore, formatValue, GATES, isGapRecord, listBoxes, VERDICTS,
} from "./format.js";
import { verdictIcon } from "./icons.js";
import { pictureGrid } from "./picture-grid.js";
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
    pictureGrid(record, "div", true),
    createElement("div", { class: "detail-acts" }, referenceButton(record)),
    createElement("div", { class: "fact-columns" }, createElement("div", {}, detectionBlock(record), versionBlock(record)), factBlock(record), timingBlock(record), machineBlock(record)),
  ];
}

function fillWithGap(dialog, gap) {
  const rows = [
    ["Counted as missed", formatCount(gap.to - gap.from + 1)],
    ["Reason", formatReason(gap.reason)],
    ["Product", gap.product || "–"],
    ["Lot", gap.lot || "–"],
    ["Mode", capitalize(gap.mode ?? "production")],
    ["Epoch", String(gap.epoch)],
    ["Record", asJson(gap, gap.gapId)],
  ];
  return [
    head(dialog, gap, "missed", formatGap(gap)),
    createElement("p", { class: "why" }, "The line counted these parts, but the station did not inspect them. The gate rejects parts without a verdict, but this is not confirmed for these. If the gate was in bypass, they passed."),
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
  createElement("a", { href: withStation(`/api/parts/${encodeURIComponent(id)}`, part.stationId), target: "_blank" }, "Open as JSON");

function detectionBlock(record) {
  const rows = listBoxes(record).map((box) => [
    `${capitalize(formatCode(box.label))} · ${box.camera}`,
    `${formatScore(box.score)}${typeof box.sizeMm === "number" ? ` · ${box.sizeMm.toFixed(1)} mm` : ""}`,
  ]);
  if (record.boxesOmitted) rows.push(["Not in the record", `${record.boxesOmitted} more`]);
  return block("Detections", rows.length ? rows : [["None", ""]]);
}

function factBlock(record) {
  return block("Part", [
    ["Reason", formatReason(record.reason)],
    ["Gate", capitalize(formatGate(record))],
    ...(record.gateCorrection ? [["Gate in the record", capitalize(GATES[record.gateCorrection.recorded] ?? record.gateCorrection.recorded)]] : []),
    ["Product", record.product || "–"],
    ["Lot", record.lot || "–"],
    ...(record.serial ? [["Serial number", record.serial]] : []),
    ["Mode", capitalize(record.mode ?? "production")],
    ...challengeBlock(record),
    ["Epoch", String(record.epoch)],
    ["Missing cameras", (record.missingCameras ?? []).join(", ") || "none"],
    ["Record", asJson(record, record.recordId)],
  ]);
}

function challengeBlock(record) {
  const rows = [];
  if (record.challenge) rows.push(["Challenge", `${formatCode(record.challenge)}: ${CHALLENGE_RESULTS[record.challengeResult] ?? "no result"}`]);
  if (record.hold) rows.push(["Hold", record.hold]);
  if (record.heldBack) {
    const { first, last } = record.heldBack;
    const name = (part) => (part.epoch === record.epoch ? part.part_number : `${part.epoch}-${part.part_number}`);
    rows.push(["Affected parts", `from ${first ? name(first) : "the start"} to ${name(last)}`]);
  }
  return rows;
}

function timingBlock(record) {
  const timings = record.timings ?? {};
  const names = {
    trigger_to_verdict_ms: "Trigger to verdict",
    capture_ms: "Capture",
    queue_ms: "Queue",
    preprocess_ms: "Preprocessing",
    model_ms: "Models",
    decode_ms: "Decoding",
    commit_ms: "Commit",
  };
  const rows = Object.entries(names).map(([key, name]) => [name, formatMilliseconds(timings[key])]);
  const images = (timings.per_image_ms ?? []).map((value) => value.toFixed(1)).join(" · ");
  return block("Timings", [...rows, ["Per image, ms", images || "–"]]);
}

function machineBlock(record) {
  const state = record.machine;
  if (!state) return block("Machine state", [["Status", "unknown"]]);
  const speed = record.conveyerBeltSpeed;
  const isBeltSpeed = (tag, value) => value === speed && /speed/i.test(tag); // shown once, with its unit
  const values = Object.entries(state.values ?? {})
    .filter(([tag, value]) => !isBeltSpeed(tag, value))
    .map(([tag, value]) => [capitalize(formatCode(tag)), formatValue(value, "")]);
  return block("Machine state", [
    ["Status", `${state.status}, ${state.ageS.toFixed(1)} s old`],
    ["Belt speed", formatValue(speed, "m/s")],
    ["Outlier", state.outlierCause ? `${formatCode(state.outlierCause)} (${state.outlierScore.toFixed(1)})` : "none"],
    ...values,
  ]);
}

function versionBlock(record) {
  const models = (record.models ?? []).map((model) => [
    `Model ${model.name}`,
    createElement("code", { title: model.digest }, model.digest.slice(0, 16)),
  ]);
  return block("Versions", [
    ...(models.length ? models : [["Models", "none"]]),
    ["Policy", record.policyVersion || "–"],
    ["Calibration", record.calibrationVersion || "–"],
  ]);
}

function block(title, rows) {
  const entries = rows.flatMap(([name, value]) => [createElement("dt", {}, name), createElement("dd", {}, value)]);
  return createElement("section", { class: "facts" }, createElement("h3", {}, title), createElement("dl", {}, entries));
}
