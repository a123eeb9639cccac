// A camera's live picture with its focus and brightness; the focus is compared with its peak.

import { createElement, renderIfChanged } from "./dom.js";
import { formatAge, formatNumber } from "./format.js";

const STALE_NS = 5e9;
const AT_PEAK = 0.97;
const peaks = new Map();
const cards = new Map();

export const resetPeaks = () => peaks.clear();

export function renderCameraCards(container, views, now, assign) {
  const devices = views.map((view) => view.device);
  const positions = (view) => cameraChooser(view, views, assign);
  for (const view of views) {
    peaks.set(view.camera, Math.max(peaks.get(view.camera) ?? 0, view.focus));
    if (!cards.has(view.camera)) cards.set(view.camera, buildCard(view.camera, container));
    updateCard(cards.get(view.camera), view, now, devices, positions);
  }
  for (const [camera, card] of cards) {
    if (views.some((view) => view.camera === camera)) continue;
    card.element.remove();
    cards.delete(camera);
  }
}

function buildCard(camera, container) {
  const figure = createElement("figure", { class: "picture" });
  const picture = createElement("img", {
    alt: `Live picture of ${camera}`,
    decoding: "async",
    onload: ({ target }) => figure.style.setProperty("--shape", target.naturalWidth / target.naturalHeight),
  });
  figure.append(picture);
  const head = createElement("div", { class: "camera-head" });
  const scores = createElement("div", { class: "scores" });
  const element = createElement(
    "article",
    { class: "camera", "data-camera": camera },
    head,
    figure,
    scores,
  );
  container.append(element);
  return { element, picture, head, scores, sequence: null };
}

function updateCard(card, view, now, devices, positions) {
  const stale = now - view.seen_utc_ns > STALE_NS;
  if (card.sequence !== view.sequence) {
    card.sequence = view.sequence;
    const key = view.picture_key.split("/").map(encodeURIComponent).join("/");
    card.picture.src = `/evidence/${key}?sequence=${view.sequence}`;
  }
  renderIfChanged(card.head, [view.camera, view.device, stale && Math.round((now - view.seen_utc_ns) / 1e9), devices], () => [
    createElement("strong", {}, view.camera),
    stale ? createElement("span", { class: "pill bad" }, `No picture for ${formatAge(now - view.seen_utc_ns)}`) : createElement("span", { class: "pill good" }, "Live"),
    positions(view),
  ]);
  renderIfChanged(card.scores, [view, peaks.get(view.camera)], () => computeScores(view, peaks.get(view.camera)));
}

// Selects another camera for this position; the two cameras swap positions.
function cameraChooser(view, views, assign) {
  if (views.length < 2) return [];
  return createElement(
    "label",
    { class: "chooser" },
    "Camera ",
    createElement(
      "select",
      { "aria-label": `Camera at position ${view.camera}`, onchange: ({ target }) => assign(view.camera, target.value) },
      views.map((other) => createElement("option", { value: other.camera, selected: other === view }, other.device)),
    ),
  );
}

function computeScores(view, peak) {
  const share = peak > 0 ? view.focus / peak : 0;
  return [
    score("Focus", share, 1, formatNumber(view.focus, 1), `peak ${formatNumber(peak, 1)}`, share >= AT_PEAK),
    score("Brightness", view.brightness / 255, null, formatNumber(view.brightness, 0), "of 255", false),
    createElement("p", { class: view.out_of_range.length ? "says bad" : "says" }, conditions(view)),
    createElement("p", { class: "says" }, scale(view)),
  ];
}

function conditions(view) {
  const moved = typeof view.shift_px === "number" ? `, shifted ${formatNumber(view.shift_px, 1)} px from the reference` : "";
  if (view.out_of_range.length) return `Out of range: ${view.out_of_range.join(", ")}${moved}`;
  return `Within limits${moved}${view.reference_version ? ` (reference ${view.reference_version})` : ""}`;
}

function scale(view) {
  if (typeof view.mm_per_pixel !== "number") return "Not calibrated";
  return `${view.mm_per_pixel.toFixed(4)} mm/px, reprojection error ${formatNumber(view.reprojection_px, 2)} px (${view.calibration_version})`;
}

function score(name, share, peak, value, small, atPeak) {
  const filled = createElement("i", { class: "filled" });
  filled.style.width = `${Math.min(100, 100 * share)}%`;
  const mark = peak === null ? null : createElement("i", { class: "peak" });
  if (mark) mark.style.left = `${100 * peak}%`;
  return createElement(
    "div",
    { class: "score", "data-score": name },
    createElement("span", { class: "score-name" }, name),
    createElement("span", { class: atPeak ? "track at-peak" : "track" }, filled, mark),
    createElement("span", { class: "score-value" }, createElement("strong", {}, value), ` ${small}`),
  );
}
