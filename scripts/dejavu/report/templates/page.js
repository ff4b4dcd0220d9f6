"use strict";

/* Charts: fitted to the width of their place, drawn anew when that or the colours change. */

const held = (id) => JSON.parse(document.getElementById(id).textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const NARROW = 560, LEAST_PANEL = 110, MOST_PANEL = 460, PANEL_AND_AXES = 250;

function merged(base, over) {
  if (over === null || typeof over !== "object" || Array.isArray(over)) return over;
  const result = { ...base };
  for (const key of Object.keys(over)) result[key] = merged(result[key] ?? {}, over[key]);
  return result;
}

function stackLegends(node) {
  if (node === null || typeof node !== "object") return;
  if (node.legend?.columns) node.legend.columns = 1;
  Object.values(node).forEach(stackLegends);
}

function fitted(chart, width) {
  const spec = structuredClone(chart);
  delete spec.title;
  // Rows stay whole: three panels side by side become one, not two.
  if (spec.facet && width < spec.columns * PANEL_AND_AXES) {
    spec.columns = spec.columns % 2 === 0 && width >= 2 * PANEL_AND_AXES ? 2 : 1;
  }
  if (width < NARROW) stackLegends(spec);
  return spec;
}

function resized(spec, spare) {
  const panel = spec.spec ?? spec;
  const wanted = panel.width + spare / (spec.facet ? spec.columns : 1);
  if (panel.width === panel.height) {
    if (spare < 0) panel.width = panel.height = Math.max(LEAST_PANEL, wanted);
  } else {
    panel.width = Math.min(MOST_PANEL, Math.max(LEAST_PANEL, wanted));
  }
  return spec;
}

async function draw(place) {
  const chart = held(`${place.dataset.figure}-chart`);
  const config = dark.matches ? merged(held("theme"), held("dark")) : held("theme");
  config.padding = 2;
  if (place.clientWidth < NARROW) config.legend.columns = 2;
  const options = {
    renderer: "svg", actions: false, config, tooltip: { theme: dark.matches ? "dark" : "light" },
  };
  place.closest("figure").classList.add("live");
  const width = place.clientWidth - 4;
  let spec = fitted(chart, width);
  for (let pass = 0; pass < 2; pass += 1) {
    await vegaEmbed(place, spec, options);
    const drawn = place.querySelector("svg").getBoundingClientRect().width;
    spec = resized(spec, Math.floor(width - drawn));
  }
  await vegaEmbed(place, spec, options);
  place.dataset.drawnFor = `${place.clientWidth} ${dark.matches}`;
}

async function drawAll() {
  for (const place of document.querySelectorAll(".chart")) {
    if (place.dataset.drawnFor !== `${place.clientWidth} ${dark.matches}`) await draw(place);
  }
  document.body.dataset.drawn = "true";
}

let waiting;
function drawSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(drawAll, 200);
}
window.addEventListener("resize", drawSoon);
dark.addEventListener("change", drawSoon);

/* Tables: sorted by a button in each heading, and filtered by words. */

const value = (cell) => {
  const text = cell.textContent.trim();
  return cell.classList.contains("number") ? Number(text.replace("−", "-").replaceAll(",", "")) : text;
};

function compare(first, second) {
  const empty = (held) => held === "";
  if (empty(first) || empty(second)) return empty(first) - empty(second);
  if (typeof first === "number" && typeof second === "number") return first - second;
  return String(first).localeCompare(String(second), "en", { numeric: true });
}

function sort(table, heading) {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const place = heading.cellIndex, body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [value(row.cells[place]), row]);
  rows.sort(([first], [second]) => {
    // Empty cells stay last either way.
    if (first === "" || second === "") return compare(first, second);
    return ascending ? compare(first, second) : compare(second, first);
  });
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading));
    heading.append(button);
  }
}

for (const input of document.querySelectorAll("input.filter")) {
  const rows = document.getElementById(input.getAttribute("aria-controls")).tBodies[0].rows;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}

drawAll();
