"use strict";
// Values, times and names as people read them.

const words = (() => {
  const round = (value, digits = 3) => String(Number(value.toPrecision(digits)));

  function scaled(value, base, names) {
    let size = Math.abs(value);
    let at = 0;
    while (size >= base && at < names.length - 1) {
      size /= base;
      at += 1;
    }
    return `${round(value / base ** at)}${names[at]}`;
  }

  function duration(seconds) {
    const size = Math.abs(seconds);
    if (size === 0) return "0 s";
    if (size < 1) return `${round(seconds * 1000)} ms`;
    if (size < 120) return `${round(seconds)} s`;
    if (size < 7200) return `${round(seconds / 60)} min`;
    if (size < 172800) return `${round(seconds / 3600)} h`;
    return `${round(seconds / 86400)} d`;
  }

  function value(number, unit) {
    if (!Number.isFinite(number)) return "–";
    switch (unit) {
      case "%": return `${round(number)} %`;
      case "s": return duration(number);
      case "bytes": return scaled(number, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
      case "bytes/s": return `${scaled(number, 1024, [" B", " KiB", " MiB", " GiB", " TiB"])}/s`;
      case "/s": return `${scaled(number, 1000, ["", " k", " M", " G"])}/s`;
      case "times": return `${round(number)}×`;
      default: return scaled(number, 1000, ["", " k", " M", " G", " T"]);
    }
  }

  // "{{app}} on {{instance}}" with the labels of a series; what is missing leaves no gap.
  function legend(pattern, labels) {
    return pattern.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? "").replace(/ +/g, " ").trim();
  }

  function time(seconds, range) {
    const at = new Date(seconds * 1000);
    const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    if (range <= 86400) return clock;
    const day = `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
    return range > 7 * 86400 ? day.slice(5) : `${day.slice(5)} ${clock}`;
  }

  return { value, legend, time };
})();
