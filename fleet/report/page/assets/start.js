const form = document.getElementById("filter");
const field = (id) => document.getElementById(id);

function applyFilter() {
  view.hosts = select({ query: field("query").value, status: field("host-status").value, control: field("control").value,
    verdict: field("verdict").value });
  view.every = field("every-control").checked;
  view.first = 0;
  renderTable();
}

function clearFilter() {
  form.reset();
  applyFilter();
}

function nameInAddress() {
  if (!location.hash.startsWith("#host=")) return null;
  try {
    return decodeURIComponent(location.hash.slice("#host=".length));
  } catch {
    return null; // an address that somebody has cut
  }
}

function openNamed() {
  const name = nameInAddress();
  const host = HOSTS.find((each) => each.name === name);
  if (!host) return;
  clearFilter();
  goTo(host.index);
}

field("query").addEventListener("input", applyFilter);
for (const id of ["host-status", "control", "verdict", "every-control"]) field(id).addEventListener("change", applyFilter);
form.addEventListener("submit", (event) => event.preventDefault());
field("clear").addEventListener("click", clearFilter);
parts.previous.addEventListener("click", () => { view.first = Math.max(0, view.first - ROWS); renderTable(); });
parts.next.addEventListener("click", () => { view.first += ROWS; renderTable(); });
parts.table.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-host]");
  const clicked = target.closest("td.cell");
  if (button) toggle(Number(button.dataset.host));
  else if (clicked) toggle(Number(clicked.parentElement.dataset.host), Number(clicked.dataset.control));
});

const map = document.getElementById("heat-map");
if (map) {
  const at = ({ clientX, clientY }) => {
    const box = map.getBoundingClientRect();
    const host = HOSTS[Math.floor((clientX - box.left) / box.width * HOSTS.length)];
    return [host, Math.floor((clientY - box.top) / box.height * CONTROLS.length)];
  };
  map.addEventListener("pointermove", (event) => {
    const [host, control] = at(event);
    if (!host || !CONTROLS[control]) return;
    const finding = host.error ? null : statusesOf(host)[control];
    const words = host.error || (finding ? `${CONTROLS[control].id} ${finding.status}: ${finding.reason}` : "not judged");
    field("heat-words").textContent = `${host.name}: ${words}`;
  });
  map.addEventListener("click", (event) => {
    const [host] = at(event);
    if (host) location.hash = `host=${encodeURIComponent(host.name)}`;
  });
}

// On paper nothing can be unfolded or paged through.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main > section > details:not([open])")];
  for (const each of folded) each.open = true;
  view.all = true;
  renderTable();
});
addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
  view.all = false;
  renderTable();
});

addEventListener("hashchange", openNamed);
document.documentElement.classList.remove("no-script");
applyFilter();
openNamed();
performance.mark("ready");
