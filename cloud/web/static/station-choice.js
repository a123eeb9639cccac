// The station that a page shows: its name, or a list to choose from when there are several.

import { createElement } from "./dom.js";

export const stationFromAddress = () => new URLSearchParams(location.search).get("station");

export const withStation = (path, station) =>
  station === null ? path : `${path}${path.includes("?") ? "&" : "?"}station=${encodeURIComponent(station)}`;

export function stationChoice([names, chosen], choose) {
  if (names.length < 2) return document.createTextNode(names[0] ?? "");
  return createElement(
    "select",
    { "aria-label": "Station", onchange: ({ target }) => choose(target.value) },
    names.map((name) => createElement("option", { value: name, "data-key": name, selected: name === chosen }, name)),
  );
}
