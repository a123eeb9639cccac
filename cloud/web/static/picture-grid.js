// All pictures of a part: one to eight cameras in up to three columns.

import { cameraPicture } from "./camera-pictures.js";
import { createElement } from "./dom.js";
import { listBoxes, listCameras } from "./format.js";

export function pictureGrid(record, tag, large) {
  const name = large ? "pictures large" : "pictures";
  const cameras = listCameras(record);
  const due = (record.evidence ?? []).length || listBoxes(record).length;
  if (!due) return createElement(tag, { class: `${name} none` }, describeNone(record.missingCameras ?? [], cameras));
  const grid = createElement(tag, { class: name }, cameras.map((camera) => cameraPicture(record, camera, large)));
  grid.style.setProperty("--columns", countColumns(cameras.length));
  return grid;
}

function describeNone(missing, cameras) {
  if (!missing.length) return "No picture stored";
  return missing.length === cameras.length ? "No frame from any camera" : `No frame from ${missing.join(", ")}; no other picture stored`;
}

const countColumns = (cameras) => (cameras <= 1 ? 1 : cameras <= 4 ? 2 : 3);
