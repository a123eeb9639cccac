// The bench of a station: keeps the live view alive while somebody looks, and shows what comes.

import { ask, order } from "./asking.js";
import { forgetPeaks, showCameras } from "./camera-cards.js";
import { byId, make, show } from "./dom.js";
import { latencyPlot, waysOf } from "./latency-plot.js";
import { calibrationPanel, gatePanel, referencePanel } from "./panels-of-bench.js";
import { stationAsked, withStation } from "./stations.js";
import { stepsTable } from "./steps.js";

const INTERVAL_MS = 400;
const SUMMARY_EACH = 12;
const WAYS_EACH = 5;
const WAYS_SHOWN = 200;
const LOOK_S = 20;
const RENEW_MS = 8000;
const state = { station: null, turns: 0, renewedAt: 0, refusal: "", views: [] };

async function poll() {
  try {
    if (state.turns % SUMMARY_EACH === 0) await takeSummary();
    if (state.turns % WAYS_EACH === 0) await takeWays();
    state.turns += 1;
    if (state.station && !document.hidden) {
      await keepLooking();
      await takeBench();
    }
    showLink("good", "Live", state.refusal);
  } catch (error) {
    showLink("bad", "Trouble", `${error.message}. Trying on.`);
  }
  setTimeout(poll, INTERVAL_MS);
}

async function takeSummary() {
  const { stations } = await ask("/api/summary");
  state.station ??= stations.includes(stationAsked()) ? stationAsked() : (stations[0] ?? null);
  if (stations.length > 1) keepStationInLinks();
  show(byId("station"), [stations, state.station], () =>
    stations.map((name) => make("option", { value: name, selected: name === state.station }, name)));
}

function keepStationInLinks() {
  for (const link of document.querySelectorAll(".bar-links a")) {
    link.href = withStation(new URL(link.href).pathname, state.station);
  }
}

async function keepLooking() {
  if (Date.now() - state.renewedAt < RENEW_MS) return;
  state.renewedAt = Date.now();
  await order(state.station, "live_view", {}, LOOK_S);
}

async function takeWays() {
  const { parts } = await ask(withStation(`/api/parts?limit=${WAYS_SHOWN}`, state.station));
  show(byId("ways"), waysOf(parts), latencyPlot);
}

async function takeBench() {
  const { station } = state;
  const bench = await ask(`/api/bench/${encodeURIComponent(station)}`);
  if (station !== state.station) return;
  byId("no-cameras").hidden = bench.views.length > 0;
  showCameras(byId("cameras"), bench.views, bench.now_utc_ns, assign);
  const known = state.views.map((view) => view.camera).join();
  state.views = bench.views;
  if (known !== bench.views.map((view) => view.camera).join()) offerCameras();
  show(byId("steps"), bench.steps, stepsTable);
}

// The two positions change their cameras.
async function assign(position, other) {
  const now = Object.fromEntries(state.views.map((view) => [view.camera, view.device]));
  const swapped = { ...now, [position]: now[other], [other]: now[position] };
  forgetPeaks();
  await order(state.station, "map_cameras", swapped).catch((error) => { state.refusal = error.message; });
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
  keepStationInLinks();
  forgetPeaks();
});
byId("peaks").addEventListener("click", forgetPeaks);
poll();
