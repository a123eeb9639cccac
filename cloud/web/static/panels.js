// The machine's readings against their normal limits, the components' health, and the versions.

import { make } from "./dom.js";
import { capital, count, isSilent, number, plain, valueWithUnit } from "./words.js";

const ORDER = ["Capture", "Inference", "Equipment", "Telemetry", "Publisher"];
const open = new Set();

export function machinePanel([machines, stale]) {
  const states = Object.values(machines);
  if (!states.length) return note("No machine has reported yet");
  return states.map((state) =>
    make(
      "div",
      { class: "machine" },
      make(
        "p",
        { class: "line" },
        make("strong", {}, state.equipment_id),
        make("span", { class: `pill ${state.status === "running" ? "good" : "waiting"}` }, capital(state.status)),
        stale[state.equipment_id] ? make("span", { class: "pill bad" }, "No news") : null,
      ),
      state.outlier_cause
        ? make("p", { class: "unusual" }, `Unusual: ${plain(state.outlier_cause)} (score ${number(state.outlier_score)})`)
        : null,
      state.values.map((value) => reading(value, value.tag === state.outlier_cause)),
    ),
  );
}

function reading(value, isCause) {
  const limits = limitsOf(value);
  const outside = limits !== null && typeof value.value === "number" && (value.value < limits.low || value.value > limits.high);
  const bad = outside || isCause || value.quality !== "good";
  return make(
    "div",
    { class: bad ? "reading bad" : "reading", "data-key": value.tag },
    make("span", { class: "reading-name" }, capital(plain(value.tag))),
    make("span", { class: "reading-value" }, value.quality === "good" ? valueWithUnit(value.value, value.unit) : `${value.quality} reading`),
    limits && typeof value.value === "number" ? scale(value.value, limits) : null,
    limits ? make("span", { class: "limits" }, `${outside ? "outside " : ""}normal ${number(limits.low)} to ${number(limits.high)}`) : null,
  );
}

function limitsOf({ normal_low: low, normal_high: high }) {
  return typeof low === "number" && typeof high === "number" && high > low ? { low, high } : null;
}

function scale(value, { low, high }) {
  const margin = (high - low) * 0.4;
  const share = (value - low + margin) / (high - low + 2 * margin);
  const mark = make("i", { class: "mark" });
  mark.style.left = `${Math.min(100, Math.max(0, share * 100))}%`;
  return make("span", { class: "scale", "aria-hidden": "true" }, make("i", { class: "band" }), mark);
}

export function healthPanel([health, stale]) {
  const names = Object.keys(health).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (!names.length) return note("No component has reported yet");
  return names.map((name) => component(name, health[name], stale[name]));
}

const shortName = (name) => name.split(".").pop();
const rank = (name) => (ORDER.indexOf(shortName(name)) + ORDER.length + 1) % (ORDER.length + 1);

function component(name, health, stale) {
  const [state, word] = stale ? ["bad", "Silent"] : health.ready ? ["good", "Ready"] : ["bad", "Not ready"];
  const faulty = health.faults.length > 0 && state === "good";
  const faultWord = health.faults.every((item) => item.level === "warning") ? "Warning" : "Fault";
  const more = make(
    "details",
    { open: open.has(name), ontoggle: ({ target }) => (target.open ? open.add(name) : open.delete(name)) },
    make(
      "summary",
      {},
      make("strong", {}, shortName(name)),
      make("span", { class: "version" }, health.version),
      make("span", { class: `pill ${faulty ? "waiting" : state}` }, faulty ? faultWord : word),
    ),
    make("dl", { class: "counters" }, counters(health)),
  );
  return make("div", { class: "component", "data-key": name }, more, health.faults.map(fault));
}

function counters(health) {
  const counts = Object.entries(health.counters).map(([key, value]) => [key, count(value)]);
  const gauges = Object.entries(health.gauges).map(([key, value]) => [key, number(value, 2)]);
  return [...counts, ...gauges].flatMap(([key, value]) => [make("dt", {}, plain(key)), make("dd", {}, value)]);
}

function fault(item) {
  return make("p", { class: `fault ${item.level}` }, make("strong", {}, item.level === "warning" ? "Warning" : "Fault"), ` ${item.text}`);
}

export function versionsPanel(versions) {
  const models = Object.entries(versions.models).map(([name, digest]) => [`Model ${name}`, digest.slice(0, 12), digest]);
  const rows = [["Sightline", versions.sightline], ["Policy", versions.policy || "–"], ...models];
  return make(
    "dl",
    { class: "counters" },
    rows.flatMap(([name, text, title]) => [make("dt", {}, name), make("dd", { title }, text)]),
  );
}

// Which of the entries have not been heard of for a while, judged by the server's clock.
export function staleOf(entries, timeKey, now) {
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, isSilent(now, entry[timeKey])]));
}

const note = (text) => make("p", { class: "note" }, text);
