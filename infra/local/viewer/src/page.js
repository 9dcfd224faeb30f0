// Shows the description, and signs the demo user in for "Try it out".
const ui = SwaggerUIBundle({
  url: "/openapi.yaml",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // By default a badge sends the description's address to validator.swagger.io.
  validatorUrl: null,
  onComplete: async () => {
    // The token is as fresh as the last `cargo xtask up`: reload the page after it.
    const { token } = await (await fetch("/demo-user.json")).json();
    ui.preauthorizeApiKey("supabaseToken", token);
  },
});
