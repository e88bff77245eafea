// Formats the plugin's Lua with StyLua, by .stylua.toml; `--check` only names the files that it would change.
import { Config, formatCode, IndentType, OutputVerification } from "@johnnymorganz/stylua";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";

const plugin = path.dirname(import.meta.dirname);
const options = readFileSync(path.join(plugin, ".stylua.toml"), "utf8");
const onlyChecks = process.argv.includes("--check");
const files = ["lua", "lsp", "plugin"].flatMap(luaFiles);
const changed = files.filter((file) => {
  const before = readFileSync(file, "utf8");
  const after = formatCode(before, config(), undefined, OutputVerification.Full);
  if (after !== before && !onlyChecks) {
    writeFileSync(file, after);
  }
  return after !== before;
});
changed.forEach((file) => console.log(`${onlyChecks ? "is not formatted" : "formatted"}: ${path.relative(plugin, file)}`));
process.exitCode = onlyChecks && changed.length > 0 ? 1 : 0;

/** One for each call, which takes it over. */
function config() {
  const config = Config.new();
  config.column_width = Number(option("column_width"));
  config.indent_type = IndentType[option("indent_type")];
  config.indent_width = Number(option("indent_width"));
  return config;
}

function luaFiles(folder) {
  const found = readdirSync(path.join(plugin, folder), { recursive: true, encoding: "utf8" });
  return found.filter((name) => name.endsWith(".lua")).map((name) => path.join(plugin, folder, name));
}

function option(name) {
  const value = new RegExp(`^${name} = "?(\\w+)"?$`, "m").exec(options)?.[1];
  if (value === undefined) {
    throw new Error(`.stylua.toml does not say ${name}`);
  }
  return value;
}
