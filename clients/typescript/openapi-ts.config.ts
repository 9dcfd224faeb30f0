import type { UserConfig } from "@hey-api/openapi-ts";

export default {
  input: "../../docs/openapi.yaml",
  output: { path: "src/generated", module: { extension: ".js" } },
  plugins: ["@hey-api/typescript", "@hey-api/sdk", "@hey-api/client-fetch"],
} satisfies UserConfig;
