SwaggerUIBundle({
  url: document.querySelector("link[rel=service-desc]").getAttribute("href"),
  dom_id: "#docs",
  deepLinking: true,
  // Nothing may leave the machine: by default a badge asks a service elsewhere whether the document is valid.
  validatorUrl: null,
})
