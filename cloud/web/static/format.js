// The station's facts in words and numbers for people.

export const VERDICTS = {
  ok: "OK",
  defect: "Defect",
  review: "Review",
  missed: "Missed",
  empty: "Empty",
};
export const GATES = {
  passed: "Gate passed it",
  rejected: "Gate rejected it",
  unconfirmed: "Gate did not confirm",
};
const CAMERAS = ["cam1", "cam2", "cam3", "cam4"];

// A gap stands for parts that nobody saw; it has no record's fields.
export const isGapRecord = (part) => part.gapId !== undefined;
export const partId = (part) => part.recordId ?? part.gapId;

// All cameras of a part in the order of their names; the first four are in every record.
export function listCameras(record) {
  const others = [
    ...Object.keys(record.otherCameras ?? {}),
    ...(record.missingCameras ?? []),
    ...(record.evidence ?? []).map((picture) => picture.camera),
  ];
  const more = [...new Set(others)].filter((name) => !CAMERAS.includes(name));
  return [...CAMERAS, ...more.sort((a, b) => a.localeCompare(b, "en", { numeric: true }))];
}

export function boxesForCamera(record, camera) {
  const others = record.otherCameras ?? {};
  const found = CAMERAS.includes(camera) ? record[camera] : Object.hasOwn(others, camera) ? others[camera] : [];
  return found ?? [];
}

export const formatCode = (code) => String(code).replace(/[-_]+/g, " ").trim();
export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const formatCount = (value) => Number(value).toLocaleString("en");

export function formatNumber(value, digits = 1) {
  return typeof value === "number" && Number.isFinite(value) ? value.toFixed(digits) : "–";
}

export function formatMilliseconds(value) {
  if (typeof value !== "number") return "–";
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export function formatTime(timestamp) {
  const time = new Date(timestamp);
  return Number.isNaN(time.getTime()) ? String(timestamp) : time.toLocaleTimeString("en-GB");
}

export function formatDateTime(timestamp) {
  const time = new Date(timestamp);
  return Number.isNaN(time.getTime()) ? String(timestamp) : time.toLocaleString("en-GB");
}

export function formatAge(nanoseconds) {
  const seconds = Math.max(0, nanoseconds / 1e9);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const formatGap = (gap) =>
  (gap.from === gap.to ? `Part ${gap.from}` : `Parts ${gap.from} to ${gap.to}`) + ": nobody saw them";

export const formatTimeNs = (nanoseconds) => formatTime(nanoseconds / 1e6);

const SILENT_NS = 15e9;

// Nothing told for a while, or by a clock that is far ahead: then nobody knows how old it is.
export const isStale = (now, told) => Math.abs(now - told) > SILENT_NS;

const UNITS = { Cel: "°C", "": "" };

export function formatValue(value, unit) {
  if (value === null || value === undefined) return "no value";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  const digits = Math.abs(value) < 10 ? 2 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? unit}`.trim();
}

export const formatReason = (reason) =>
  capitalize(/\s/.test(reason) ? reason : formatCode(reason)) || "No reason given";

export function listBoxes(record) {
  return listCameras(record).flatMap((camera) => boxesForCamera(record, camera).map((box) => ({ camera, ...box })));
}

function describeBox(box) {
  const size = typeof box.sizeMm === "number" ? `, ${box.sizeMm.toFixed(1)} mm` : "";
  const label = formatCode(box.label);
  const article = /^[aeiou]/i.test(label) ? "an" : "a";
  return `${box.camera} shows ${article} ${label} (score ${Math.round(box.score * 100)} %${size})`;
}

function describeBoxes(record) {
  const boxes = listBoxes(record).sort((a, b) => b.score - a.score);
  const named = boxes.slice(0, 2).map(describeBox).join(" and ");
  const more = boxes.length - 2 + (record.boxesOmitted ?? 0);
  return boxes.length > 2 ? `${named}, and ${more} more` : named;
}

// Why the part went where it went, in one sentence.
export function explainVerdict(record) {
  if (record.challenge) return `${explainChallenge(record)}; ${describeGate(record)}.`;
  const seen = describeBoxes(record);
  const reason = formatReason(record.reason).toLowerCase();
  const sentences = {
    ok: "Judged good: no camera shows a defect that counts",
    defect: seen ? `Rejected because ${seen}` : `Rejected: ${reason}`,
    review: seen ? `A person should look: ${seen}` : `A person should look: ${reason}`,
    missed: `Rejected because no verdict could be given: ${reason}`,
    empty: "No product stood there when the line counted",
  };
  return `${sentences[record.verdict] ?? reason}; ${describeGate(record)}.`;
}

function explainChallenge(record) {
  const begin = `A challenge part, known to have a ${formatCode(record.challenge)}`;
  const results = {
    found: "the station found it",
    passed: "THE STATION JUDGED IT GOOD: all since the last challenge that was found is held back",
  };
  return `${begin}: ${results[record.challengeResult] ?? "it was not found, and not judged good either"}`;
}

function describeGate(record) {
  if (record.gate === "unconfirmed") return "what the gate did is not confirmed";
  if (record.gate === "passed" && !["ok", "empty"].includes(record.verdict)) {
    return "BUT THE GATE LET IT PASS";
  }
  if (record.gate === "rejected" && record.challenge) return "the gate took it out";
  if (record.gate === "rejected" && record.verdict === "ok") {
    return "yet the gate rejected it, as it does without a fresh OK in time";
  }
  return record.gate === "passed" ? "the gate let it pass" : "the gate took it out";
}

// What the gate did, and whether that became known only after the record.
export const formatGate = (record) =>
  `${GATES[record.gate] ?? record.gate}${record.gateCorrection ? ` (corrected at ${formatTimeNs(record.gateCorrection.acted_at_utc_ns)})` : ""}`;

export const isGateUnexpected = (record) =>
  record.gate === "unconfirmed" ||
  (record.gate === "passed" && !["ok", "empty"].includes(record.verdict));
