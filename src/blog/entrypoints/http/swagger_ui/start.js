const documentUrl = document.querySelector("link[rel=service-desc]").getAttribute("href")
const kept = `authorized at ${documentUrl}`

// Swagger UI would keep passwords, too, and for ever. What is kept here ends with its tab.
const keepTokens = {
  statePlugins: {
    auth: {
      wrapActions: {
        persistAuthorizationIfNeeded: (_, system) => () => {
          const authorized = system.authSelectors.authorized().toJS()
          for (const each of Object.values(authorized)) {
            delete each.password
            delete each.clientSecret
          }
          sessionStorage.setItem(kept, JSON.stringify(authorized))
        },
      },
    },
  },
}

const ui = SwaggerUIBundle({
  url: documentUrl,
  dom_id: "#docs",
  deepLinking: true,
  // Nothing may leave the machine: by default a badge asks a service elsewhere whether the document is valid.
  validatorUrl: null,
  plugins: [() => keepTokens],
  onComplete: () => {
    const authorized = sessionStorage.getItem(kept)
    if (authorized) ui.authActions.restoreAuthorization({ authorized: JSON.parse(authorized) })
  },
})
