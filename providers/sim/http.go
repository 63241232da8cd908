package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How a request came to a Region: through its own address or the public name.
const (
	viaOwn    = "own"
	viaPublic = "public"
)

// listenHTTP is a Region's load balancer.
func (w *World) listenHTTP(region, via string) error {
	name := "http " + via + " " + region
	l, err := w.listenTCP(name)
	if err != nil {
		return err
	}
	w.servers.listen[name] = l.Addr()
	s := &http.Server{Handler: w.platform(region, via), ReadHeaderTimeout: time.Minute}
	w.servers.wait.Go(func() { _ = s.Serve(l) }) // always ErrServerClosed
	w.servers.close = append(w.servers.close, s.Close)
	return nil
}

// platform is what is behind a Region's load balancer.
func (w *World) platform(region, via string) http.Handler {
	mux := http.NewServeMux()
	for _, svc := range services {
		if svc.topology.Health != "" {
			mux.HandleFunc("GET "+svc.topology.Health, w.serve(region, via, svc.topology.Health, false, health(svc.topology.Name)))
		}
	}
	mux.HandleFunc("GET /healthz", w.serve(region, via, "/healthz", false, func(s *State, r *http.Request, _ []byte) (int, any, bool) {
		if s.targetsHealthy(s.Regions[region]) == 0 {
			return http.StatusServiceUnavailable, reason("no healthy target"), false
		}
		return http.StatusOK, map[string]any{"region": region, "status": "ok"}, false
	}))
	mux.HandleFunc("POST "+orderPath, w.serve(region, via, orderPath, true, postOrder))
	mux.HandleFunc("GET "+databasePage, w.serve(region, via, databasePage, false, databaseHealth))
	mux.HandleFunc("GET "+inFlightPage, w.serve(region, via, inFlightPage, false, productPage(func(r *Region) any {
		return map[string]any{"requests": map[string]any{"open": r.InFlight}}
	})))
	mux.HandleFunc("GET "+schemaPage, w.serve(region, via, schemaPage, false, productPage(func(r *Region) any {
		return map[string]any{"schema": cmp.Or(r.Schema, usualSchema)}
	})))
	mux.HandleFunc("GET "+ordersPath, w.serve(region, via, ordersPath, false, getLastOrders))
	mux.HandleFunc("GET "+lostPath, w.serve(region, via, lostPath, false, getLostOrders))
	mux.HandleFunc("GET "+orderPath+"/{id}", w.serve(region, via, orderPath+"/{id}", false, getOrder))
	return mux
}

type answer func(s *State, r *http.Request, body []byte) (status int, out any, changed bool)

func reason(format string, args ...any) any {
	return map[string]any{"error": fmt.Sprintf(format, args...)}
}

type (
	regionKey struct{}
	viaKey    struct{}
)

// serve wraps an answer into a call of the world.
func (w *World) serve(region, via, path string, mutating bool, do answer) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<20))
		if err != nil {
			http.Error(out, "the body could not be read", http.StatusBadRequest)
			return
		}
		how := via
		if host, _, err := net.SplitHostPort(r.Host); err == nil && sameName(host, endpointHost(region)) || sameName(r.Host, endpointHost(region)) {
			how = viaOwn
		}
		ctx := context.WithValue(context.WithValue(r.Context(), regionKey{}, region), viaKey{}, how)
		r = r.WithContext(ctx)
		status, result := 0, any(nil)
		c := Call{System: "http", Operation: r.Method + " " + path, Region: region, Target: r.Host, Mutating: mutating}
		var slow time.Duration
		err = w.callHTTP(ctx, c, func(s *State) (bool, error) {
			if d := s.Regions[region].Degraded; d != nil {
				slow = time.Duration(d.LatencyMS) * time.Millisecond
				key := "degraded " + c.Operation
				if s.Regions[region].fails(s.Seed, key, s.turn(key, s.At)) {
					status, result = http.StatusServiceUnavailable, reason("a dependency in %s does not answer in time", region)
					return false, fmt.Errorf("%d: a dependency in %s does not answer in time", status, region)
				}
			}
			var changed bool
			status, result, changed = do(s, r, body)
			if status >= 400 {
				text, _ := json.Marshal(result)
				return changed, &httpError{status, string(text)}
			}
			return changed, nil
		})
		if f, ok := errors.AsType[*failure](err); ok {
			switch f.kind {
			case ServerFail:
				status, result = http.StatusServiceUnavailable, reason("the load balancer has no answer")
			case Throttle:
				out.Header().Set("Retry-After", "1")
				status, result = http.StatusTooManyRequests, reason("too many requests")
			case Deny:
				status, result = http.StatusForbidden, reason("not allowed")
			default:
				panic(http.ErrAbortHandler) // the connection ends without an answer
			}
		}
		if slow > 0 {
			if err := w.onBehalf(ctx, slow); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		out.Header().Set("Content-Type", "application/json")
		out.Header().Set(regionHeader, region)
		out.WriteHeader(status)
		_ = json.NewEncoder(out).Encode(result) // the client may have gone
	}
}

type httpError struct {
	status int
	text   string
}

// Error is the status and the body.
func (e *httpError) Error() string { return fmt.Sprintf("%d %s", e.status, strings.TrimSpace(e.text)) }

// callHTTP is call for a request that has arrived at the server: connecting has
// cost its time already, and waiting is done on the client's behalf.
func (w *World) callHTTP(ctx context.Context, c Call, do func(s *State) (bool, error)) error {
	if err := w.asked(c, true); err != nil {
		return &failure{Refuse, err}
	}
	kind, err := w.arrive(&c, do)
	if kind == Hang {
		return &failure{Hang, w.onBehalf(ctx, forever)}
	}
	if kind != "" && kind != LostAnswer {
		return &failure{kind, nil}
	}
	if lost := w.asked(c, false); lost != nil {
		return &failure{LostAnswer, lost}
	}
	if kind == LostAnswer {
		return &failure{LostAnswer, nil}
	}
	return err
}

// onBehalf lets pretend time pass for the client of a request. The client counts
// as busy, if it is one of ours; a person with curl is not, and is not counted.
func (w *World) onBehalf(ctx context.Context, d time.Duration) error {
	if c, ok := w.clock.(*Clock); ok {
		return c.SleepFor(ctx, d)
	}
	return w.clock.Sleep(ctx, d)
}

// dialling lets pretend time pass for a caller of Dial. net/http detaches a dial
// from its request; what ends the request has to end the waiting all the same, or
// time would go on without a client that works.
func (w *World) dialling(ctx context.Context, d time.Duration) error {
	if c, ok := w.clock.(*Clock); ok {
		return c.sleep(ctx, deadlineOf(ctx), d, true)
	}
	return w.clock.Sleep(ctx, d)
}

// health is the health page of a service.
func health(name string) answer {
	return func(s *State, r *http.Request, _ []byte) (int, any, bool) {
		region, _ := r.Context().Value(regionKey{}).(string)
		ready, connected := s.readyPods(s.Regions[region], name)
		out := map[string]any{"region": region, "service": name, "status": "ok", "ready_pods": ready, "database": "read-only"}
		if w := s.writer(); w != nil && w.Region == region && s.Database.Failover == nil && connected == ready {
			out["database"] = "writable"
		}
		if ready == 0 || s.targetsHealthy(s.Regions[region]) == 0 {
			out["status"], out["error"] = "unavailable", name+" has no ready pod"
			return http.StatusServiceUnavailable, out, false
		}
		return http.StatusOK, out, false
	}
}

// usualSchema is the version of the schema that the services of the release are made for.
const usualSchema = "20260211"

// productPage is one that product-service serves, which is not stopped with those that write.
func productPage(says func(r *Region) any) answer {
	return func(s *State, r *http.Request, _ []byte) (int, any, bool) {
		region, _ := r.Context().Value(regionKey{}).(string)
		if ready, _ := s.readyPods(s.Regions[region], "product-service"); ready == 0 {
			return http.StatusServiceUnavailable, reason("product-service has no ready pod"), false
		}
		return http.StatusOK, says(s.Regions[region]), false
	}
}

// databaseHealth is what order-service says of its database: the host that it was given,
// which leads to the writer that there was when its pods connected.
func databaseHealth(s *State, r *http.Request, _ []byte) (int, any, bool) {
	region, _ := r.Context().Value(regionKey{}).(string)
	if says := s.Regions[region].DatabasePage; says != "" {
		return http.StatusOK, json.RawMessage(says), false
	}
	ready, connected := s.readyPods(s.Regions[region], "order-service")
	if ready == 0 {
		return http.StatusServiceUnavailable, map[string]any{"status": "disconnected", "error": "order-service has no ready pod"}, false
	}
	w := s.writer()
	return http.StatusOK, map[string]any{
		"status": "connected", "host": databaseOf(s.Regions[region].Deployments["order-service"]),
		"writable": w != nil && w.Region == region && s.Database.Failover == nil && connected == ready,
	}, false
}

// Dial connects to an address of the pretend internet: a Region's own name, a
// load balancer's name or address, or the public name, which goes where the
// zone's servers send it. Loopback addresses are dialled as they are. It is what
// http.Transport.DialContext wants.
func (w *World) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	var real net.Dialer
	if w.cutOff() { // nothing leaves, whatever it is for
		if err := w.dialling(ctx, 127*time.Second); err != nil {
			return nil, err
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return real.DialContext(ctx, network, addr)
	}
	w.lock()
	w.state.advance(w.scn, w.clock.Now())
	region, via := regionOfAddress(host), viaPublic
	dropped := w.state.Network.Dropped && region != "" && addr == reachAddr(region)
	server, listens := "http", "80"
	if in, m := w.state.machineAt(host); m != nil {
		region, server, listens, via = in, "machines", strconv.Itoa(serverProbePort), ""
	}
	if region == "" {
		for _, r := range regionNames {
			if sameName(host, cacheHost(r)) {
				region, server, listens, via = r, "cache", "6379", ""
			}
			if sameName(host, monitoringHost(r)) {
				region, server, via = r, "monitoring", ""
			}
			if sameName(host, endpointHost(r)) || sameName(host, albName(r)) {
				region, via = r, viaOwn
			}
		}
	}
	if region == "" {
		region = w.state.resolve(host)
	}
	w.unlock()
	if region == "" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host in the pretend world", Name: host, IsNotFound: true}}
	}
	if dropped {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}
	}
	c := Call{System: "http", Operation: "CONNECT " + host, Region: region}
	if err := w.connect(ctx, c); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if port != listens {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s listens on port %s only: %w", host, listens, syscall.ECONNREFUSED)}
	}
	return real.DialContext(ctx, "tcp", w.address(strings.Join(strings.Fields(server+" "+via+" "+region), " ")))
}

// cutOff says that the bot's own network is down.
func (w *World) cutOff() bool {
	w.lock()
	defer w.unlock()
	w.state.advance(w.scn, w.clock.Now())
	return w.state.Network.Down
}

// connect costs the time of a connection, or fails as that Region fails. Only
// connections that fail are recorded; the others will carry a request.
func (w *World) connect(ctx context.Context, c Call) error {
	w.lock()
	key := c.Operation + " " + c.Region
	turn := w.state.turn(key, w.clock.Now())
	latency := w.state.span(50*time.Millisecond, 150*time.Millisecond, key, turn)
	w.unlock()
	if err := w.dialling(ctx, latency); err != nil {
		return err
	}
	w.lock()
	now := w.clock.Now()
	w.state.advance(w.scn, now)
	c.Time = now
	r := w.state.Regions[c.Region]
	kind, used := "", false
	switch {
	case r.Lost || r.CutOff: // some connections are refused, others never answered
		kind = []string{Refuse, Hang}[draw(w.state.Seed, 2, "connect", key, turn)]
	default:
		// Only faults that name the connection: the others are for the request.
		kind, used = w.state.takeFault(func(f Fault) bool { return f.Operation == c.Operation && f.Kind != LostAnswer })
	}
	var saveErr error
	if used {
		saveErr = w.save()
	}
	if kind != "" {
		c.Error = (&failure{kind, nil}).Error()
		w.rec.Add(c)
	}
	w.unlock()
	switch kind {
	case "":
		return saveErr
	case Hang:
		if err := w.dialling(ctx, 127*time.Second); err != nil {
			return err
		}
		return os.NewSyscallError("connect", syscall.ETIMEDOUT)
	default:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
}

// Transport is an http.RoundTripper into the pretend internet. No connection is
// kept: each request looks anew where a name leads.
func (w *World) Transport() *http.Transport {
	return &http.Transport{DialContext: w.Dial, DisableKeepAlives: true, Proxy: nil}
}
