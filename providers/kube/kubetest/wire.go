package kubetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"k8s.io/client-go/rest"
)

// Break is what a [Wire] does to a request.
type Break string

// The ways in which a request goes wrong.
const (
	LostAnswer  Break = "done, and the answer is lost"
	Unavailable Break = "done, and the answer is 503, ask again after a second"
	Throttled   Break = "429"
	PutOff      Break = "429, ask again after a second"
	Denied      Break = "403"
	Unreachable Break = "connection refused"
	Silent      Break = "no answer"
	ServerFault Break = "500"
)

// Wire stands between the bot and one Region's API server. It passes requests on
// with the bot's own identity, counts what they changed, and breaks those that a test
// names. An operation is a verb and a resource: "patch deployments/scale".
type Wire struct {
	// URL is what a kubeconfig calls the server.
	URL string

	gate    sync.Mutex // held while something happens before a request is passed on
	mu      sync.Mutex
	breaks  []*broken
	before  map[string]func()
	applied map[string]int
	seen    map[string]int
}

type broken struct {
	operation string // empty: every one
	kind      Break
	times     int // how often still; 0 is for good
}

// newWire opens a wire to a server, that passes on what it is asked as cfg says.
func newWire(cfg *rest.Config) (*Wire, func(), error) {
	transport, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, nil, err
	}
	target, err := url.Parse(cfg.Host)
	if err != nil {
		return nil, nil, err
	}
	w := &Wire{before: map[string]func(){}, applied: map[string]int{}, seen: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding") // so that answers can be read here
		},
		ModifyResponse: w.count,
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, errLost) {
				panic(http.ErrAbortHandler) // closes the connection without an answer
			}
			http.Error(rw, err.Error(), http.StatusBadGateway)
		},
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.serve(proxy, rw, r) }))
	// Each request comes over a connection of its own, so that one can be refused.
	s.Config.SetKeepAlivesEnabled(false)
	s.Start()
	w.URL = s.URL
	return w, s.Close, nil
}

// Break makes the next requests of that operation go wrong: times of them, or all
// from now on if times is 0. An empty operation is every one.
func (w *Wire) Break(operation string, kind Break, times int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.breaks = append(w.breaks, &broken{operation, kind, times})
}

// Before has f run once, when the next request of that operation has arrived and has
// not been passed on. Others that arrive wait for f too.
func (w *Wire) Before(operation string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before[operation] = f
}

// Applied is what requests changed so far: "patch deployments/scale order-service"
// and how often. A request that left the object as it was is not counted.
func (w *Wire) Applied() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.applied)
}

// Seen is how many requests of an operation arrived, whatever became of them. Those
// that were refused a connection did not.
func (w *Wire) Seen(operation string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[operation]
}

// take is how this request goes wrong, if it does.
func (w *Wire) take(operation string, kinds func(Break) bool) Break {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range w.breaks {
		if (b.operation != "" && b.operation != operation) || !kinds(b.kind) {
			continue
		}
		if b.times > 0 {
			if b.times--; b.times == 0 {
				w.breaks = append(w.breaks[:i], w.breaks[i+1:]...)
			}
		}
		return b.kind
	}
	return ""
}

type lostKey struct{}

var errLost = errors.New("the answer is lost")

func (w *Wire) serve(proxy http.Handler, rw http.ResponseWriter, r *http.Request) {
	operation := operationOf(r.Method, r.URL.Path)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the bot is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r = r.WithContext(context.WithValue(r.Context(), basedKey{}, versionOf(body)))
	w.mu.Lock()
	w.seen[operation]++
	w.mu.Unlock()
	w.first(operation)
	switch w.take(operation, func(b Break) bool { return b != Unreachable }) {
	case Throttled:
		answer(rw, http.StatusTooManyRequests, "TooManyRequests", "the server has received too many requests")
	case Denied:
		answer(rw, http.StatusForbidden, "Forbidden", operation+" is forbidden")
	case ServerFault:
		answer(rw, http.StatusInternalServerError, "InternalError", "etcdserver: leader changed")
	case Silent:
		<-r.Context().Done()
	case PutOff:
		rw.Header().Set("Retry-After", "1")
		answer(rw, http.StatusTooManyRequests, "TooManyRequests", "the server has received too many requests")
	case LostAnswer:
		proxy.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), lostKey{}, true)))
	case Unavailable:
		proxy.ServeHTTP(httptest.NewRecorder(), r) // what it answers is kept from the bot
		rw.Header().Set("Retry-After", "1")
		answer(rw, http.StatusServiceUnavailable, "ServiceUnavailable", "the server is shutting down")
	default:
		proxy.ServeHTTP(rw, r)
	}
}

// first has happen what is to happen before this request is passed on.
func (w *Wire) first(operation string) {
	w.gate.Lock()
	defer w.gate.Unlock()
	w.mu.Lock()
	f := w.before[operation]
	delete(w.before, operation)
	w.mu.Unlock()
	if f != nil {
		f()
	}
}

// answer is how the API server refuses.
func answer(rw http.ResponseWriter, code int, reason, message string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	_, _ = fmt.Fprintf(rw, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":%q,"message":%q}`, code, reason, message)
}

// count notices what was changed: the version that a change was based on stands in
// the request, the new one in the answer.
func (w *Wire) count(answer *http.Response) error {
	r := answer.Request
	if r.Method == http.MethodGet {
		return nil
	}
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // it has been read
	answer.Body = io.NopCloser(bytes.NewReader(data))
	if answer.StatusCode < 300 && versionOf(data) != based(r) {
		resource, name := parsePath(r.URL.Path)
		w.mu.Lock()
		w.applied[strings.ToLower(r.Method)+" "+resource+" "+name]++
		w.mu.Unlock()
	}
	if r.Context().Value(lostKey{}) != nil {
		return errLost
	}
	return nil
}

type basedKey struct{}

func based(r *http.Request) string {
	s, _ := r.Context().Value(basedKey{}).(string)
	return s
}

func versionOf(data []byte) string {
	var o struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if json.Unmarshal(data, &o) != nil {
		return ""
	}
	return o.Metadata.ResourceVersion
}

// Dial opens connections to the wire and refuses those whose request is to be
// unreachable. Which request a connection is for is only known when that is written,
// so it is refused then.
func (w *Wire) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &gated{Conn: conn, wire: w}, nil
}

type gated struct {
	net.Conn
	wire *Wire
	open bool
}

func (g *gated) Write(b []byte) (int, error) {
	if g.open {
		return g.Conn.Write(b)
	}
	g.open = true // the first write begins with the request's line
	method, rest, _ := strings.Cut(string(b), " ")
	path, _, _ := strings.Cut(rest, " ")
	path, _, _ = strings.Cut(path, "?")
	if g.wire.take(operationOf(method, path), func(k Break) bool { return k == Unreachable }) == "" {
		return g.Conn.Write(b)
	}
	return 0, &net.OpError{Op: "dial", Net: "tcp", Addr: g.RemoteAddr(), Err: syscall.ECONNREFUSED}
}

// operationOf is "patch deployments/scale" or "list pods", and of what is no object
// "get /readyz".
func operationOf(method, path string) string {
	verb := strings.ToLower(method)
	if !strings.HasPrefix(path, "/api") {
		return verb + " " + path
	}
	resource, name := parsePath(path)
	if verb == "get" && name == "" {
		verb = "list"
	}
	return verb + " " + resource
}

// parsePath takes the path of an object apart. The resource has its subresource:
// "deployments/scale".
func parsePath(path string) (resource, name string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch parts[0] {
	case "api":
		parts = parts[min(2, len(parts)):]
	case "apis":
		parts = parts[min(3, len(parts)):]
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	switch len(parts) {
	case 0:
		return "", ""
	case 1:
		return parts[0], ""
	case 2:
		return parts[0], parts[1]
	default:
		return parts[0] + "/" + parts[2], parts[1]
	}
}
