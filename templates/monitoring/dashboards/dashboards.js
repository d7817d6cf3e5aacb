"use strict";
// The pages: what is shown follows from panels.json, and the values from Prometheus on the same
// site. Everything that is measured becomes text, never mark-up.

(() => {
  const RANGES = { "15 minutes": 900, "30 minutes": 1800, "1 hour": 3600, "6 hours": 21600, "1 day": 86400, "1 week": 604800, "30 days": 2592000 };
  const POINTS = 240;
  const AT_ONCE = 6;
  const API = "../api/v1/";
  const $ = (id) => document.getElementById(id);

  let data;
  let charts = [];
  let round = 0;

  function element(tag, text = "", parent = null) {
    const made = document.createElement(tag);
    made.textContent = text;
    parent?.append(made);
    return made;
  }

  // What is looked at is in the address, so that it can be passed on.
  function wanted() {
    const said = new URLSearchParams(location.hash.slice(1));
    const board = data.boards.find((item) => item.name === said.get("board")) ?? data.boards[0];
    const host = board.hosts.includes(said.get("host")) ? said.get("host") : "";
    const app = board.apps.includes(said.get("app")) ? said.get("app") : "";
    const range = Object.values(RANGES).includes(Number(said.get("range"))) ? Number(said.get("range")) : 3600;
    return { board, host: board.name === "host" && !host ? board.hosts[0] : host, app, range };
  }

  function address(changes) {
    const { board, host, app, range } = wanted();
    const said = { board: board.name, host, app, range, ...changes };
    return `#${new URLSearchParams(said)}`;
  }

  function options(select, values, chosen) {
    select.replaceChildren();
    for (const [text, value] of values) {
      const option = element("option", text, select);
      option.value = value;
      option.selected = String(value) === String(chosen);
    }
    select.parentElement.hidden = values.length < 2;
  }

  function controls({ board, host, app, range }) {
    $("boards").replaceChildren();
    for (const item of data.boards) {
      const link = element("a", item.title, $("boards"));
      link.href = address({ board: item.name, host: "", app: "" });
      if (item === board) link.setAttribute("aria-current", "page");
    }
    const named = (names) => names.map((name) => [name, name]);
    const all = board.name === "host" ? [] : [["all", ""]];
    options($("host"), [...all, ...named(board.hosts)], host);
    options($("app"), board.apps.length ? [["all", ""], ...named(board.apps)] : [], app);
    options($("range"), Object.entries(RANGES), range);
    document.title = $("title").textContent = [board.title, app || host].filter(Boolean).join(": ");
  }

  function filled(query, { host, app }, step) {
    const names = {
      $hosts: host ? data.selectors.hosts[host] : query.all,
      $apps: app ? data.selectors.apps[app] : 'app=~".+"',
    };
    names.$window = `${Math.max(4 * data.interval, step)}s`;
    names.$step = `${step}s`;
    return query.expression.replace(/\$(hosts|apps|window|step)/g, (name) => names[name]);
  }

  const fits = (query, { host, app }) =>
    (!host || query.hosts.includes(host)) && (!app || !query.apps.length || query.apps.includes(app));

  async function ask(path, parameters) {
    const answer = await fetch(`${API}${path}?${new URLSearchParams(parameters)}`);
    const told = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
    if (told.status !== "success") throw new Error(told.error ?? `status ${answer.status}`);
    return told.data.result;
  }

  async function series(panel, view, times) {
    const over = panel.kind === "lines" || panel.kind === "stacked" || panel.kind === "marks";
    const found = await Promise.all(panel.queries.filter((query) => fits(query, view)).map(async (query) => {
      const expression = filled(query, view, times.step);
      const { start, end, step } = times;
      const result = over
        ? await ask("query_range", { query: expression, start, end, step })
        : await ask("query", { query: expression, time: end });
      return result.map((item) => ({
        name: words.legend(query.legend, item.metric),
        values: item.values ?? [item.value],
      }));
    }));
    return found.flat();
  }

  const SHOW = {
    number(place, panel, found) {
      const list = element("dl", "", place);
      for (const item of found) {
        const pair = element("div", "", list);
        element("dd", words.value(Number(item.values[0][1]), panel.unit), pair);
        element("dt", item.name, pair);
      }
    },
    table(place, panel, found) {
      const list = element("ul", "", place);
      for (const name of new Set(found.map((item) => item.name))) element("li", name, list);
    },
    lines(place, panel, found, times) {
      const box = element("div", "", place);
      box.className = "drawing";
      const canvas = element("canvas", "", box);
      canvas.setAttribute("role", "img");
      const last = found.map((item) => `${item.name} ${words.value(Number(item.values.at(-1)[1]), panel.unit)}`);
      canvas.setAttribute("aria-label", `${panel.title}: ${last.join(", ")}`);
      charts.push(lines.draw(canvas, panel, found, times));
      if (found.length > lines.MOST) element("p", `and ${found.length - lines.MOST} more`, place);
    },
  };
  SHOW.stacked = SHOW.lines;

  function card(panel) {
    const place = document.createElement("article");
    element("h2", panel.title, place);
    if (panel.about) element("p", panel.about, place);
    return place;
  }

  // Panels without data are named at the end: an empty frame for each would hide the others.
  function show(panel, found, times) {
    if (!found.length && panel.kind !== "table") return panel.title;
    const place = card(panel);
    $(panel.kind === "number" || panel.kind === "table" ? "figures" : "lines").append(place);
    if (found.length) SHOW[panel.kind](place, panel, found, times);
    else element("p", "None.", place).className = "none";
    return null;
  }

  // Each series appears where something begins.
  function moments(found, step) {
    const begun = [];
    for (const item of found) {
      let last = -Infinity;
      for (const [time] of item.values) {
        if (time - last > 1.5 * step) begun.push({ time, text: item.name });
        last = time;
      }
    }
    return begun;
  }

  async function marked(view, times) {
    const asked = view.board.panels.filter((panel) => panel.kind === "marks");
    const found = await Promise.all(asked.map((panel) => series(panel, view, times)));
    return moments(found.flat(), times.step);
  }

  async function refresh() {
    const mine = ++round;
    const view = wanted();
    controls(view);
    const step = Math.max(data.interval, Math.ceil(view.range / POINTS));
    const end = Math.floor(Date.now() / 1000 / step) * step;
    const times = { start: end - view.range, end, step };
    const failed = [];
    times.moments = await marked(view, times).catch((error) => (failed.push(error), []));
    const waiting = view.board.panels.filter((panel) => panel.kind !== "marks");
    const results = new Map();
    const work = async () => {
      for (let panel = waiting.shift(); panel; panel = waiting.shift()) {
        results.set(panel, await series(panel, view, times).catch((error) => (failed.push(error), [])));
      }
    };
    const panels = [...waiting];
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    // A later choice has overtaken this one.
    if (mine !== round) return;
    // The page keeps its height meanwhile, and so its place.
    const main = document.querySelector("main");
    main.style.minHeight = `${main.offsetHeight}px`;
    charts.forEach((chart) => chart.destroy());
    charts = [];
    $("figures").replaceChildren();
    $("lines").replaceChildren();
    const empty = panels.map((panel) => show(panel, results.get(panel), times)).filter(Boolean);
    $("empty").textContent = empty.length ? `Without data: ${empty.join(", ")}.` : "";
    main.style.minHeight = "";
    $("state").className = failed.length ? "bad" : "";
    $("state").textContent = failed.length
      ? `${failed.length} not answered: ${failed[0].message}`
      : `at ${new Date(end * 1000).toLocaleTimeString([], { hour12: false })}`;
    document.documentElement.dataset.shown = `${view.board.name}`;
  }

  async function begin() {
    data = await (await fetch("panels.json")).json();
    for (const name of ["host", "app", "range"]) {
      $(name).addEventListener("change", (event) => { location.hash = address({ [name]: event.target.value }); });
    }
    window.addEventListener("hashchange", refresh);
    await refresh();
    setInterval(() => document.hidden || refresh(), Math.max(30, data.interval) * 1000);
  }

  begin().catch((error) => {
    $("state").className = "bad";
    $("state").textContent = `The page cannot be shown: ${error.message}`;
  });
})();
