// Reads {"tables": {name: "(column: type, ...)"}, "queries": {name: text}} from standard input, and
// writes what Microsoft's parser says of each query: {name: ["Error ...", ...]}.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const library = path.join(__dirname, "node_modules", "@kusto", "language-service-next");
for (const file of ["bridge.js", "Kusto.Language.Bridge.js"]) {
  vm.runInThisContext(fs.readFileSync(path.join(library, file), "utf8"), file);
}
const { GlobalState, KustoCode, Symbols } = Kusto.Language;
const { tables, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const symbols = Object.entries(tables).map(
  ([name, columns]) => new Symbols.TableSymbol.$ctor7(name, columns, null),
);
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor1("logs", symbols));
const said = Object.entries(queries).map(([name, text]) => {
  const found = Bridge.toArray(KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics());
  return [name, found.map((each) => `${each.Severity} ${each.Message}`)];
});
process.stdout.write(JSON.stringify(Object.fromEntries(said)));
