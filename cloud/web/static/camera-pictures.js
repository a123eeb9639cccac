// A camera's picture with the detections of the record drawn over it, in pixels of the full frame.
// Lines and labels have the same size on the screen, whatever the size of the picture.

import { applyCloseUp, removeCloseUp } from "./close-up.js";
import { createElement, createSvg } from "./dom.js";
import { boxesForCamera, formatCode, formatScore } from "./format.js";
import { findFrameSize } from "./frame-size.js";

const RETRY_MS = 2000;
const RETRIES = 5;
const EDGE_SHARE = 0.12; // of the frame, in which a label would not fit
const RIGHT_SHARE = 0.55; // from there on a label ends at its box's right side

export function cameraPicture(record, camera, large) {
  const boxes = boxesForCamera(record, camera);
  const stored = (record.evidence ?? []).find((picture) => picture.camera === camera);
  const missing = (record.missingCameras ?? []).includes(camera);
  const overlay = boxOverlay(boxes);
  const content = createElement("div", { class: "frame" }, overlay);
  const stage = createElement("div", { class: "stage" }, content);
  const caption = createElement("figcaption", {}, camera, boxes.length ? ` · ${boxes.length}` : "");
  const figure = createElement("figure", { class: boxes.length ? "picture found" : "picture" }, stage, caption);
  const draw = (picture = null) => {
    const frame = findFrameSize(record, camera, boxes, picture);
    figure.style.setProperty("--shape", frame.width / frame.height);
    drawBoxes(overlay, boxes, frame);
    content.querySelectorAll(".box-label").forEach((each) => each.remove());
    if (large) content.append(...boxes.map((box) => label(box, frame)));
    return frame;
  };
  draw();
  if (stored) content.prepend(image(record, camera, stored.key, (element) => {
    draw({ width: element.naturalWidth, height: element.naturalHeight });
    content.dispatchEvent(new Event("framed"));
  }));
  else stage.prepend(createElement("p", { class: "no-picture" }, missing ? "No frame" : "No picture stored"));
  if (stored) zoomable(figure, content, overlay, boxes, large);
  return figure;
}

// A card zooms to the detections; the large picture shows the full frame and zooms on a click.
function zoomable(figure, content, overlay, boxes, large) {
  if (!boxes.length) return;
  const zoom = () => applyCloseUp(content, overlay.viewBox.baseVal, boxes);
  if (!large) {
    content.addEventListener("framed", zoom);
    return;
  }
  figure.title = "Click to zoom to the detections";
  figure.addEventListener("click", () => {
    if (figure.classList.toggle("zoomed")) zoom();
    else removeCloseUp(content);
  });
}

function image(record, camera, key, loaded) {
  const address = `/evidence/${key.split("/").map(encodeURIComponent).join("/")}`;
  const element = createElement("img", {
    src: address,
    alt: `Part ${record.partNumber}, ${camera}`,
    decoding: "async",
    onload: () => {
      element.classList.add("loaded");
      loaded(element);
    },
  });
  let tries = 0;
  element.addEventListener("error", () => {
    tries += 1;
    if (tries <= RETRIES && element.isConnected) {
      setTimeout(() => { element.src = `${address}?try=${tries}`; }, RETRY_MS);
    } else {
      removeCloseUp(element.parentElement); // it would enlarge the text
      element.replaceWith(createElement("p", { class: "no-picture" }, "Picture not found"));
    }
  });
  return element;
}

function boxOverlay(boxes) {
  const labels = boxes.map((box) => formatCode(box.label)).join(", ") || "no detections";
  return createSvg("svg", { class: "boxes", preserveAspectRatio: "none", role: "img", "aria-label": labels });
}

function drawBoxes(overlay, boxes, frame) {
  overlay.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  overlay.replaceChildren(...boxes.flatMap((box) => [rectangle(box, "halo"), rectangle(box, "box")]));
}

const rectangle = (box, name) =>
  createSvg("rect", { class: name, x: box.x, y: box.y, width: box.width, height: box.height });

// Above its box, below it at the upper edge, and inside a box that fills the height.
function label(box, frame) {
  const element = createElement("span", { class: "box-label" }, `${formatCode(box.label)} ${formatScore(box.score)}`);
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  const bottom = box.y + box.height;
  if (box.y > EDGE_SHARE * frame.height) element.style.bottom = percent(frame.height - box.y, frame.height);
  else if (bottom < (1 - EDGE_SHARE) * frame.height) element.style.top = percent(bottom, frame.height);
  else element.style.top = percent(Math.max(0, box.y), frame.height);
  if (box.x > RIGHT_SHARE * frame.width) element.style.right = percent(Math.max(0, frame.width - box.x - box.width), frame.width);
  else element.style.left = percent(Math.max(0, box.x), frame.width);
  return element;
}
