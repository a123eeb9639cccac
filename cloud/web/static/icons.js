// One shape for each verdict, so that colour is never the only sign.

import { createSvg } from "./dom.js";

const SHAPES = {
  ok: ["M12 2a10 10 0 1 1 0 20a10 10 0 1 1 0-20z", "M7 12.5l3.4 3.4L17 9"],
  defect: ["M8 2h8l6 6v8l-6 6H8l-6-6V8z", "M8.5 8.5l7 7M15.5 8.5l-7 7"],
  review: ["M12 1.5L22.5 12L12 22.5L1.5 12z", "M9.6 9.6a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.2.9-1.2 1.7M12 16.4v.2"],
  missed: ["M12 2.5L22.5 21h-21z", "M12 9.5v5M12 17.4v.2"],
  empty: ["M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z", "M8 12h8"],
};

export function verdictIcon(verdict, size = 20) {
  const [outline, sign] = SHAPES[verdict] ?? SHAPES.missed;
  return createSvg(
    "svg",
    { viewBox: "0 0 24 24", width: size, height: size, class: `icon ${verdict}`, "aria-hidden": "true" },
    createSvg("path", { d: outline, class: "shape" }),
    createSvg("path", { d: sign, class: "sign" }),
  );
}
