// Formats the station's data as text.

export const VERDICTS = {
  ok: "OK",
  defect: "Defect",
  review: "Review",
  missed: "Missed",
  empty: "Empty",
};
export const GATES = {
  passed: "passed",
  rejected: "rejected",
  unconfirmed: "not confirmed",
};
export const CHALLENGE_RESULTS = { found: "detected", passed: "missed", undecided: "undecided" };
const CUSTOMER_CAMERAS = ["cam1", "cam2", "cam3", "cam4"]; // fields of the record; the rest is in `otherCameras`

// A gap record stands for parts that were not inspected; it has none of a part's fields.
export const isGapRecord = (part) => part.gapId !== undefined;
export const partId = (part) => part.recordId ?? part.gapId;

// The cameras that the part had, sorted by name: those with a frame, a box or a picture, and those missing.
export function listCameras(record) {
  const found = [
    ...Object.keys(record.frameSizes ?? {}),
    ...CUSTOMER_CAMERAS.filter((name) => (record[name] ?? []).length),
    ...Object.keys(record.otherCameras ?? {}),
    ...(record.missingCameras ?? []),
    ...(record.evidence ?? []).map((picture) => picture.camera),
  ];
  return [...new Set(found)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

export function boxesForCamera(record, camera) {
  const others = record.otherCameras ?? {};
  const found = CUSTOMER_CAMERAS.includes(camera) ? record[camera] : Object.hasOwn(others, camera) ? others[camera] : [];
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
  (gap.from === gap.to ? `Part ${gap.from}` : `Parts ${gap.from} to ${gap.to}`) + ": not inspected";

export const formatTimeNs = (nanoseconds) => formatTime(nanoseconds / 1e6);

const SILENT_NS = 15e9;

// No report for a while, or a time stamp from a clock far ahead, whose age is unknown.
export const isStale = (now, reported) => Math.abs(now - reported) > SILENT_NS;

const UNITS = { Cel: "°C", "": "" };

export function formatValue(value, unit) {
  if (value === null || value === undefined) return "no value";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  const digits = Math.abs(value) < 10 ? 2 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? unit}`.trim();
}

const reasonText = (reason) => (/\s/.test(reason) ? reason : formatCode(reason)) || "no reason given";
export const formatReason = (reason) => capitalize(reasonText(reason));

// A score has one form everywhere: 0.82.
export const formatScore = (score) => formatNumber(score, 2);

export function listBoxes(record) {
  return listCameras(record).flatMap((camera) => boxesForCamera(record, camera).map((box) => ({ camera, ...box })));
}

function describeBox(box) {
  const size = typeof box.sizeMm === "number" ? `, ${box.sizeMm.toFixed(1)} mm` : "";
  const label = formatCode(box.label);
  const article = /^[aeiou]/i.test(label) ? "an" : "a";
  return `${box.camera} shows ${article} ${label} (score ${formatScore(box.score)}${size})`;
}

function describeBoxes(record) {
  const boxes = listBoxes(record).sort((a, b) => b.score - a.score);
  const named = boxes.slice(0, 2).map(describeBox).join(" and ");
  const more = boxes.length - 2 + (record.boxesOmitted ?? 0);
  return boxes.length > 2 ? `${named}, and ${more} more` : named;
}

// Why the part was passed or rejected, and what the gate did.
export function explainVerdict(record) {
  if (record.challenge) return `${explainChallenge(record)} ${describeGate(record)}`;
  const seen = describeBoxes(record);
  const reason = reasonText(record.reason);
  const sentences = {
    ok: "OK: no camera shows a defect above the limits",
    defect: `Defect: ${seen || reason}`,
    review: `Needs review: ${seen || reason}`,
    missed: `No verdict: ${reason}`,
    empty: "Empty: the line counted a part, but no product was there",
  };
  return `${sentences[record.verdict] ?? formatReason(record.reason)}. ${describeGate(record)}`;
}

function explainChallenge(record) {
    const results = {
    found: "Detected: the station rejected it for this defect.",
    passed: "MISSED: the station passed this challenge part. All parts since the last detected challenge are on hold.",
  };
  const result = results[record.challengeResult] ?? "Undecided: the defect was not detected, and the verdict was not OK.";
  return `Challenge part with a known ${formatCode(record.challenge)}. ${result}`;
}

function describeGate(record) {
  const astray = CONFIRMATIONS[record.gateConfirmation];
  return `${describeGateAction(record)}${astray ? ` ${astray(record.gate)}` : ""}`;
}

// What the sensors behind the gate say, where it is not what the gate did.
const CONFIRMATIONS = {
  not_arrived: (gate) => (gate === "rejected" ? "BUT IT DID NOT ARRIVE IN THE REJECT BIN." : "But it did not arrive behind the gate."),
  unexpected: (gate) => (gate === "rejected" ? "BUT IT WAS SEEN AMONG THE GOOD PARTS." : "But it landed in the reject bin."),
};

function describeGateAction(record) {
  if (record.gate === "unconfirmed") return "What the gate did is not confirmed.";
  if (record.gate === "passed" && !["ok", "empty"].includes(record.verdict)) {
    return "THE GATE PASSED THIS PART.";
  }
  if (record.gate === "rejected" && record.verdict === "ok" && !record.challenge) {
    return "But the gate rejected the part: it does so when no OK arrives in time.";
  }
  return `The gate ${record.gate} the part.`;
}

const formatConfirmation = (confirmation) =>
  ({ confirmed: ", confirmed", not_arrived: ", did not arrive", unexpected: ", seen elsewhere" })[confirmation] ?? "";

// What the gate did, what the sensors behind it saw, and whether the record was corrected later.
export const formatGate = (record) =>
  `${GATES[record.gate] ?? record.gate}${formatConfirmation(record.gateConfirmation)}${record.gateCorrection ? ` (corrected at ${formatTimeNs(record.gateCorrection.acted_at_utc_ns)})` : ""}`;

export const isGateUnexpected = (record) =>
  record.gate === "unconfirmed" ||
  record.gateConfirmation in CONFIRMATIONS ||
  (record.gate === "passed" && !["ok", "empty"].includes(record.verdict));
