// Parses an AsyncAPI document with the official parser; errors (severity 0) fail.
const fs = require("fs");
const { Parser } = require("@asyncapi/parser");

(async () => {
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(process.argv[2], "utf8"));
  const errors = diagnostics.filter((d) => d.severity === 0);
  for (const e of errors) console.log(`FAIL: ${e.path.join("/")}: ${e.message}`);
  if (document) console.log(`${document.allChannels().length} channels, ${document.allOperations().length} operations`);
  console.log(`${errors.length || !document ? 0 : 1} passed, ${errors.length || !document ? 1 : 0} failed`);
  process.exit(errors.length || !document ? 1 : 0);
})();
