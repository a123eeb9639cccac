// A camera's picture with the detections of the record drawn over it, in pixels of the full frame.

import { applyCloseUp } from "./close-up.js";
import { createElement, createSvg } from "./dom.js";
import { boxesForCamera, formatCode, formatScore } from "./format.js";
import { findFrameSize } from "./frame-size.js";

const RETRY_MS = 2000;
const RETRIES = 5;
const LABEL_HEIGHT = 34; // in a frame of LABELS_FOR_WIDTH; scaled with the frame
const LABELS_FOR_WIDTH = 1280;
const LETTER_WIDTH = 16.5;

export function cameraPicture(record, camera, large) {
  const boxes = boxesForCamera(record, camera);
  const stored = (record.evidence ?? []).find((picture) => picture.camera === camera);
  const missing = (record.missingCameras ?? []).includes(camera);
  const overlay = boxOverlay(boxes);
  drawBoxes(overlay, boxes, findFrameSize(record, camera, boxes), large);
  const stage = createElement("div", { class: "stage" }, overlay);
  const caption = createElement("figcaption", {}, camera, boxes.length ? ` · ${boxes.length}` : "");
  const figure = createElement("figure", { class: boxes.length ? "picture found" : "picture" }, stage, caption);
  const fit = (element) => {
    const picture = { width: element.naturalWidth, height: element.naturalHeight };
    drawBoxes(overlay, boxes, findFrameSize(record, camera, boxes, picture), large);
    stage.dispatchEvent(new Event("framed"));
  };
  if (stored) stage.prepend(image(record, camera, stored.key, fit));
  else stage.prepend(createElement("p", { class: "no-picture" }, missing ? "No frame" : "No picture stored"));
  if (stored) zoomable(figure, stage, overlay, boxes, large);
  return figure;
}

// A card zooms to the detections; the large picture shows the full frame and zooms on a click.
function zoomable(figure, stage, overlay, boxes, large) {
  if (!boxes.length) return;
  const zoom = () => applyCloseUp(stage, overlay.viewBox.baseVal, boxes);
  if (!large) {
    zoom();
    stage.addEventListener("framed", zoom);
    return;
  }
  figure.title = "Click to zoom to the detections";
  figure.addEventListener("click", () => {
    if (figure.classList.toggle("zoomed")) zoom();
    else stage.removeAttribute("style");
  });
}

function image(record, camera, key, loaded) {
  const address = `/evidence/${key.split("/").map(encodeURIComponent).join("/")}`;
  const element = createElement("img", {
    src: address,
    alt: `Part ${record.partNumber}, ${camera}`,
    decoding: "async",
    onload: () => loaded(element),
  });
  let tries = 0;
  element.addEventListener("error", () => {
    tries += 1;
    if (tries <= RETRIES && element.isConnected) {
      setTimeout(() => { element.src = `${address}?try=${tries}`; }, RETRY_MS);
    } else {
      element.parentElement?.removeAttribute("style"); // no zoom: it would enlarge the text
      element.replaceWith(createElement("p", { class: "no-picture" }, "Picture not found"));
    }
  });
  return element;
}

function boxOverlay(boxes) {
  const labels = boxes.map((box) => formatCode(box.label)).join(", ") || "no detections";
  return createSvg("svg", { class: "boxes", preserveAspectRatio: "xMidYMid meet", role: "img", "aria-label": labels });
}

function drawBoxes(overlay, boxes, frame, labelled) {
  overlay.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  overlay.replaceChildren(
    ...boxes.flatMap((box) => [
      rectangle(box, "halo"),
      rectangle(box, "box"),
      ...(labelled ? [label(box, frame)] : []),
    ]),
  );
}

const rectangle = (box, name) =>
  createSvg("rect", { class: name, x: box.x, y: box.y, width: box.width, height: box.height, rx: 3 });

function label(box, frame) {
  const scale = frame.width / LABELS_FOR_WIDTH;
  const text = `${formatCode(box.label)} ${formatScore(box.score)}`;
  const width = text.length * LETTER_WIDTH + 16;
  const x = Math.max(0, Math.min(box.x, frame.width - width * scale));
  const below = box.y < (LABEL_HEIGHT + 4) * scale;
  const y = below ? box.y + box.height + 4 * scale : box.y - (LABEL_HEIGHT + 4) * scale;
  return createSvg(
    "g",
    { class: "box-label", transform: `translate(${x} ${y}) scale(${scale})` },
    createSvg("rect", { x: 0, y: 0, width, height: LABEL_HEIGHT, rx: 4 }),
    createSvg("text", { x: 8, y: 25 }, text),
  );
}
