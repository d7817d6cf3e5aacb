"use strict";
// Lines over time, drawn by Chart.js.

const lines = (() => {
  const COLOURS = [
    "#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be185d", "#4d7c0f",
    "#475569", "#1d4ed8",
  ];
  // Classes of status look the same everywhere.
  const NAMED = { "2xx": "#15803d", "3xx": "#0b5cad", "4xx": "#b45309", "5xx": "#b3261e" };
  const MOST = 20;
  const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000];

  // Dashed lines: limits across, and moments such as releases upright.
  const marks = {
    id: "marks",
    afterDatasetsDraw(chart, _, { limits, moments }) {
      const { ctx, chartArea: area, scales: { x, y } } = chart;
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left, area.top, area.width, area.height);
      ctx.clip();
      ctx.setLineDash([5, 4]);
      ctx.lineWidth = 1;
      for (const limit of limits ?? []) {
        ctx.strokeStyle = "#b3261e";
        line(ctx, area.left, y.getPixelForValue(limit), area.right, y.getPixelForValue(limit));
      }
      // On the page of one application, its name at each release says nothing.
      const named = new Set(moments?.map((moment) => moment.text)).size > 1;
      ctx.font = "11px system-ui, sans-serif";
      for (const moment of moments ?? []) {
        const at = x.getPixelForValue(moment.time);
        ctx.strokeStyle = ctx.fillStyle = "#334155";
        line(ctx, at, area.top, at, area.bottom);
        if (!named) continue;
        const right = at > area.left + area.width * 0.7;
        ctx.textAlign = right ? "right" : "left";
        ctx.fillText(moment.text, at + (right ? -4 : 4), area.top + 10);
      }
      ctx.restore();
    },
  };

  function line(ctx, left, top, right, bottom) {
    ctx.beginPath();
    ctx.moveTo(left, top);
    ctx.lineTo(right, bottom);
    ctx.stroke();
  }

  // Ticks at whole hours or days of the reader's clock.
  function ticks(axis) {
    const range = axis.max - axis.min;
    const step = STEPS.find((item) => range / item <= Math.max(3, axis.width / 80)) ?? STEPS.at(-1);
    const shift = new Date(axis.max * 1000).getTimezoneOffset() * 60;
    axis.ticks = [];
    for (let at = Math.ceil((axis.min - shift) / step) * step + shift; at <= axis.max; at += step) {
      axis.ticks.push({ value: at });
    }
  }

  // Bytes are counted in powers of two, and long times in minutes, hours and days.
  function steps(axis, unit) {
    const least = axis.max / 5;
    let step;
    if (unit.startsWith("bytes") && axis.max > 0) step = 2 ** Math.ceil(Math.log2(least));
    if (unit === "s" && axis.max > 120) step = STEPS.find((item) => item >= least);
    if (!step) return;
    axis.ticks = [];
    for (let at = 0; at <= axis.max; at += step) axis.ticks.push({ value: at });
  }

  // A break in the measurements is one in the line too.
  function points(series, step) {
    const found = [];
    for (const [at, text] of series.values) {
      const last = found.at(-1);
      if (last && at - last.x > 1.5 * step) found.push({ x: at - step, y: null });
      const value = Number(text);
      found.push({ x: at, y: Number.isFinite(value) ? value : null });
    }
    return found;
  }

  function datasets(panel, series, step) {
    const last = (item) => Number(item.values.at(-1)[1]) || 0;
    const shown = panel.kind === "stacked" ? series : [...series].sort((a, b) => last(b) - last(a));
    return shown.slice(0, MOST).map((item, number) => {
      const colour = NAMED[item.name] ?? COLOURS[number % COLOURS.length];
      return {
        label: item.name,
        data: points(item, step),
        borderColor: colour,
        backgroundColor: panel.kind === "stacked" ? `${colour}99` : colour,
        borderDash: number < COLOURS.length ? [] : [6, 3],
        borderWidth: panel.kind === "stacked" ? 1 : 1.75,
        fill: panel.kind === "stacked" ? "stack" : false,
        // A line along the edge is seen too.
        clip: 3,
        pointRadius: 0,
        pointHitRadius: 6,
      };
    });
  }

  function draw(canvas, panel, series, { start, end, step, moments }) {
    const range = end - start;
    const stacked = panel.kind === "stacked";
    // A limit that is far away would press the lines to the ground.
    const highest = Math.max(0, ...series.flatMap((item) => item.values.map(([, text]) => Number(text) || 0)));
    const limits = panel.limits.filter((limit) => panel.most !== null || limit <= 2.5 * highest);
    return new Chart(canvas, {
      type: "line",
      data: { datasets: datasets(panel, series, step) },
      plugins: [marks],
      options: {
        animation: false,
        maintainAspectRatio: false,
        parsing: false,
        normalized: true,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: {
          x: {
            type: "linear",
            min: start,
            max: end,
            afterBuildTicks: ticks,
            grid: { color: "#eef1f4" },
            ticks: { maxRotation: 0, autoSkip: true, callback: (at) => words.time(at, range) },
          },
          y: {
            beginAtZero: true,
            stacked,
            suggestedMax: Math.max(0, ...limits),
            afterBuildTicks: (axis) => steps(axis, panel.unit),
            max: panel.most ?? undefined,
            grid: { color: "#eef1f4" },
            ticks: { maxTicksLimit: 6, callback: (number) => words.value(number, panel.unit) },
          },
        },
        plugins: {
          marks: { limits, moments },
          legend: {
            position: "bottom",
            align: "start",
            labels: { boxWidth: 10, boxHeight: 10, padding: 8, font: { size: 11 } },
          },
          tooltip: {
            callbacks: {
              title: (items) => (items.length ? new Date(items[0].parsed.x * 1000).toLocaleString([], { hour12: false }) : ""),
              label: (item) => `${item.dataset.label}: ${words.value(item.parsed.y, panel.unit)}`,
            },
          },
        },
      },
    });
  }

  return { draw, MOST };
})();
