// The rows of the report's tables, and the open points.

import { createElement } from "./dom.js";
import { formatCode, formatDateTime, formatNumber, isStale } from "./format.js";
import { gateTimings, minReserve } from "./gate-timing-plot.js";

const STALE_NS = 60e9;
const shortName = (name) => name.split(".").pop();
const formatUtcNs = (utcNs) => formatDateTime(utcNs / 1e6);
const timeCell = (utcNs) => createElement("span", { class: "time" }, formatUtcNs(utcNs));
export const findLastDone = (bench, kind) => bench.steps.find((step) => step.kind === kind && step.result === "done");

export function cameraRows(bench) {
  return bench.views.map((view) => [
    view.camera,
    view.device,
    `${formatNumber(view.focus, 1)}`,
    formatNumber(view.brightness, 0),
    view.out_of_range.length
      ? createElement("span", { class: "bad" }, `out of range: ${view.out_of_range.join(", ")}`)
      : `within limits${typeof view.shift_px === "number" ? `, shifted ${formatNumber(view.shift_px, 1)} px` : ""}`,
    view.reference_version || "–",
  ]);
}

export function calibrationRows(bench) {
  return bench.views
    .filter((view) => typeof view.mm_per_pixel === "number")
    .map((view) => {
      const step = bench.steps.find((entry) => (entry.calibrations ?? []).some((found) => found.camera === view.camera));
      const found = step?.calibrations.find((entry) => entry.camera === view.camera);
      return [
        view.camera,
        view.mm_per_pixel.toFixed(4),
        formatNumber(view.reprojection_px, 2),
        found ? `${formatNumber(found.tilt_deg, 1)}°` : "–",
        found ? timeCell(found.calibrated_utc_ns) : "–",
        view.calibration_version,
      ];
    });
}

export function gateRows(bench, tableOrNote) {
  const step = bench.steps.find((entry) => entry.kind === "gate_dry_run");
  if (!step) return [tableOrNote([], [], "Not done")];
  const rows = (step.trials ?? []).map((trial) => [
    String(trial.number),
    trial.ordered,
    trial.echoed === null ? "no echo" : String(trial.echoed),
    trial.acted ?? "not reported",
    `${formatNumber(trial.order_to_echo_ms, 0)} ms`,
    `${formatNumber(trial.order_to_act_ms, 0)} ms`,
  ]);
  const words = createElement("p", { class: step.result === "done" ? "good" : "bad" }, `${formatUtcNs(step.at_utc_ns)}: ${step.text}`);
  return [words, tableOrNote(rows, ["Trial", "Command", "PLC echo", "Gate", "Time to echo", "Time to gate"], "")];
}

export function versionRows(summary, station, record) {
  const components = Object.entries(summary.health)
    .filter(([, entry]) => entry.station_id === station)
    .map(([name, entry]) => [shortName(name), entry.version, "–"]);
  const models = (record?.models ?? []).map((model) => [`Model ${model.name}`, "–", createElement("code", {}, model.digest)]);
  const rest = record
    ? [["Policy", record.policyVersion || "–", "–"], ["Product", record.product || "–", "–"], ["Calibration", record.calibrationVersion || "–", "–"]]
    : [];
  return [["Server", summary.versions.sightline, "–"], ...components, ...models, ...rest];
}

export function faultRows(faults) {
  return faults.map((fault) => [shortName(fault.component), fault.text, timeCell(fault.since_utc_ns), timeCell(fault.until_utc_ns)]);
}

// What a person who accepts the station has to know.
export function listOpenPoints({ summary, bench, records, faults, looked, now }) {
  const points = [];
  if (looked) points.push(`The camera pictures could not be refreshed: ${looked}`);
  for (const view of bench.views) {
    if (now - view.seen_utc_ns > STALE_NS) points.push(`${view.camera} has sent no picture for more than a minute`);
    if (view.out_of_range.length) points.push(`${view.camera} is out of range: ${view.out_of_range.join(", ")}`);
    if (typeof view.mm_per_pixel !== "number") points.push(`${view.camera} is not calibrated`);
    if (!view.reference_version) points.push(`${view.camera} has no reference from this station`);
  }
  if (!bench.views.length) points.push("No camera has sent a picture");
  const trial = bench.steps.find((step) => step.kind === "gate_dry_run");
  if (!trial) points.push("The gate dry run is not done");
  else if (trial.result !== "done") points.push(`The gate dry run failed: ${trial.text}`);
  const margin = minReserve(gateTimings(records));
  if (margin !== null && margin < 0) points.push(`A verdict came ${formatNumber(-margin, 0)} ms after its deadline`);
  for (const [name, entry] of Object.entries(summary.health)) {
    if (isStale(now, entry.at_utc_ns)) points.push(`${shortName(name)} is silent`);
    else if (!entry.ready) points.push(`${shortName(name)} is not ready`);
  }
  const standing = faults.filter((fault) => !isStale(now, fault.until_utc_ns));
  return [...points, ...standing.map((fault) => `${shortName(fault.component)}: ${formatCode(fault.text)}`)];
}
