package sim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Monitoring is what watches a Region's services in its own cluster.
type Monitoring struct {
	// Down targets are not scraped, by job; Idle: it has none.
	Down []string `json:"down,omitempty"`
	Idle bool     `json:"idle,omitempty"`
	// Of is the Region that it tells of, if not its own.
	Of string `json:"of,omitempty"`
	// ClockOff is how far its clock is off, and Stale how old its newest datapoint is.
	ClockOff time.Duration `json:"clock_off,omitempty"`
	Stale    time.Duration `json:"stale,omitempty"`
	// Outside: the cluster does not run it.
	Outside bool `json:"outside,omitempty"`
	// Says is what it answers in place of all else.
	Says string `json:"says,omitempty"`
}

// monitoringHost is the name under which a Region's monitoring answers inside its network,
// and monitoringService what it is in the cluster.
func monitoringHost(region string) string { return "monitoring." + region + ".ecommerce.internal" }

const (
	monitoringService = "monitoring/prometheus:9090"
	jaegerService     = "monitoring/jaeger-query:16686"
	grafanaSource     = "prometheus"
)

// monitoringPages are what it answers, by method and path.
var monitoringPages = map[string]func(s *State, region string, q url.Values, body []byte) (int, any){
	"GET /api/v1/query":    (*State).prometheus,
	"POST /api/ds/query":   (*State).grafana,
	"GET /api/v3/services": (*State).jaegerServices,
	"GET /api/v3/traces":   (*State).jaegerTraces,
}

// behindAPIServer are the beginnings of those paths by way of the API server, by the path without.
var behindAPIServer = map[string]string{
	"/api/v1/query":    proxyOf(monitoringService),
	"/api/v3/services": proxyOf(jaegerService),
	"/api/v3/traces":   proxyOf(jaegerService),
}

func proxyOf(service string) string {
	namespace, name, _ := strings.Cut(service, "/")
	return "/api/v1/namespaces/" + namespace + "/services/http:" + name + "/proxy"
}

// up is one target, as Prometheus has it.
type up struct {
	labels map[string]string
	value  string
}

// targets are what a Region's Prometheus scrapes: its services.
func (s *State) targets(region string) []up {
	r := s.Regions[region]
	of := r.Monitoring.Of
	if of == "" {
		of = region
	}
	if r.Monitoring.Idle {
		return nil
	}
	var out []up
	for _, name := range serviceNames() {
		value := "0"
		if ready, _ := s.readyPods(r, name); ready > 0 && !slices.Contains(r.Monitoring.Down, name) {
			value = "1"
		}
		out = append(out, up{map[string]string{"__name__": "up", "job": name, "instance": name + ":8080", "region": of}, value})
	}
	return out
}

// prometheus answers an instant query of up, of all targets or of one Region's.
func (s *State) prometheus(region string, q url.Values, _ []byte) (int, any) {
	m := s.Regions[region].Monitoring
	if m.Says != "" {
		return http.StatusOK, json.RawMessage(m.Says)
	}
	query := q.Get("query")
	want, narrowed := strings.CutPrefix(query, `up{region="`)
	if want = strings.TrimSuffix(want, `"}`); query != "up" && !narrowed {
		return http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": "the pretend Prometheus knows up alone"}
	}
	result := []any{}
	for _, t := range s.targets(region) {
		if narrowed && t.labels["region"] != want && m.Of == "" {
			continue
		}
		result = append(result, map[string]any{"metric": t.labels, "value": []any{float64(s.At.Add(m.ClockOff).UnixMilli()) / 1000, t.value}})
	}
	return http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}}
}

// grafana answers a query of its Prometheus data source.
func (s *State) grafana(region string, _ url.Values, body []byte) (int, any) {
	m := s.Regions[region].Monitoring
	if m.Says != "" {
		return http.StatusOK, json.RawMessage(m.Says)
	}
	var in struct {
		Queries []struct {
			RefID      string `json:"refId"`
			Expr       string `json:"expr"`
			Datasource struct {
				UID string `json:"uid"`
			} `json:"datasource"`
		} `json:"queries"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Queries) != 1 {
		return http.StatusBadRequest, map[string]any{"message": "bad request data"}
	}
	q := in.Queries[0]
	if q.Datasource.UID != grafanaSource {
		return http.StatusNotFound, map[string]any{"message": "Data source not found"}
	}
	frames := []any{}
	for _, t := range s.targets(region) {
		var times, values []any
		for at := s.At.Add(m.ClockOff).Truncate(15 * time.Second).Add(-5 * time.Minute); !at.After(s.At.Add(m.ClockOff)); at = at.Add(15 * time.Second) {
			if s.At.Add(m.ClockOff).Sub(at) >= m.Stale {
				v, _ := strconv.ParseFloat(t.value, 64)
				times, values = append(times, at.UnixMilli()), append(values, v)
			}
		}
		if len(times) == 0 {
			continue
		}
		frames = append(frames, map[string]any{
			"schema": map[string]any{"refId": q.RefID, "fields": []any{
				map[string]any{"name": "Time", "type": "time"}, map[string]any{"name": "Value", "type": "number", "labels": t.labels},
			}},
			"data": map[string]any{"values": []any{times, values}},
		})
	}
	return http.StatusOK, map[string]any{"results": map[string]any{q.RefID: map[string]any{"status": 200, "frames": frames}}}
}

// listenMonitoring is what answers under a Region's monitoringHost.
func (w *World) listenMonitoring(region string) error {
	name := "monitoring " + region
	l, err := w.listenTCP(name)
	if err != nil {
		return err
	}
	w.servers.listen[name] = l.Addr()
	mux := http.NewServeMux()
	for pattern, page := range monitoringPages {
		_, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(pattern, w.serve(region, viaOwn, path, false, func(s *State, r *http.Request, body []byte) (int, any, bool) {
			code, out := page(s, region, r.URL.Query(), body)
			return code, out, false
		}))
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	w.servers.wait.Go(func() { _ = server.Serve(l) }) // always ErrServerClosed
	w.servers.close = append(w.servers.close, server.Close)
	return nil
}

// proxied is what the API server answers of the service behind it; ok says that there is
// such a page.
func (s *State) proxied(region, method string, at *url.URL) (code int, body string, ok bool) {
	for path, begins := range behindAPIServer {
		page := monitoringPages[method+" "+path]
		if at.Path != begins+path || page == nil {
			continue
		}
		code, out := page(s, region, at.Query(), nil)
		data, err := json.Marshal(out)
		if err != nil {
			return http.StatusInternalServerError, err.Error(), true
		}
		return code, string(data), true
	}
	return 0, "", false
}
