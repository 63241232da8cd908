package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// The pretend Jaeger's query API, version 3: the services that it knows and their traces,
// one of each minute in which users were served.
// https://www.jaegertracing.io/docs/latest/architecture/apis/

// Traced is what a Region's Jaeger has.
type Traced struct {
	// Silent services have sent nothing.
	Silent []string `json:"silent,omitempty"`
	// Of is the Region that spans name, if not its own; "none": they name none.
	Of string `json:"of,omitempty"`
	// ClockOff is how far the clocks of the services are off.
	ClockOff time.Duration `json:"clock_off,omitempty"`
	// Unknown: it knows none of the services, but itself.
	Unknown bool `json:"unknown,omitempty"`
	// SaysServices and SaysTraces are what it answers in place of all else.
	SaysServices string `json:"says_services,omitempty"`
	SaysTraces   string `json:"says_traces,omitempty"`
}

// jaegerItself is the name under which Jaeger traces what it is asked.
const jaegerItself = "jaeger"

// jaegerServices are those that it knows: of what has sent something at any time.
func (s *State) jaegerServices(region string, _ url.Values, _ []byte) (int, any) {
	t := s.Regions[region].Traced
	if t.SaysServices != "" {
		return http.StatusOK, json.RawMessage(t.SaysServices)
	}
	names := []string{jaegerItself}
	if !t.Unknown {
		names = append(names, serviceNames()...)
	}
	return http.StatusOK, map[string]any{"services": names}
}

// jaegerError is an error as Jaeger answers it.
func jaegerError(status int, format string, args ...any) (int, any) {
	return status, map[string]any{"error": map[string]any{"httpCode": status, "message": fmt.Sprintf(format, args...)}}
}

// jaegerTraces finds the traces of one service, the newest first: it takes the parameters
// under the names of today, and otherwise under those of before.
func (s *State) jaegerTraces(region string, q url.Values, _ []byte) (int, any) {
	t := s.Regions[region].Traced
	if t.SaysTraces != "" {
		return http.StatusOK, json.RawMessage(t.SaysTraces)
	}
	param := func(today, before string) string {
		if v := q.Get("query." + today); v != "" {
			return v
		}
		return q.Get("query." + before)
	}
	from, err := time.Parse(time.RFC3339Nano, param("startTimeMin", "start_time_min"))
	if err != nil {
		return jaegerError(http.StatusBadRequest, "malformed parameter query.startTimeMin: %s", err)
	}
	to, err := time.Parse(time.RFC3339Nano, param("startTimeMax", "start_time_max"))
	if err != nil || !from.Before(to) {
		return jaegerError(http.StatusBadRequest, "malformed parameter query.startTimeMax: %v", err)
	}
	most := 100
	if v := param("searchDepth", "num_traces"); v != "" {
		if most, err = strconv.Atoi(v); err != nil {
			return jaegerError(http.StatusBadRequest, "malformed parameter query.searchDepth: %s", err)
		}
	}
	only := map[string]string{}
	if v := q.Get("query.attributes"); v != "" && json.Unmarshal([]byte(v), &only) != nil {
		return jaegerError(http.StatusBadRequest, "malformed parameter query.attributes")
	}
	service := param("serviceName", "service_name")
	if service == "" {
		return jaegerError(http.StatusInternalServerError, "service name must be set") // as Cassandra has it
	}
	var found []any
	for _, m := range slices.Backward(s.Regions[region].Traffic) {
		at := m.At.Add(30 * time.Second)
		began := at.Add(t.ClockOff)
		if m.Requests == 0 || at.After(s.At) || began.Before(from) || began.After(to) || len(found) == most || !slices.Contains(serviceNames(), service) || slices.Contains(t.Silent, service) {
			continue
		}
		found = append(found, jaegerSpan(service, t.region(region), began))
	}
	if of := only[jaegerRegion]; of != "" && of != t.region(region) || len(found) == 0 {
		return jaegerError(http.StatusNotFound, "No traces found")
	}
	return http.StatusOK, map[string]any{"result": map[string]any{"resourceSpans": found}}
}

// jaegerRegion is the attribute that names the Region.
const jaegerRegion = "cloud.region"

// region is what the spans of a Region name as theirs.
func (t Traced) region(own string) string {
	switch t.Of {
	case "":
		return own
	case "none":
		return ""
	}
	return t.Of
}

// jaegerSpan is a trace of one span, in OpenTelemetry's JSON.
func jaegerSpan(service, region string, began time.Time) any {
	text := func(key, value string) any {
		return map[string]any{"key": key, "value": map[string]any{"stringValue": value}}
	}
	from := []any{text("service.name", service)}
	if region != "" {
		from = append(from, text(jaegerRegion, region))
	}
	id := fmt.Sprintf("%016x%016x", draw(1, 1<<62, service, region), began.UnixNano())
	return map[string]any{
		"resource": map[string]any{"attributes": from},
		"scopeSpans": []any{map[string]any{"scope": map[string]any{}, "spans": []any{map[string]any{
			"traceId": id, "spanId": id[:16], "name": "GET /api/v1", "kind": 2,
			"startTimeUnixNano": strconv.FormatInt(began.UnixNano(), 10), "endTimeUnixNano": strconv.FormatInt(began.Add(40*time.Millisecond).UnixNano(), 10),
		}}}},
	}
}
