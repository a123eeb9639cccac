// A camera's picture with the boxes of the record drawn over it, in pixels of the camera's full frame.

import { draw, make } from "./dom.js";
import { plain } from "./words.js";
import { closeUp } from "./zoom.js";

const FRAME = { width: 1280, height: 720 };
const RETRY_MS = 2000;
const RETRIES = 5;
const LABEL_HEIGHT = 34;
const LETTER_WIDTH = 16.5;

export function cameraPicture(record, camera, large) {
  const boxes = record[camera] ?? [];
  const kept = (record.evidence ?? []).find((picture) => picture.camera === camera);
  const missing = (record.missingCameras ?? []).includes(camera);
  const overlay = boxOverlay(boxes, large);
  const stage = make("div", { class: "stage" }, overlay);
  const caption = make("figcaption", {}, camera, boxes.length ? ` · ${boxes.length}` : "");
  const figure = make("figure", { class: boxes.length ? "picture found" : "picture" }, stage, caption);
  if (kept) stage.prepend(image(record, camera, kept.key, (element) => fit(element, overlay)));
  else stage.prepend(make("p", { class: "no-picture" }, missing ? "camera missing" : "no picture kept"));
  zoomable(figure, stage, overlay, boxes, large);
  return figure;
}

// A card shows a defect close up; the large picture shows all of the frame, and the defect at a click.
function zoomable(figure, stage, overlay, boxes, large) {
  if (!boxes.length) return;
  const zoom = () => closeUp(stage, overlay.viewBox.baseVal, boxes);
  if (!large) {
    zoom();
    stage.addEventListener("framed", zoom);
    return;
  }
  figure.title = "Click for a close-up of what was found";
  figure.addEventListener("click", () => {
    if (figure.classList.toggle("zoomed")) zoom();
    else stage.removeAttribute("style");
  });
}

function image(record, camera, key, loaded) {
  const address = `/evidence/${key.split("/").map(encodeURIComponent).join("/")}`;
  const element = make("img", {
    src: address,
    alt: `${camera} of part ${record.partNumber}`,
    decoding: "async",
    onload: () => loaded(element),
  });
  let tries = 0;
  element.addEventListener("error", () => {
    tries += 1;
    if (tries <= RETRIES && element.isConnected) {
      setTimeout(() => { element.src = `${address}?try=${tries}`; }, RETRY_MS);
    } else {
      element.replaceWith(make("p", { class: "no-picture" }, "picture not found"));
    }
  });
  return element;
}

// A kept picture may be smaller than its frame, never of another shape: then it is a frame of its own.
function fit(element, overlay) {
  const { naturalWidth: width, naturalHeight: height } = element;
  if (Math.abs(width / height - FRAME.width / FRAME.height) < 0.02) return;
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  element.parentElement.dispatchEvent(new Event("framed"));
}

function boxOverlay(boxes, labelled) {
  return draw(
    "svg",
    {
      class: "boxes",
      viewBox: `0 0 ${FRAME.width} ${FRAME.height}`,
      preserveAspectRatio: "xMidYMid meet",
      role: "img",
      "aria-label": boxes.map((box) => plain(box.label)).join(", ") || "no boxes",
    },
    boxes.flatMap((box) => [
      rectangle(box, "halo"),
      rectangle(box, "box"),
      labelled ? label(box) : null,
    ]),
  );
}

const rectangle = (box, name) =>
  draw("rect", { class: name, x: box.x, y: box.y, width: box.width, height: box.height, rx: 3 });

function label(box) {
  const text = `${plain(box.label)} ${Math.round(box.score * 100)} %`;
  const width = text.length * LETTER_WIDTH + 16;
  const x = Math.max(0, Math.min(box.x, FRAME.width - width));
  const below = box.y < LABEL_HEIGHT + 4;
  const y = below ? box.y + box.height + 4 : box.y - LABEL_HEIGHT - 4;
  return draw(
    "g",
    { class: "box-label" },
    draw("rect", { x, y, width, height: LABEL_HEIGHT, rx: 4 }),
    draw("text", { x: x + 8, y: y + 25 }, text),
  );
}
