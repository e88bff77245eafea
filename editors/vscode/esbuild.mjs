// Bundles the extension into dist/extension.js, with the licences of what is bundled beside it; `--watch` does it again
// after every change.
import * as esbuild from "esbuild";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";

const watches = process.argv.includes("--watch");
const context = await esbuild.context({
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.js",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["vscode"],
  metafile: true,
  minify: !watches,
  sourcemap: watches,
});
if (watches) {
  await context.watch();
} else {
  const { metafile } = await context.rebuild();
  writeFileSync("dist/THIRD-PARTY-LICENSES.txt", licences(Object.keys(metafile.inputs)));
  await context.dispose();
}

/** The licence texts of all packages that bundled files belong to. */
function licences(files) {
  const packages = files.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean);
  return [...new Set(packages)].sort().map(licence).join("\n");
}

function licence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? "" : readFileSync(path.join(folder, file), "utf8");
  return `${name} ${version} (${license})\n${"-".repeat(70)}\n${text}\n`;
}
