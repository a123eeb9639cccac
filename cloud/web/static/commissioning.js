// The commissioning page: keeps the live view running while the page is visible, and shows the results.

import { fetchJson, sendCommand } from "./api.js";
import { renderCameraCards, resetPeaks } from "./camera-cards.js";
import { calibrationPanel, gatePanel, referencePanel } from "./commissioning-panels.js";
import { stepsTable } from "./commissioning-steps.js";
import { byId, createElement, renderIfChanged } from "./dom.js";
import { gateTimingPlot, gateTimings } from "./gate-timing-plot.js";
import { stationFromAddress, withStation } from "./station-choice.js";

const INTERVAL_MS = 400;
const SUMMARY_EACH = 12;
const WAYS_EACH = 5;
const WAYS_SHOWN = 200;
const LIVE_VIEW_S = 20;
const RENEW_MS = 8000;
const state = { station: null, turns: 0, renewedAt: 0, refusal: "", views: [] };

async function poll() {
  try {
    if (state.turns % SUMMARY_EACH === 0) await refreshSummary();
    if (state.turns % WAYS_EACH === 0) await refreshTimings();
    state.turns += 1;
    if (state.station && !document.hidden) {
      await renewLiveView();
      await refreshCameraViews();
    }
    showLink("good", "Live", state.refusal);
  } catch (error) {
    showLink("bad", "Problem", `${error.message.replace(/\.$/, "")}. Retrying.`);
  }
  setTimeout(poll, INTERVAL_MS);
}

async function refreshSummary() {
  const { stations } = await fetchJson("/api/summary");
  state.station ??= stations.includes(stationFromAddress()) ? stationFromAddress() : (stations[0] ?? null);
  if (stations.length > 1) updateLinks();
  renderIfChanged(byId("station"), [stations, state.station], () =>
    stations.map((name) => createElement("option", { value: name, selected: name === state.station }, name)));
}

function updateLinks() {
  for (const link of document.querySelectorAll(".bar-links a")) {
    link.href = withStation(new URL(link.href).pathname, state.station);
  }
}

async function renewLiveView() {
  if (Date.now() - state.renewedAt < RENEW_MS) return;
  state.renewedAt = Date.now();
  await sendCommand(state.station, "live_view", {}, LIVE_VIEW_S);
}

async function refreshTimings() {
  const { parts } = await fetchJson(withStation(`/api/parts?limit=${WAYS_SHOWN}`, state.station));
  renderIfChanged(byId("ways"), gateTimings(parts), gateTimingPlot);
}

async function refreshCameraViews() {
  const { station } = state;
  const bench = await fetchJson(`/api/bench/${encodeURIComponent(station)}`);
  if (station !== state.station) return;
  byId("no-cameras").hidden = bench.views.length > 0;
  renderCameraCards(byId("cameras"), bench.views, bench.now_utc_ns, swapCameras);
  const known = state.views.map((view) => view.camera).join();
  state.views = bench.views;
  if (known !== bench.views.map((view) => view.camera).join()) offerCameras();
  renderIfChanged(byId("steps"), bench.steps, stepsTable);
}

// The two positions swap their cameras.
async function swapCameras(position, other) {
  const now = Object.fromEntries(state.views.map((view) => [view.camera, view.device]));
  const swapped = { ...now, [position]: now[other], [other]: now[position] };
  resetPeaks();
  await sendCommand(state.station, "map_cameras", swapped).catch((error) => { state.refusal = error.message; });
}

function showLink(kind, word, banner) {
  const link = byId("link");
  link.className = `pill ${kind}`;
  if (link.textContent !== word) link.textContent = word;
  byId("banner").hidden = !banner;
  byId("banner").textContent = banner;
}

const [calibration, offerCameras] = calibrationPanel(() => state.station, () => state.views.map((view) => view.camera));
byId("panels").append(calibration, referencePanel(() => state.station), gatePanel(() => state.station));
byId("station").addEventListener("change", (event) => {
  Object.assign(state, { station: event.target.value, renewedAt: 0, views: [] });
  updateLinks();
  resetPeaks();
});
byId("peaks").addEventListener("click", resetPeaks);
poll();
