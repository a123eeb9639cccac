// All pictures of a part: one to eight cameras in up to three columns.

import { cameraPicture } from "./camera-pictures.js";
import { createElement } from "./dom.js";
import { listBoxes, listCameras } from "./format.js";

export function pictureGrid(record, tag, large) {
  const name = large ? "pictures large" : "pictures";
  const due = (record.evidence ?? []).length || listBoxes(record).length || (record.missingCameras ?? []).length;
  if (!due) return createElement(tag, { class: `${name} none` }, "No picture stored");
  const cameras = listCameras(record);
  const grid = createElement(tag, { class: name }, cameras.map((camera) => cameraPicture(record, camera, large)));
  grid.style.setProperty("--columns", countColumns(cameras.length));
  return grid;
}

const countColumns = (cameras) => (cameras <= 1 ? 1 : cameras <= 4 ? 2 : 3);
