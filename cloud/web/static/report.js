// The hand-over report of a station: loaded once, then printed and signed.

import { fetchJson, sendCommand } from "./api.js";
import { byId, createElement } from "./dom.js";
import { formatDateTime, isGapRecord } from "./format.js";
import { gateTimingPlot, gateTimings } from "./gate-timing-plot.js";
import { calibrationRows, cameraRows, faultRows, gateRows, listOpenPoints, versionRows } from "./report-rows.js";
import { stationFromAddress, withStation } from "./station-choice.js";

const LOOK_S = 15;
const POLL_MS = 300;
const POLLS = 20;
const PARTS = 200;
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function loadReport() {
  const { stations } = await fetchJson("/api/summary");
  const station = stations.includes(stationFromAddress()) ? stationFromAddress() : stations[0];
  if (!station) throw new Error("No station has reported yet");
  const summary = await fetchJson(withStation("/api/summary", station));
  const path = encodeURIComponent(station);
  let looked = "";
  try {
    await sendCommand(station, "live_view", {}, LOOK_S);
    await waitForViews(path, summary.now_utc_ns);
  } catch (error) {
    looked = error.message;
  }
  const [bench, { parts }, { faults }] = await Promise.all([
    fetchJson(`/api/bench/${path}`), fetchJson(withStation(`/api/parts?limit=${PARTS}`, station)), fetchJson(`/api/faults/${path}`),
  ]);
  const records = parts.filter((part) => !isGapRecord(part));
  return { station, summary, bench, records, faults, looked };
}

// Waits until every camera has sent a picture since then, or for a while.
async function waitForViews(path, since) {
  for (let poll = 0; poll < POLLS; poll += 1) {
    const { views } = await fetchJson(`/api/bench/${path}`);
    if (views.length && views.every((view) => view.seen_utc_ns > since)) return;
    await pause(POLL_MS);
  }
}

const table = (heads, rows) =>
  createElement(
    "table",
    {},
    createElement("tr", {}, heads.map((head) => createElement("th", {}, head))),
    rows.map((row) => createElement("tr", {}, row.map((cell) => createElement("td", {}, cell)))),
  );

const section = (title, ...content) => createElement("section", {}, createElement("h2", {}, title), ...content);
const tableOrNote = (rows, heads, none) => (rows.length ? table(heads, rows) : createElement("p", { class: "note" }, none));

function renderReport({ station, summary, bench, records, faults, looked }) {
  const now = bench.now_utc_ns / 1e6;
  const record = records[0];
  const points = listOpenPoints({ summary, bench, records, faults, looked, now: bench.now_utc_ns });
  document.title = `Hand-over report ${station} ${new Date(now).toISOString().slice(0, 10)}`;
  byId("report").replaceChildren(
    createElement("h1", {}, `Hand-over report: ${station}`),
    createElement("p", { class: "lead" }, `${record ? `${record.siteId}, ${record.lineId}` : "no parts yet"} · as of ${formatDateTime(now)}`),
    section("Open points", points.length
      ? createElement("ul", { class: "open-points" }, points.map((point) => createElement("li", { class: "bad" }, point)))
      : createElement("p", { class: "good" }, "None")),
    section("Cameras",
      createElement("div", { class: "sights" }, bench.views.map(sight)),
      tableOrNote(cameraRows(bench, now), ["Position", "Camera", "Focus", "Brightness", "Conditions", "Reference"], "No camera has sent a picture yet")),
    section("Calibration", tableOrNote(calibrationRows(bench), ["Position", "mm/px", "Error, px", "Tilt", "Date", "Version"], "No camera is calibrated")),
    section("Gate dry run", ...gateRows(bench, tableOrNote)),
    section("Trigger to gate", gateTimingPlot(gateTimings(records))),
    section("Versions", table(["Item", "Version", "Digest"], versionRows(summary, station, record))),
    section("Faults in the last 24 hours", tableOrNote(faultRows(faults), ["Component", "Fault", "Since", "Until"], "None")),
    section("Hand-over",
      createElement("p", {}, "Handed over and accepted in the state shown in this report:"),
      createElement("div", { class: "signatures" }, ["Handed over by", "Accepted by", "Place and date", "Place and date"].map((text) => createElement("p", { class: "signature" }, text)))),
  );
}

function sight(view) {
  const key = view.picture_key.split("/").map(encodeURIComponent).join("/");
  return createElement(
    "figure",
    {},
    createElement("img", { src: `/evidence/${key}?sequence=${view.sequence}`, alt: `Latest picture of ${view.camera}` }),
    createElement("figcaption", {}, view.camera),
  );
}

byId("print").addEventListener("click", () => window.print());
loadReport().then((found) => {
  renderReport(found);
  byId("state").textContent = "Complete";
}).catch((error) => { byId("state").textContent = error.message; });
