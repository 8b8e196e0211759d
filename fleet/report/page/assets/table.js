// The table of hosts: one page of rows at a time, so that it is quick with any number of hosts.
const ROWS = 100;
const view = { hosts: HOSTS, first: 0, all: false, every: false, open: new Map() };
const parts = Object.fromEntries(["table", "shown", "previous", "next"].map((id) => [id, document.getElementById(id)]));

function columns() {
  const shown = CONTROLS.map((control, index) => index).filter((index) => view.every || CONTROLS[index].noteworthy);
  return shown.length ? shown : CONTROLS.map((control, index) => index);
}

function renderTable() {
  const shown = columns();
  const last = view.all ? view.hosts.length : Math.min(view.first + ROWS, view.hosts.length);
  const rows = view.hosts.slice(view.all ? 0 : view.first, last).flatMap((host) => hostRows(host, shown));
  parts.table.tHead.replaceChildren(element("tr", {}, element("th", { scope: "col", class: "name" }, "host"),
    element("th", { scope: "col" }, "status"), ...shown.map(columnHead)));
  parts.table.tBodies[0].replaceChildren(...rows);
  const range = view.hosts.length > ROWS && !view.all ? `, shown ${number.format(view.first + 1)} to ${number.format(last)}` : "";
  parts.shown.textContent = `${number.format(view.hosts.length)} of ${number.format(HOSTS.length)} hosts${range}`;
  parts.previous.disabled = view.first === 0;
  parts.next.disabled = last >= view.hosts.length;
}

function columnHead(index) {
  const { id, title } = CONTROLS[index];
  return element("th", { scope: "col", class: "column", title }, element("span", {}, id));
}

function hostRows(host, shown) {
  const open = view.open.has(host.index);
  const button = element("button", { type: "button", "aria-expanded": open, "data-host": host.index }, host.name);
  const row = element("tr", { "data-host": host.index }, element("th", { scope: "row" }, button), element("td", {}, host.status));
  if (host.error) {
    row.append(element("td", { colspan: shown.length || 1, class: "skip" }, host.error));
  } else {
    const found = statusesOf(host);
    for (const index of shown) row.append(cell(found[index], index));
  }
  if (!open) return [row];
  const detail = element("td", { colspan: shown.length + 2 }, hostSheet(host, view.open.get(host.index)));
  return [row, element("tr", { class: "detail" }, detail)];
}

function cell(finding, index) {
  if (!finding) return element("td", { class: "cell", "aria-label": "not judged" });
  const { status, reason } = finding;
  return element("td", { class: `cell ${status}`, title: reason, "aria-label": status, "data-control": index },
    DATA.marks[status]);
}

function toggle(index, marked = null) {
  if (view.open.has(index) && (marked === null || view.open.get(index) === marked)) view.open.delete(index);
  else view.open.set(index, marked);
  renderTable();
  parts.table.querySelector(`button[data-host="${index}"]`)?.focus();
}

// Opens the host on the page of the table where it stands.
function goTo(index) {
  const place = view.hosts.findIndex((host) => host.index === index);
  if (place < 0) return;
  view.first = Math.floor(place / ROWS) * ROWS;
  view.open.set(index, null);
  renderTable();
  const button = parts.table.querySelector(`button[data-host="${index}"]`);
  button.scrollIntoView({ block: "center" });
  button.focus();
}
