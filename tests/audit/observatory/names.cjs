// Node asks this instead of the name servers: AUDIT_NAMES is "name=address,...".
const dns = require("node:dns");
const known = new Map((process.env.AUDIT_NAMES ?? "").split(",").map((item) => item.split("=")));
const lookup = dns.lookup;
dns.lookup = (name, options, callback) => {
  const done = callback ?? options;
  const address = known.get(name);
  if (!address) return lookup(name, options, callback);
  const all = typeof options === "object" && options.all;
  process.nextTick(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)));
};
