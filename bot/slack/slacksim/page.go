package slacksim

import (
	"embed"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// policy lets the page load what comes from its own address and nothing else.
// Whatever a message holds, it cannot become a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) pageRoutes(mux *http.ServeMux) {
	serve := func(path, file, kind string) {
		b, err := pageFiles.ReadFile("page/" + file)
		if err != nil {
			panic(err) // it was embedded at compile time
		}
		mux.HandleFunc("GET "+path, s.own(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Referrer-Policy", "no-referrer")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write(b)
		}))
	}
	const html, css, js, svg = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"
	serve("/{$}", "index.html", html)
	serve("/archives/", "index.html", html)
	serve("/page.css", "page.css", css)
	for _, script := range []string{"blocks.js", "beside.js", "page.js"} {
		serve("/"+script, script, js)
	}
	serve("/icon.svg", "icon.svg", svg)
}
