// Fetches figures and parts each second and shows them.

import { fetchJson } from "./api.js";
import { runCommand } from "./command-progress.js";
import { byId, createElement, renderIfChanged } from "./dom.js";
import { formatTime, formatTimeNs, isGapRecord, partId, VERDICTS } from "./format.js";
import { renderPartCards } from "./part-cards.js";
import { openPartDialog } from "./part-dialog.js";
import { stationChoice, stationFromAddress, withStation } from "./station-choice.js";
import { stationPanel } from "./station-panel.js";
import { findStale, healthPanel, machinePanel, refusedPanel, versionsPanel } from "./status-panels.js";
import { figureTiles, verdictTiles } from "./summary-tiles.js";

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 4000;
const LIVE_PARTS = 24;
const OLDER_PARTS = 48;
const MAX_SHOWN_PARTS = 600;
const REFUSED_SHOWN = 5;
const showStation = stationPanel(byId("making"));
const state = { station: stationFromAddress(), several: false, verdict: null, paused: false, paged: false, records: [], next: null, summary: null, heardAt: null, refusedShown: 0 };

const partsPath = (limit, before = null) =>
  withStation(`/api/parts?limit=${limit}${state.verdict ? `&verdict=${state.verdict}` : ""}${before === null ? "" : `&before=${before}`}`, state.station);

async function poll() {
  try {
    await refreshSummary();
    if (!state.paused) await refreshNewestParts();
    await refreshRefused();
    state.heardAt = Date.now();
    showLink();
  } catch (error) {
    showLink(error);
  }
  setTimeout(poll, INTERVAL_MS);
}

async function refreshSummary() {
  const requested = state.station;
  const summary = await fetchJson(withStation("/api/summary", requested), TIMEOUT_MS);
  if (requested !== state.station) return; // another station was chosen meanwhile
  if (requested !== null && summary.stations.length && !summary.stations.includes(requested)) {
    state.station = null;
    await refreshSummary();
    return;
  }
  // stays with this station when others appear: commands go to it
  Object.assign(state, { summary, station: summary.station || null, several: summary.stations.length > 1 });
  showSummary(summary);
}

async function refreshNewestParts() {
  const { verdict, station } = state;
  const { parts, next } = await fetchJson(partsPath(LIVE_PARTS), TIMEOUT_MS);
  if (verdict !== state.verdict || station !== state.station || state.paused) return;
  const known = new Set(parts.map(partId));
  const overlaps = state.records.some((record) => known.has(partId(record)));
  if (state.paged && overlaps) {
    const rest = state.records.filter((record) => !known.has(partId(record)));
    state.records = [...parts, ...rest].slice(0, MAX_SHOWN_PARTS);
  } else {
    Object.assign(state, { records: parts, next, paged: false });
  }
  showParts();
}

// Fetches the list only when it has grown.
async function refreshRefused() {
  const { refused, conflicts } = state.summary.records;
  if (refused + conflicts === state.refusedShown) return;
  const listed = await fetchJson(`/api/refused?limit=${REFUSED_SHOWN}`, TIMEOUT_MS);
  state.refusedShown = refused + conflicts;
  byId("refused-panel").hidden = listed.refused.length === 0;
  renderIfChanged(byId("refused"), listed.refused, refusedPanel);
}

async function loadOlderParts() {
  if (state.next === null) return;
  const { station } = state;
  const { parts, next } = await fetchJson(partsPath(OLDER_PARTS, state.next), TIMEOUT_MS);
  if (station !== state.station) return;
  Object.assign(state, { records: [...state.records, ...parts], next, paged: true });
  showParts();
}

function showParts() {
  renderPartCards(byId("cards"), state.records, openRecord);
  byId("empty").hidden = state.records.length > 0;
  byId("empty").textContent = state.verdict ? `No part with verdict ${VERDICTS[state.verdict]} yet` : "Waiting for the first part";
  byId("older").hidden = state.next === null || state.records.length >= MAX_SHOWN_PARTS;
  byId("parts-title").textContent = state.verdict ? `Latest parts: ${VERDICTS[state.verdict]}` : "Latest parts";
  byId("all").hidden = state.verdict === null;
}

function showSummary(summary) {
  renderIfChanged(byId("verdicts"), [summary.production, state.verdict], ([parts, verdict]) => verdictTiles(parts, verdict, chooseVerdict));
  renderIfChanged(byId("figures"), { ...summary, health: 0, machine: 0, versions: 0, now_utc_ns: 0 }, figureTiles);
  showStation(summary);
  const now = summary.now_utc_ns;
  renderIfChanged(byId("machine"), [summary.machine, findStale(summary.machine, "state_utc_ns", now)], machinePanel);
  const silent = findStale(summary.health, "at_utc_ns", now);
  renderIfChanged(byId("health"), [withoutTimes(summary.health), silent, explainSilence(summary.broker)], (known) => healthPanel(known, restart));
  renderIfChanged(byId("notices"), summary.notices, (texts) => texts.map((text) => createElement("p", { class: "banner" }, text)));
  renderIfChanged(byId("versions"), summary.versions, versionsPanel);
  renderIfChanged(byId("station"), [summary.stations, state.station], (known) => stationChoice(known, chooseStation));
  for (const [id, path] of [["bench-link", "/commissioning"], ["thresholds-link", "/thresholds"]]) {
    byId(id).href = state.several ? withStation(path, state.station) : path;
  }
  byId("making").inert = (summary.station || null) !== state.station;
}

// Sends the command to restart a component of the station.
function restart(component) {
  const station = state.station;
  runCommand(station, "restart_component", { component }, (kind, words) => {
    if (station !== state.station) return;
    byId("restart-says").className = `says ${kind}`;
    byId("restart-says").textContent = words;
  });
}

const since = (broker) => (broker.heard_utc_ns ? ` since ${formatTimeNs(broker.heard_utc_ns)}` : "");

// Why no component can be heard at all; empty if there is no such reason.
function explainSilence(broker) {
  if (!broker.connected) return `No messages from any station${since(broker)}: the broker does not answer.`;
  return broker.hears ? "" : `No messages from any station${since(broker)}: the broker delivers none.`;
}

const withoutTimes = (health) =>
  Object.fromEntries(Object.entries(health).map(([name, entry]) => [name, { ...entry, at_utc_ns: 0 }]));

function showLink(error = null) {
  const broker = state.summary?.broker;
  const [kind, word, banner] = error
    ? ["bad", "Connection lost", `No answer from the server.${state.heardAt ? ` The figures are from ${formatTime(state.heardAt)}.` : ""} Retrying.`]
    : broker.fault
      ? ["bad", "Not storing", `Records arrive but cannot be stored: ${broker.fault}`]
      : !broker.connected
        ? ["waiting", "Broker offline", `The broker does not answer. No messages${since(broker)}. Stations keep their records and send them when it is back.`]
        : broker.hears
          ? ["good", "Live", ""]
          : ["bad", "No messages", `The broker is connected but delivers no messages${since(broker)}, not even the server's own test message. Reconnecting. Stations keep their records.`];
  const link = byId("link");
  link.className = `pill ${kind}`;
  if (link.textContent !== word) link.textContent = word;
  document.body.classList.toggle("lost", error !== null);
  byId("banner").hidden = !banner;
  byId("banner").textContent = banner;
}

function chooseVerdict(verdict) {
  state.verdict = state.verdict === verdict ? null : verdict;
  if (state.summary) showSummary(state.summary);
  resetParts();
}

function chooseStation(name) {
  byId("making").inert = true; // until the panel shows this station
  state.station = name;
  showAddress();
  refreshSummary().catch(showLink);
  resetParts();
}

function resetParts() {
  Object.assign(state, { records: [], next: null, paged: false });
  setPaused(false);
  showParts();
  refreshNewestParts().catch(showLink);
}

function setPaused(paused) {
  state.paused = paused;
  byId("hold").setAttribute("aria-pressed", String(paused));
  byId("hold").textContent = paused ? "Resume updates" : "Pause updates";
}

function showAddress(part = null) {
  const query = new URLSearchParams();
  if (state.several) query.set("station", state.station);
  if (part !== null) query.set("part", part);
  history.replaceState(null, "", String(query) ? `?${query}` : location.pathname);
}

function openRecord(record) {
  showAddress(isGapRecord(record) ? record.to : record.partNumber);
  openPartDialog(byId("detail"), record, () => showAddress());
}

async function findPart(text) {
  const input = byId("number");
  const wanted = text.trim();
  const isNumber = /^[0-9]{1,18}$/.test(wanted);
  const find = (query) => fetchJson(withStation(`/api/parts?limit=1&${query}`, state.station), TIMEOUT_MS);
  let { parts } = isNumber ? await find(`part=${wanted}`) : { parts: [] };
  if (!parts.length && wanted) ({ parts } = await find(`serial=${encodeURIComponent(wanted)}`));
  input.setCustomValidity(parts.length ? "" : wanted ? `No record of part ${wanted}` : "Enter a part number or serial number");
  if (parts.length) openRecord(parts[0]);
  else input.reportValidity();
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  findPart(byId("number").value).catch(showLink);
});
byId("number").addEventListener("input", (event) => event.target.setCustomValidity(""));
byId("hold").addEventListener("click", () => setPaused(!state.paused));
byId("older").addEventListener("click", () => loadOlderParts().catch(showLink));
byId("all").addEventListener("click", () => chooseVerdict(state.verdict));
byId("detail").addEventListener("click", (event) => {
  if (event.target === byId("detail")) byId("detail").close();
});

const part = new URLSearchParams(location.search).get("part");
if (part !== null) {
  byId("number").value = part;
  refreshSummary().then(() => findPart(part)).catch(showLink);
}
poll();
