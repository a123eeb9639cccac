// Asks the site for figures and parts each second, and shows them.

import { showCards } from "./cards.js";
import { command } from "./commands.js";
import { showDetail } from "./detail.js";
import { byId, make, show } from "./dom.js";
import { healthPanel, machinePanel, refusedPanel, staleOf, versionsPanel } from "./panels.js";
import { stationPanel } from "./station-panel.js";
import { stationAsked, stationChoice, withStation } from "./stations.js";
import { figureTiles, verdictTiles } from "./tiles.js";
import { clock, clockOf, idOf, isGap, VERDICTS } from "./words.js";

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 4000;
const LIVE_PARTS = 24;
const OLDER_PARTS = 48;
const GREATEST_SHOWN = 600;
const REFUSED_SHOWN = 5;
const showStation = stationPanel(byId("making"));
const state = { station: stationAsked(), several: false, verdict: null, held: false, paged: false, records: [], next: null, summary: null, heardAt: null, refusedShown: 0 };

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

const partsPath = (limit, before = null) =>
  withStation(`/api/parts?limit=${limit}${state.verdict ? `&verdict=${state.verdict}` : ""}${before === null ? "" : `&before=${before}`}`, state.station);

async function poll() {
  try {
    await takeSummary();
    if (!state.held) await takeNewest();
    await takeRefused();
    state.heardAt = Date.now();
    showLink();
  } catch (error) {
    showLink(error);
  }
  setTimeout(poll, INTERVAL_MS);
}

async function takeSummary() {
  const asked = state.station;
  const summary = await ask(withStation("/api/summary", asked));
  if (asked !== state.station) return; // another one was chosen meanwhile
  if (asked !== null && summary.stations.length && !summary.stations.includes(asked)) {
    state.station = null;
    await takeSummary();
    return;
  }
  // from now on this one, whichever others come: commands go to it
  Object.assign(state, { summary, station: summary.station || null, several: summary.stations.length > 1 });
  showSummary(summary);
}

async function takeNewest() {
  const { verdict, station } = state;
  const { parts, next } = await ask(partsPath(LIVE_PARTS));
  if (verdict !== state.verdict || station !== state.station || state.held) return;
  const known = new Set(parts.map(idOf));
  const overlaps = state.records.some((record) => known.has(idOf(record)));
  if (state.paged && overlaps) {
    const rest = state.records.filter((record) => !known.has(idOf(record)));
    state.records = [...parts, ...rest].slice(0, GREATEST_SHOWN);
  } else {
    Object.assign(state, { records: parts, next, paged: false });
  }
  showParts();
}

// The list is asked for only when there is more of it.
async function takeRefused() {
  const { refused, conflicts } = state.summary.records;
  if (refused + conflicts === state.refusedShown) return;
  const listed = await ask(`/api/refused?limit=${REFUSED_SHOWN}`);
  state.refusedShown = refused + conflicts;
  byId("refused-panel").hidden = listed.refused.length === 0;
  show(byId("refused"), listed.refused, refusedPanel);
}

async function takeOlder() {
  if (state.next === null) return;
  const { station } = state;
  const { parts, next } = await ask(partsPath(OLDER_PARTS, state.next));
  if (station !== state.station) return;
  Object.assign(state, { records: [...state.records, ...parts], next, paged: true });
  showParts();
}

function showParts() {
  showCards(byId("cards"), state.records, openRecord);
  byId("empty").hidden = state.records.length > 0;
  byId("empty").textContent = state.verdict ? `No part with the verdict ${VERDICTS[state.verdict]} yet` : "Waiting for the first part";
  byId("older").hidden = state.next === null || state.records.length >= GREATEST_SHOWN;
  byId("parts-title").textContent = state.verdict ? `Last parts: ${VERDICTS[state.verdict]}` : "Last parts";
  byId("all").hidden = state.verdict === null;
}

function showSummary(summary) {
  show(byId("verdicts"), [summary.production, state.verdict], ([parts, verdict]) => verdictTiles(parts, verdict, choose));
  show(byId("figures"), { ...summary, health: 0, machine: 0, versions: 0, now_utc_ns: 0 }, figureTiles);
  showStation(summary);
  const now = summary.now_utc_ns;
  show(byId("machine"), [summary.machine, staleOf(summary.machine, "state_utc_ns", now)], machinePanel);
  const silent = staleOf(summary.health, "at_utc_ns", now);
  show(byId("health"), [withoutTimes(summary.health), silent, whyUnheard(summary.broker)], (known) => healthPanel(known, restart));
  show(byId("notices"), summary.notices, (texts) => texts.map((text) => make("p", { class: "banner" }, text)));
  show(byId("versions"), summary.versions, versionsPanel);
  show(byId("station"), [summary.stations, state.station], (known) => stationChoice(known, chooseStation));
  byId("bench-link").href = state.several ? withStation("/commissioning", state.station) : "/commissioning";
  byId("making").inert = (summary.station || null) !== state.station;
}

// Asks the station to restart one of its components.
function restart(component) {
  const station = state.station;
  command(station, "restart_component", { component }, (kind, words) => {
    if (station !== state.station) return;
    byId("restart-says").className = `says ${kind}`;
    byId("restart-says").textContent = words;
  });
}

const since = (broker) => (broker.heard_utc_ns ? ` since ${clockOf(broker.heard_utc_ns)}` : "");

// Why no component can be heard, whatever each of them does, or nothing.
function whyUnheard(broker) {
  if (!broker.connected) return `Nothing is heard of any station${since(broker)}: the broker is away.`;
  return broker.hears ? "" : `Nothing is heard of any station${since(broker)}: the broker hands nothing on.`;
}

const withoutTimes = (health) =>
  Object.fromEntries(Object.entries(health).map(([name, entry]) => [name, { ...entry, at_utc_ns: 0 }]));

function showLink(error = null) {
  const broker = state.summary?.broker;
  const [kind, word, banner] = error
    ? ["bad", "Connection lost", `No answer from the site. ${state.heardAt ? `The figures are those of ${clock(state.heardAt)}.` : ""} Trying on.`]
    : broker.fault
      ? ["bad", "Not storing", `Records arrive but are not stored: ${broker.fault}`]
      : !broker.connected
        ? ["waiting", "Broker away", `The broker does not answer, and nothing is heard${since(broker)}: the station keeps its records and sends them when it is back.`]
        : broker.hears
          ? ["good", "Live", ""]
          : ["bad", "Hears nothing", `The broker is connected, but nothing is heard${since(broker)}, not even what the site says to itself. It connects anew; the station keeps its records.`];
  const link = byId("link");
  link.className = `pill ${kind}`;
  if (link.textContent !== word) link.textContent = word;
  document.body.classList.toggle("lost", error !== null);
  byId("banner").hidden = !banner;
  byId("banner").textContent = banner;
}

function choose(verdict) {
  state.verdict = state.verdict === verdict ? null : verdict;
  if (state.summary) showSummary(state.summary);
  startAnew();
}

function chooseStation(name) {
  byId("making").inert = true; // until it shows this station
  state.station = name;
  showAddress();
  takeSummary().catch(showLink);
  startAnew();
}

function startAnew() {
  Object.assign(state, { records: [], next: null, paged: false });
  hold(false);
  showParts();
  takeNewest().catch(showLink);
}

function hold(held) {
  state.held = held;
  byId("hold").setAttribute("aria-pressed", String(held));
  byId("hold").textContent = held ? "Held: show new parts" : "Hold";
}

function showAddress(part = null) {
  const query = new URLSearchParams();
  if (state.several) query.set("station", state.station);
  if (part !== null) query.set("part", part);
  history.replaceState(null, "", String(query) ? `?${query}` : location.pathname);
}

function openRecord(record) {
  showAddress(isGap(record) ? record.to : record.partNumber);
  showDetail(byId("detail"), record, () => showAddress());
}

async function find(text) {
  const input = byId("number");
  const wanted = text.trim();
  const { parts } = /^[0-9]{1,18}$/.test(wanted) ? await ask(withStation(`/api/parts?limit=1&part=${wanted}`, state.station)) : { parts: [] };
  input.setCustomValidity(parts.length ? "" : `There is no record of part ${wanted || "(no number)"}`);
  if (parts.length) openRecord(parts[0]);
  else input.reportValidity();
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  find(byId("number").value).catch(showLink);
});
byId("number").addEventListener("input", (event) => event.target.setCustomValidity(""));
byId("hold").addEventListener("click", () => hold(!state.held));
byId("older").addEventListener("click", () => takeOlder().catch(showLink));
byId("all").addEventListener("click", () => choose(state.verdict));
byId("detail").addEventListener("click", (event) => {
  if (event.target === byId("detail")) byId("detail").close();
});

const part = new URLSearchParams(location.search).get("part");
if (part !== null) {
  byId("number").value = part;
  takeSummary().then(() => find(part)).catch(showLink);
}
poll();
