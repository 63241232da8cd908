package sim

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Panel lets somebody watch the world and break it: GET answers a [View] of it,
// POST takes a [Breakage], and did is told of each that was done. It checks neither
// who asks nor from where; whoever serves it does.
func (w *World) Panel(did func(Breakage)) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			respond(out, http.StatusOK, w.View())
		case http.MethodPost:
			if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
				respond(out, http.StatusUnsupportedMediaType, reason("send JSON with Content-Type application/json"))
				return
			}
			var b Breakage
			if err := json.NewDecoder(http.MaxBytesReader(out, r.Body, 1<<16)).Decode(&b); err != nil {
				respond(out, http.StatusBadRequest, reason("this is not a breakage in JSON: %v", err))
				return
			}
			if err := w.Break(b); err != nil {
				respond(out, http.StatusBadRequest, reason("%v", err))
				return
			}
			did(b)
			respond(out, http.StatusOK, w.View())
		default:
			out.Header().Set("Allow", "GET, POST")
			respond(out, http.StatusMethodNotAllowed, reason("GET shows the world, POST breaks it"))
		}
	})
}

func respond(out http.ResponseWriter, status int, v any) {
	out.Header().Set("Content-Type", "application/json; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	out.WriteHeader(status)
	_ = json.NewEncoder(out).Encode(v) // the reader hung up
}

// Breakage is something that a person breaks or, with On false, mends.
type Breakage struct {
	// Do is lose, degrade, replication, resolver or throttle.
	Do string `json:"do"`
	// What it is done to: a Region, a resolver or an API such as aws.rds.
	What string `json:"what,omitempty"`
	On   bool   `json:"on"`
}

// Break makes it so.
func (w *World) Break(b Breakage) error {
	oneOf := func(known []string) error {
		if slices.Contains(known, b.What) {
			return nil
		}
		return fmt.Errorf("%q cannot be used with %s: use one of %s", b.What, b.Do, strings.Join(known, ", "))
	}
	switch b.Do {
	case "lose":
		if err := oneOf(regionNames); err != nil {
			return err
		}
		if b.On {
			return w.Happen(Event{Lose: b.What})
		}
		return w.Happen(Event{Restore: b.What})
	case "degrade":
		if err := oneOf(regionNames); err != nil {
			return err
		}
		d := Degrade{Region: b.What}
		if b.On {
			d.FailPercent, d.LatencyMS = 35, 1800
		}
		return w.Happen(Event{Degrade: &d})
	case "replication":
		return w.Happen(Event{Replication: &Replication{Stopped: b.On}})
	case "resolver":
		if err := oneOf(resolverNames); err != nil {
			return err
		}
		lie := Resolver{Name: b.What}
		if b.On {
			lie.Answers = contrary
		}
		return w.Happen(Event{Resolver: &lie})
	case "throttle":
		if err := oneOf(throttled); err != nil {
			return err
		}
		return w.Do(func(s *State) {
			s.Faults = slices.DeleteFunc(s.Faults, throttles(b.What))
			if b.On {
				s.Faults = append(s.Faults, Fault{System: b.What, Kind: Throttle})
			}
		})
	}
	return fmt.Errorf("%q is not something that can be broken: use lose, degrade, replication, resolver or throttle", b.Do)
}

// throttled are the APIs that the panel offers to throttle.
var throttled = []string{"aws.rds", "aws.elasticache", "aws.route53", "kubernetes"}

func throttles(system string) func(Fault) bool {
	return func(f Fault) bool {
		return f == Fault{System: system, Kind: Throttle}
	}
}

// View is what there is to see of the world, in the order in which it is shown.
type View struct {
	Time     string       `json:"time"`
	Scenario string       `json:"scenario"`
	Title    string       `json:"title"`
	About    string       `json:"about"`
	Regions  []RegionView `json:"regions"`
	// Writer and Cache are Regions; Moving says what is on its way, if anything.
	Writer  string  `json:"writer"`
	Moving  string  `json:"moving,omitempty"`
	LagMS   float64 `json:"lag_ms"`
	Stopped bool    `json:"stopped"` // the replication, by hand or by the scenario
	// Replicates says whether the database follows its writer anywhere.
	Replicates bool   `json:"replicates"`
	Cache      string `json:"cache"`

	Name      string         `json:"name"` // the public one
	Zone      string         `json:"zone"` // the Region that the zone's servers answer
	Resolvers []ResolverView `json:"resolvers"`
	Checks    []CheckView    `json:"checks"`
	Throttled []SystemView   `json:"throttled"`
}

// RegionView is a Region.
type RegionView struct {
	Name     string `json:"name"`
	Home     bool   `json:"home"`
	Lost     bool   `json:"lost"`
	CutOff   bool   `json:"cut_off"`
	Degraded string `json:"degraded,omitempty"`
	// Share is how many of a hundred requests land here, and Broken why an order
	// among them cannot be written; empty when it can.
	Share    int           `json:"share"`
	Broken   string        `json:"broken,omitempty"`
	Services []ServiceView `json:"services"`
	Nodes    int           `json:"nodes"`
	Ready    int           `json:"nodes_ready"`
	Pods     int           `json:"pods"`
	Pending  int           `json:"pods_pending"`
	Database string        `json:"database"`
	DBState  string        `json:"db_state"`
	Cache    string        `json:"cache"`
	CacheIs  string        `json:"cache_state"`
}

// ServiceView is a service in a Region: pods that are ready, that are asked for,
// and that production traffic needs.
type ServiceView struct {
	Name   string `json:"name"`
	Ready  int    `json:"ready"`
	Wanted int    `json:"wanted"`
	Needed int    `json:"needed"`
}

// ResolverView is a public resolver and the Region that it answers. Held says that
// it answers what it was made to, which the scenario may have begun while it was
// still true.
type ResolverView struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	Held   bool   `json:"held"`
}

// CheckView is a health check as the zone's servers believe it.
type CheckView struct {
	ID       string `json:"id"`
	About    string `json:"about"`
	Healthy  bool   `json:"healthy"`
	Disabled bool   `json:"disabled"`
	Inverted bool   `json:"inverted"`
}

// SystemView is an API that may be throttled.
type SystemView struct {
	Name string `json:"name"`
	On   bool   `json:"on"`
}

// View is the world as it is now.
func (w *World) View() View {
	s := w.Snapshot()
	v := View{
		Time: s.At.UTC().Format(TimeFormat), Scenario: s.Scenario, Title: w.scn.Title, About: strings.TrimSpace(w.scn.About),
		Writer: s.Writer(), LagMS: s.Database.LagMS, Stopped: s.Database.Stopped, Cache: s.CachePrimary(),
		Name: recordName, Zone: s.ZoneAnswer(),
	}
	if f := s.Database.Failover; f != nil {
		v.Moving = fmt.Sprintf("database: %s from %s to %s", f.Status, f.From, f.To)
	} else if s.Cache.To != "" {
		v.Moving = "cache: on its way to " + s.Cache.To
	}
	asked := map[string]int{}
	for _, name := range resolverNames {
		region, _ := s.cached(name)
		_, held := s.DNS.Lies[name]
		v.Resolvers = append(v.Resolvers, ResolverView{name, region, held})
		asked[region]++
	}
	for _, name := range regionNames {
		v.Replicates = v.Replicates || s.replicates(name)
		v.Regions = append(v.Regions, s.view(s.Regions[name], (asked[name]*100+len(resolverNames)/2)/len(resolverNames)))
	}
	for _, id := range []string{checkPrimary, checkEndpoint, checkTakeover} {
		c := s.DNS.Checks[id]
		if c == nil {
			continue
		}
		about := fmt.Sprintf("%s%s answers", c.Host, c.Path)
		if c.Type == "CALCULATED" {
			about = fmt.Sprintf("%d of %s", c.Threshold, strings.Join(c.Children, ", "))
		}
		v.Checks = append(v.Checks, CheckView{id, about, s.healthy(id), c.Disabled, c.Inverted})
	}
	for _, system := range throttled {
		v.Throttled = append(v.Throttled, SystemView{system, slices.ContainsFunc(s.Faults, throttles(system))})
	}
	return v
}

func (s *State) view(r *Region, share int) RegionView {
	v := RegionView{
		Name: r.Name, Home: r.Name == homeRegion, Lost: r.Lost, CutOff: r.CutOff, Share: share,
		Broken: s.CannotOrder(r.Name), Nodes: len(r.Nodes), Pods: len(r.Pods),
	}
	if d := r.Degraded; d != nil {
		v.Degraded = fmt.Sprintf("%d %% of the requests fail, the others take %d ms more", d.FailPercent, d.LatencyMS)
	}
	for _, n := range r.Nodes {
		if n.Ready {
			v.Ready++
		}
	}
	for _, p := range r.Pods {
		if p.Node == "" {
			v.Pending++
		}
	}
	for _, name := range serviceNames() {
		one := ServiceView{Name: name, Needed: wantedReplicas(name)}
		one.Ready, _ = s.readyPods(r, name)
		if d := r.Deployments[name]; d != nil {
			one.Wanted = int(deref(d.Spec.Replicas))
		}
		v.Services = append(v.Services, one)
	}
	if m := s.Database.Member(r.Name); m != nil {
		v.Database, v.DBState = m.Cluster, "reader, "+m.Sync
		if m.Writer {
			v.DBState = "writer"
		}
		if m.Status != "available" {
			v.DBState += ", " + m.Status
		}
	}
	if m := s.Cache.Member(r.Name); m != nil {
		v.Cache, v.CacheIs = m.Group, "secondary"
		if m.Primary {
			v.CacheIs = "primary"
		}
		if m.Status != "associated" {
			v.CacheIs += ", " + m.Status
		}
	}
	return v
}
