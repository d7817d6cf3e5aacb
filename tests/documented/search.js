// What the site's own search shows for each query: the site's scripts, without a browser.
//   node search.js SITE < queries.json    prints the pages of each query, best first, as JSON
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const site = process.argv[2];
const scripts = [
  "_static/language_data.js",
  "_static/base-stemmer.js",
  "_static/english-stemmer.js",
  "_static/searchtools.js",
  "searchindex.js",
];
const page = {
  document: { getElementById: () => null, addEventListener: () => {} },
  localStorage: { setItem: () => {} },
  SPHINX_HIGHLIGHT_ENABLED: false,
  _ready: () => {},
  console,
};
page.window = page;
const text = scripts
  .map((name) => fs.readFileSync(path.join(site, name), "utf-8"))
  .concat("globalThis.search = (query) => Search._performSearch(...Search._parseQuery(query));")
  .join("\n;\n");
vm.runInNewContext(text, page);

const queries = JSON.parse(fs.readFileSync(0, "utf-8"));
// The page takes results from the end of the list.
const shown = queries.map((query) =>
  page.search(query).reverse().map((item) => item[0] + item[2]),
);
process.stdout.write(JSON.stringify(shown));
