// A camera's live picture with its scores: the focus against the best it has been.

import { make, show } from "./dom.js";
import { age, number } from "./words.js";

const STALE_NS = 5e9;
const AT_PEAK = 0.97;
const peaks = new Map();
const cards = new Map();

export const forgetPeaks = () => peaks.clear();

export function showCameras(container, views, now, assign) {
  const devices = views.map((view) => view.device);
  const positions = (view) => chooser(view, views, assign);
  for (const view of views) {
    peaks.set(view.camera, Math.max(peaks.get(view.camera) ?? 0, view.focus));
    if (!cards.has(view.camera)) cards.set(view.camera, build(view.camera, container));
    bringUpToDate(cards.get(view.camera), view, now, devices, positions);
  }
  for (const [camera, card] of cards) {
    if (views.some((view) => view.camera === camera)) continue;
    card.element.remove();
    cards.delete(camera);
  }
}

function build(camera, container) {
  const picture = make("img", { alt: `what ${camera} sees now`, decoding: "async" });
  const head = make("div", { class: "camera-head" });
  const scores = make("div", { class: "scores" });
  const element = make(
    "article",
    { class: "camera", "data-camera": camera },
    head,
    make("figure", { class: "picture" }, picture),
    scores,
  );
  container.append(element);
  return { element, picture, head, scores, sequence: null };
}

function bringUpToDate(card, view, now, devices, positions) {
  const stale = now - view.seen_utc_ns > STALE_NS;
  if (card.sequence !== view.sequence) {
    card.sequence = view.sequence;
    const key = view.picture_key.split("/").map(encodeURIComponent).join("/");
    card.picture.src = `/evidence/${key}?sequence=${view.sequence}`;
  }
  show(card.head, [view.camera, view.device, stale && Math.round((now - view.seen_utc_ns) / 1e9), devices], () => [
    make("strong", {}, view.camera),
    stale ? make("span", { class: "pill bad" }, `No picture for ${age(now - view.seen_utc_ns)}`) : make("span", { class: "pill good" }, "Live"),
    positions(view),
  ]);
  show(card.scores, [view, peaks.get(view.camera)], () => scoresOf(view, peaks.get(view.camera)));
}

// Another camera for this position; the one that stood there takes the other's place.
function chooser(view, views, assign) {
  if (views.length < 2) return [];
  return make(
    "label",
    { class: "chooser" },
    "camera ",
    make(
      "select",
      { "aria-label": `camera at ${view.camera}`, onchange: ({ target }) => assign(view.camera, target.value) },
      views.map((other) => make("option", { value: other.camera, selected: other === view }, other.device)),
    ),
  );
}

function scoresOf(view, peak) {
  const share = peak > 0 ? view.focus / peak : 0;
  return [
    score("Focus", share, 1, number(view.focus, 1), `best ${number(peak, 1)}`, share >= AT_PEAK),
    score("Brightness", view.brightness / 255, null, number(view.brightness, 0), "of 255", false),
    make("p", { class: view.out_of_range.length ? "says bad" : "says" }, conditions(view)),
    make("p", { class: "says" }, scale(view)),
  ];
}

function conditions(view) {
  const moved = typeof view.shift_px === "number" ? `, ${number(view.shift_px, 1)} px from the reference` : "";
  if (view.out_of_range.length) return `Out of range: ${view.out_of_range.join(", ")}${moved}`;
  return `Within the limits${moved}${view.reference_version ? ` (reference ${view.reference_version})` : ""}`;
}

function scale(view) {
  if (typeof view.mm_per_pixel !== "number") return "Not calibrated";
  return `${view.mm_per_pixel.toFixed(4)} mm a pixel, fits within ${number(view.reprojection_px, 2)} px (${view.calibration_version})`;
}

function score(name, share, peak, value, small, atPeak) {
  const filled = make("i", { class: "filled" });
  filled.style.width = `${Math.min(100, 100 * share)}%`;
  const mark = peak === null ? null : make("i", { class: "peak" });
  if (mark) mark.style.left = `${100 * peak}%`;
  return make(
    "div",
    { class: "score", "data-score": name },
    make("span", { class: "score-name" }, name),
    make("span", { class: atPeak ? "track at-peak" : "track" }, filled, mark),
    make("span", { class: "score-value" }, make("strong", {}, value), ` ${small}`),
  );
}
