import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "media"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 44],
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off", // VS Code itself takes any { dispose() }
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  // describe and test return promises that the runner awaits by itself.
  { files: ["test/**"], rules: { "@typescript-eslint/no-floating-promises": "off", "max-lines-per-function": "off" } },
  { files: ["*.mjs"], extends: [tseslint.configs.disableTypeChecked], languageOptions: { globals: { process: false } } },
);
