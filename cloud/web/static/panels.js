// The machine's readings against their normal limits, the components' health, and the versions.

import { make } from "./dom.js";
import { capital, clockOf, count, isSilent, number, plain, valueWithUnit } from "./words.js";

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

// `silent`: since when a component says nothing; `reason`: why none of them can be heard.
export function healthPanel([health, silent, reason], restart) {
  const names = Object.keys(health).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (!names.length) return note(reason || "No component has reported yet");
  const all = names.every((name) => silent[name]);
  const why = all ? reason || allSilent(names, silent) : "";
  const rows = names.map((name) => component(name, health[name], silent[name], why, restart));
  return why ? [make("p", { class: "fault", "data-key": "all-silent" }, why), ...rows] : rows;
}

function allSilent(names, silent) {
  const last = Math.max(...names.map((name) => silent[name]));
  return `Nothing is heard of the whole station since ${clockOf(last)}: look whether it has power and its network, and whether its nucleus runs.`;
}

const shortName = (name) => name.split(".").pop();
const rank = (name) => (ORDER.indexOf(shortName(name)) + ORDER.length + 1) % (ORDER.length + 1);

function component(name, health, silentSince, why, restart) {
  const [state, word] = silentSince ? (why ? ["waiting", "No news"] : ["bad", "Silent"]) : health.ready ? ["good", "Ready"] : ["bad", "Not ready"];
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
  const alone = silentSince && !why;
  const broken = alone || !health.ready;
  return make(
    "div",
    { class: "component", "data-key": name },
    more,
    alone ? lastWords(name, health, silentSince) : health.faults.map(fault),
    broken && !why && !(alone && isPublisher(name)) ? restartButton(name, restart) : null,
  );
}

function lastWords(name, health, since) {
  const last = health.faults.at(-1);
  const words = last ? `“${last.text}”` : health.ready ? "it was ready, without a fault" : "it was not ready, without a fault";
  const toDo = isPublisher(name)
    ? "No command reaches the station without it: restart it there, or restart the nucleus."
    : "It has ended, hangs, or is restarted too often: restart it, and if it stays silent look into its log at the station.";
  return [
    make("p", { class: "fault" }, make("strong", {}, `Silent since ${clockOf(since)}.`), ` Its last words: ${words}`),
    make("p", { class: "note" }, toDo),
  ];
}

const isPublisher = (name) => shortName(name) === "Publisher";

// The publisher is who has it done: where it says nothing, it hears nothing either.
function restartButton(name, restart) {
  const word = `Restart ${shortName(name)}`;
  return make("button", { class: "quiet", type: "button", onclick: () => restart(name) }, word);
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

// Which of the entries have not been heard of for a while, by the server's clock, and since when.
export function staleOf(entries, timeKey, now) {
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, isSilent(now, entry[timeKey]) ? entry[timeKey] || 1 : 0]));
}

// What was refused, and what came again otherwise than before.
export function refusedPanel(refused) {
  return refused.map((entry, place) =>
    make(
      "p",
      { class: "refusal", "data-key": place },
      make("strong", {}, `${entry.kind === "conflict" ? "Conflict" : "Refused"}, ${clockOf(entry.refused_utc_ns)}`),
      ` ${entry.reason}`,
      make("span", { class: "note" }, ` ${entry.topic}`),
    ));
}

const note = (text) => make("p", { class: "note" }, text);
