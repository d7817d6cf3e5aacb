// How the site's search orders its results. The constants are Sphinx's own; many pages have the same
// number of points then. Among them, those that tell how to do something come first.
var Scorer = {
  score: (result) => {
    const [page, , , , points] = result;
    if (/^(CHANGELOG|README|docs\/(zh\/|coverage|architecture|settings|from\/)|benchmarks\/)/.test(page))
      return points - 3;
    return points + (/^docs\/guides\//.test(page) ? 1 : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
