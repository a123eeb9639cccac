// The hand-over report of a station: asked once, then it stands as it is, to be printed and signed.

import { ask, order } from "./asking.js";
import { byId, make } from "./dom.js";
import { latencyPlot, waysOf } from "./latency-plot.js";
import { calibrationRows, cameraRows, faultRows, gateRows, openPoints, versionRows } from "./report-rows.js";
import { stationAsked, withStation } from "./stations.js";
import { dateAndTime, isGap } from "./words.js";

const LOOK_S = 15;
const POLL_MS = 300;
const POLLS = 20;
const PARTS = 200;
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function facts() {
  const { stations } = await ask("/api/summary");
  const station = stations.includes(stationAsked()) ? stationAsked() : stations[0];
  if (!station) throw new Error("No station has reported yet");
  const summary = await ask(withStation("/api/summary", station));
  const path = encodeURIComponent(station);
  let looked = "";
  try {
    await order(station, "live_view", {}, LOOK_S);
    await seen(path, summary.now_utc_ns);
  } catch (error) {
    looked = error.message;
  }
  const [bench, { parts }, { faults }] = await Promise.all([
    ask(`/api/bench/${path}`), ask(withStation(`/api/parts?limit=${PARTS}`, station)), ask(`/api/faults/${path}`),
  ]);
  const records = parts.filter((part) => !isGap(part));
  return { station, summary, bench, records, faults, looked };
}

// Wait until the cameras have shown themselves since then, or for a while.
async function seen(path, since) {
  for (let poll = 0; poll < POLLS; poll += 1) {
    const { views } = await ask(`/api/bench/${path}`);
    if (views.length && views.every((view) => view.seen_utc_ns > since)) return;
    await pause(POLL_MS);
  }
}

const table = (heads, rows) =>
  make(
    "table",
    {},
    make("tr", {}, heads.map((head) => make("th", {}, head))),
    rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))),
  );

const section = (title, ...content) => make("section", {}, make("h2", {}, title), ...content);
const some = (rows, heads, none) => (rows.length ? table(heads, rows) : make("p", { class: "note" }, none));

function show({ station, summary, bench, records, faults, looked }) {
  const now = bench.now_utc_ns / 1e6;
  const record = records[0];
  const points = openPoints({ summary, bench, records, faults, looked, now: bench.now_utc_ns });
  document.title = `Hand-over report ${station} ${new Date(now).toISOString().slice(0, 10)}`;
  byId("report").replaceChildren(
    make("h1", {}, `Hand-over report: ${station}`),
    make("p", { class: "lead" }, `${record ? `${record.siteId}, ${record.lineId}` : "no part yet"} · as of ${dateAndTime(now)}`),
    section("Open points", points.length
      ? make("ul", { class: "open-points" }, points.map((point) => make("li", { class: "bad" }, point)))
      : make("p", { class: "good" }, "None")),
    section("Cameras",
      make("div", { class: "sights" }, bench.views.map(sight)),
      some(cameraRows(bench, now), ["Position", "Camera", "Focus", "Brightness", "Conditions", "Reference"], "No camera has shown a picture yet")),
    section("Calibration in mm", some(calibrationRows(bench), ["Position", "mm a pixel", "Fit, px", "Tilt", "Done", "Version"], "No camera is calibrated")),
    section("Gate dry run", ...gateRows(bench, some)),
    section("From the trigger to the gate", latencyPlot(waysOf(records))),
    section("Versions", table(["What", "Version", "Digest"], versionRows(summary, station, record))),
    section("Faults of the last 24 hours", some(faultRows(faults), ["Component", "Fault", "Since", "Until"], "None")),
    section("Hand-over",
      make("p", {}, "Handed over and taken over in the state that this report shows:"),
      make("div", { class: "signatures" }, ["Handed over by", "Taken over by", "Place and date", "Place and date"].map((text) => make("p", { class: "signature" }, text)))),
  );
}

function sight(view) {
  const key = view.picture_key.split("/").map(encodeURIComponent).join("/");
  return make(
    "figure",
    {},
    make("img", { src: `/evidence/${key}?sequence=${view.sequence}`, alt: `what ${view.camera} sees` }),
    make("figcaption", {}, view.camera),
  );
}

byId("print").addEventListener("click", () => window.print());
facts().then((found) => {
  show(found);
  byId("state").textContent = "Complete";
}).catch((error) => { byId("state").textContent = error.message; });
