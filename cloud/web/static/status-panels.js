// The machine's readings with their normal ranges, the components' health, the versions, the dead letters.

import { createElement } from "./dom.js";
import { capitalize, formatCode, formatCount, formatNumber, formatTimeNs, formatValue, isStale } from "./format.js";

const ORDER = ["Capture", "Inference", "Equipment", "Telemetry", "Publisher"];
const open = new Set();

export function machinePanel([machines, stale]) {
  const states = Object.values(machines);
  if (!states.length) return note("No machine has reported yet");
  return states.map((state) =>
    createElement(
      "div",
      { class: "machine" },
      createElement(
        "p",
        { class: "line" },
        createElement("strong", {}, state.equipment_id),
        createElement("span", { class: `pill ${state.status === "running" ? "good" : "waiting"}` }, capitalize(state.status)),
        stale[state.equipment_id] ? createElement("span", { class: "pill bad" }, "No data") : null,
      ),
      state.outlier_cause
        ? createElement("p", { class: "unusual" }, `Outlier: ${formatCode(state.outlier_cause)} (score ${formatNumber(state.outlier_score)})`)
        : null,
      state.values.map((value) => reading(value, value.tag === state.outlier_cause)),
    ),
  );
}

function reading(value, isCause) {
  const limits = formatLimits(value);
  const outside = limits !== null && typeof value.value === "number" && (value.value < limits.low || value.value > limits.high);
  const bad = outside || isCause || value.quality !== "good";
  return createElement(
    "div",
    { class: bad ? "reading bad" : "reading", "data-key": value.tag },
    createElement("span", { class: "reading-name" }, capitalize(formatCode(value.tag))),
    createElement("span", { class: "reading-value" }, value.quality === "good" ? formatValue(value.value, value.unit) : `${value.quality} reading`),
    limits && typeof value.value === "number" ? scale(value.value, limits) : null,
    limits ? createElement("span", { class: "limits" }, `${outside ? "outside " : ""}normal range ${formatNumber(limits.low)} to ${formatNumber(limits.high)}`) : null,
  );
}

function formatLimits({ normal_low: low, normal_high: high }) {
  return typeof low === "number" && typeof high === "number" && high > low ? { low, high } : null;
}

function scale(value, { low, high }) {
  const margin = (high - low) * 0.4;
  const share = (value - low + margin) / (high - low + 2 * margin);
  const mark = createElement("i", { class: "mark" });
  mark.style.left = `${Math.min(100, Math.max(0, share * 100))}%`;
  return createElement("span", { class: "scale", "aria-hidden": "true" }, createElement("i", { class: "band" }), mark);
}

// `silent`: since when each component has sent nothing; `reason`: why none of them can be heard.
export function healthPanel([health, silent, reason], restart) {
  const names = Object.keys(health).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (!names.length) return note(reason || "No component has reported yet");
  const all = names.every((name) => silent[name]);
  const why = all ? reason || buildSilentNote(names, silent) : "";
  const rows = names.map((name) => componentRow(name, health[name], silent[name], why, restart));
  return why ? [createElement("p", { class: "fault", "data-key": "all-silent" }, why), ...rows] : rows;
}

function buildSilentNote(names, silent) {
  const last = Math.max(...names.map((name) => silent[name]));
  return `No messages from the station since ${formatTimeNs(last)}. Check its power, its network and its nucleus.`;
}

const shortName = (name) => name.split(".").pop();
const rank = (name) => (ORDER.indexOf(shortName(name)) + ORDER.length + 1) % (ORDER.length + 1);

function componentRow(name, health, silentSince, why, restart) {
  const [state, word] = silentSince ? (why ? ["waiting", "No data"] : ["bad", "Silent"]) : health.ready ? ["good", "Ready"] : ["bad", "Not ready"];
  const faulty = health.faults.length > 0 && state === "good";
  const faultWord = health.faults.every((item) => item.level === "warning") ? "Warning" : "Fault";
  const more = createElement(
    "details",
    { open: open.has(name), ontoggle: ({ target }) => (target.open ? open.add(name) : open.delete(name)) },
    createElement(
      "summary",
      {},
      createElement("strong", {}, shortName(name)),
      createElement("span", { class: "version" }, health.version),
      createElement("span", { class: `pill ${faulty ? "waiting" : state}` }, faulty ? faultWord : word),
    ),
    createElement("dl", { class: "counters" }, counters(health)),
  );
  const alone = silentSince && !why;
  const broken = alone || !health.ready;
  return createElement(
    "div",
    { class: "component", "data-key": name },
    more,
    alone ? describeLastHealth(name, health, silentSince) : health.faults.map(fault),
    broken && !why && !(alone && isPublisher(name)) ? restartButton(name, restart) : null,
  );
}

function describeLastHealth(name, health, since) {
  const last = health.faults.at(-1);
  const report = last ? `“${last.text}”` : health.ready ? "ready, no fault" : "not ready, no fault";
  const toDo = isPublisher(name)
    ? "Commands reach the station only through it. Restart it at the station, or restart the nucleus."
    : "It has stopped, hangs or keeps restarting. Restart it. If it stays silent, read its log at the station.";
  return [
    createElement("p", { class: "fault" }, createElement("strong", {}, `Silent since ${formatTimeNs(since)}.`), ` Last report: ${report}`),
    createElement("p", { class: "note" }, toDo),
  ];
}

const isPublisher = (name) => shortName(name) === "Publisher";

// The publisher carries out the restart: while it is silent, it can receive no command.
function restartButton(name, restart) {
  const word = `Restart ${shortName(name)}`;
  return createElement("button", { class: "quiet", type: "button", onclick: () => restart(name) }, word);
}

function counters(health) {
  const counts = Object.entries(health.counters).map(([key, value]) => [key, formatCount(value)]);
  const gauges = Object.entries(health.gauges).map(([key, value]) => [key, formatNumber(value, 2)]);
  return [...counts, ...gauges].flatMap(([key, value]) => [createElement("dt", {}, formatCode(key)), createElement("dd", {}, value)]);
}

function fault(item) {
  return createElement("p", { class: `fault ${item.level}` }, createElement("strong", {}, item.level === "warning" ? "Warning" : "Fault"), ` ${item.text}`);
}

export function versionsPanel(versions) {
  const models = Object.entries(versions.models).map(([name, digest]) => [`Model ${name}`, digest.slice(0, 12), digest]);
  const rows = [["Sightline", versions.sightline], ["Policy", versions.policy || "–"], ...models];
  return createElement(
    "dl",
    { class: "counters" },
    rows.flatMap(([name, text, title]) => [createElement("dt", {}, name), createElement("dd", { title }, text)]),
  );
}

// Since when each entry is stale by the server's clock; 0 if it is not.
export function findStale(entries, timeKey, now) {
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, isStale(now, entry[timeKey]) ? entry[timeKey] || 1 : 0]));
}

// Dead letters, and records that came again with other content.
export function refusedPanel(refused) {
  return refused.map((entry, place) =>
    createElement(
      "p",
      { class: "refusal", "data-key": place },
      createElement("strong", {}, `${entry.kind === "conflict" ? "Conflict" : "Dead letter"}, ${formatTimeNs(entry.refused_utc_ns)}`),
      ` ${entry.reason}`,
      createElement("span", { class: "note" }, ` ${entry.topic}`),
    ));
}

const note = (text) => createElement("p", { class: "note" }, text);
