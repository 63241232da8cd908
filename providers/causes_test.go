package providers_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/endpoints"
	"github.com/failoverbot/failoverbot/providers/people"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// turns is what a cause does to the line that is about it, and so to the assessment:
// its gate decides whether Go is stopped.
type turns struct{ line, result incident.Verdict }

var (
	stops   = turns{incident.Fail, incident.Fail}
	advises = turns{incident.Fail, incident.Pass}
	warns   = turns{incident.Warn, incident.Pass}
	hides   = turns{incident.Unsure, incident.Unsure}
	puzzles = turns{incident.Unsure, incident.Pass}
	// nothing is said of a line that is not in the run, or that does not look there.
	nothing = turns{}
)

// cause is one thing that is wrong with the pretend world, and the line that has to tell.
type cause struct {
	step, name         string
	planned, unplanned turns
	breaks             func(t *testing.T, w *staffed)
}

func (c cause) in(mode string) turns {
	if mode == "planned" {
		return c.planned
	}
	return c.unplanned
}

// causes are in the order of the lines. All that is assessed has one in each mode in which
// it is a part of the run and applies.
func causes() []cause {
	state := func(f func(s *sim.State)) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) { t.Helper(); w.change(t, f) }
	}
	health := func(pick func(w *staffed, t *testing.T) string, f func(h *sim.HealthCheck)) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) {
			t.Helper()
			id := pick(w, t)
			w.change(t, func(s *sim.State) { f(s.DNS.Checks[id]) })
		}
	}
	says := func(b incident.Body) func(*testing.T, *staffed) {
		return func(t *testing.T, w *staffed) { t.Helper(); w.says(t, incident.PlatformLog, 0, "alice", b) }
	}
	record := func(w *staffed, t *testing.T) string { return w.checksOf(t).HealthCheck }
	takeover := func(w *staffed, t *testing.T) string { return w.checksOf(t).TakeoverCheck }
	endpoint := func(w *staffed, t *testing.T) string { return w.checksOf(t).EndpointCheck }
	lag := state(func(s *sim.State) { s.Database.LagMS = 9200 })
	quiet := func(t *testing.T, w *staffed) {
		t.Helper()
		if err := w.Happen(sim.Event{Replication: &sim.Replication{Stopped: true}}); err != nil {
			t.Fatal(err)
		}
		w.change(t, func(s *sim.State) { s.Database.Lag = nil })
	}
	return []cause{
		{"nodes", "a node is cordoned", stops, stops, state(func(s *sim.State) { s.Regions[west].Nodes[0].Cordoned = true })},
		{"nodes", "a node is not ready", stops, stops, state(func(s *sim.State) { s.Regions[west].Nodes[0].Ready = false })},
		{"nodes", "the API server is not ready", stops, stops, state(func(s *sim.State) {
			s.Regions[west].NotReady = map[string]string{"etcd": "reason withheld"}
		})},
		{"room", "few pods fit on a node", warns, warns, state(func(s *sim.State) { s.PodsPerNode = 3 })},
		{"endpoints", "the record is in the Region that is left", advises, advises, func(_ *testing.T, w *staffed) {
			w.staff(func(c *providers.Connections) {
				c.Own = []endpoints.Endpoint{endpoints.Record("redis://10.0.0.5:6379", east)}
			})
		}},
		{"deployments", "a service is scaled to nothing", stops, stops, state(func(s *sim.State) {
			s.Regions[west].Deployments["user-service"].Spec.Replicas = new(int32)
		})},
		{"quotas", "the quota of vCPU is used up", advises, advises, state(func(s *sim.State) { s.Regions[west].Account.VCPUs = 641 })},
		{"quotas", "the use of vCPU is not published", puzzles, puzzles, state(func(s *sim.State) { s.Regions[west].Account.Unpublished = true })},
		{"jobs", "a CronJob is not there", advises, advises, state(func(s *sim.State) { delete(s.Regions[west].CronJobs, "invoice-run") })},
		{"managers", "Argo CD keeps the autoscalers", warns, warns, state(func(s *sim.State) { s.Regions[west].Manage("argocd") })},
		{"roles", "a role is not there", advises, advises, state(func(s *sim.State) { delete(s.Roles, ordersRole) })},
		{"roles", "a role trusts the source's cluster alone", advises, advises, state(func(s *sim.State) {
			s.Roles[ordersRole] = strings.ReplaceAll(s.Roles[ordersRole], "oidc.eks.us-west-2", "oidc.eks.us-east-1")
		})},
		{"way-across", "the peering is deleted", advises, nothing, state(func(s *sim.State) { s.Network.Peering = "deleted" })},
		{"way-across", "no connection comes about", puzzles, nothing, state(func(s *sim.State) { s.Network.Dropped = true })},
		{"images", "an image is not in the registry", stops, stops, state(func(s *sim.State) {
			s.Regions[west].Repositories["order-service"][0].Tags = nil
		})},
		{"images", "another registry is pulled from", stops, stops, state(func(s *sim.State) {
			template(s, west, "order-service").Containers[0].Image = "111122223333.dkr.ecr." + east + ".amazonaws.com/order-service:2026.02"
		})},
		{"secrets", "a secret has no current version", stops, advises, state(func(s *sim.State) { secretIn(s, west).Version = "" })},
		{"secrets", "a secret is behind", stops, nothing, state(func(s *sim.State) { secretIn(s, west).Version = "older" })},
		{"load-balancer", "the load balancer cannot grow", stops, stops, state(func(s *sim.State) { s.Regions[west].Balancer.State = "active_impaired" })},
		{"load-balancer", "a target group is empty", stops, stops, state(func(s *sim.State) {
			b := &s.Regions[west].Balancer
			b.Groups = append(b.Groups, sim.TargetGroup{Name: "orders-green", Empty: true})
		})},
		{"load-balancer", "no target is healthy", stops, stops, state(func(s *sim.State) { s.Regions[west].TargetsBroken = true })},
		{"standby-database", "the standby has no instance", stops, stops, state(func(s *sim.State) { member(s).Instances = 0 })},
		{"standby-database", "the standby has another version", stops, stops, state(func(s *sim.State) { member(s).Version = "16.4" })},
		{"replication-lag", "the replication is behind", stops, nothing, lag},
		{"replication-lag", "no lag was ever reported", hides, nothing, quiet},
		{"last-lag", "the replication is behind", nothing, advises, lag},
		{"last-lag", "no lag was ever reported", nothing, puzzles, quiet},
		{"standby-cache", "the cache is not associated", stops, stops, state(func(s *sim.State) { s.Cache.Member(west).Status = "associating" })},
		{"standby-cache", "the cache has smaller nodes", stops, stops, state(func(s *sim.State) { s.Cache.Member(west).Nodes = "cache.t4g.small" })},
		{"object-replication", "much is pending", advises, advises, state(func(s *sim.State) { s.RuleFrom(east).Pending = 1001 })},
		{"object-replication", "nothing newer was published", puzzles, puzzles, state(silent(20 * time.Minute))},
		{"backup", "nothing was backed up any more", advises, advises, state(func(s *sim.State) {
			s.Velero.Paused = []sim.Pause{{From: s.At.Add(-10 * time.Minute)}}
		})},
		{"backup", "the backups go with the source", advises, advises, state(func(s *sim.State) { s.Velero.Locations[west].Region = east })},
		{"backup", "Velero does not run in the target", puzzles, puzzles, state(func(s *sim.State) {
			s.Velero.Locations[west].Validated = s.At.Add(-25 * time.Minute)
		})},
		{"takeover-ready", "the takeover object is there", stops, stops, state(putByHand)},
		{"takeover-visible", "the bucket shows its objects to nobody", stops, stops, state(func(s *sim.State) { s.Regions[west].PrivateBuckets = true })},
		{"certificate", "the certificate has run out", stops, stops, state(func(s *sim.State) { theOne(s).NotAfter = s.At.Add(-day) })},
		{"certificate", "the certificate is for another name", stops, stops, state(func(s *sim.State) { theOne(s).Names = []string{"shop.example"} })},
		{"web-acl", "no web ACL is attached", advises, advises, state(func(s *sim.State) { s.Regions[west].WebACL = nil })},
		{"web-acl", "a rule is missing", advises, nothing, state(func(s *sim.State) { a := s.Regions[west].WebACL; a.Rules = a.Rules[:2] })},
		{"distribution", "the distribution has no origin of the target", advises, advises, state(func(s *sim.State) {
			delete(s.Distribution.Origins, "alb-us-west-2")
		})},
		{"check-setup", "the standby's record leads to the primary", stops, advises, state(func(s *sim.State) {
			for _, r := range secondary(s) {
				r.AliasTarget.DNSName = aws.String("ecommerce-alb-us-east-1.us-east-1.elb.amazonaws.com.")
			}
		})},
		{"check-setup", "the standby's own check looks slowly", warns, warns, state(func(s *sim.State) { ownCheck(s).Interval = 30 })},
		{"check-alarm", "no alarm looks at the check", stops, advises, state(func(s *sim.State) { s.DNS.Alarms = nil })},
		{"check-alarm", "nobody of PagerDuty is subscribed", stops, advises, state(func(s *sim.State) {
			for topic := range s.DNS.Topics {
				s.DNS.Topics[topic] = nil
			}
		})},
		{"ttl", "the addresses live for too long", warns, advises, state(balancerTTL(300))},
		{"dns-guard", "the check of the record is disabled", stops, nothing, health(record, func(h *sim.HealthCheck) { h.Disabled = true })},
		{"dns-guard", "the endpoint check watches the public name", stops, nothing, health(endpoint, func(h *sim.HealthCheck) { h.Host = "api.ecommerce.com" })},
		{"takeover-check", "the takeover check is not inverted", nothing, stops, health(takeover, func(h *sim.HealthCheck) { h.Inverted = false })},
		{"takeover-check", "the takeover check looks elsewhere", nothing, stops, health(takeover, func(h *sim.HealthCheck) { h.Path = "/drill" })},
		{"on-call", "somebody else is on call", advises, advises, state(func(s *sim.State) { s.Pager.OnCall = s.Pager.OnCall[1:] })},
		{"on-call", "PagerDuty cannot be read", puzzles, puzzles, func(t *testing.T, w *staffed) {
			t.Helper()
			if err := w.Fault(sim.Fault{System: "pagerduty", Kind: sim.Deny}); err != nil {
				t.Fatal(err)
			}
		}},
		{"deploy-freeze", "deployments are not frozen any more", advises, advises, says(incident.ConfirmationGiven{Subject: incident.Freeze})},
		{"egress", "partners lack an address", advises, advises, says(incident.ConfirmationGiven{Subject: incident.Egress})},
	}
}

// shows is how long a cause has lasted when the lines are looked at: what is published or
// looked at from minute to minute tells it by then.
const shows = 3 * time.Minute

// besides are the other lines that turn with a cause, and why; those of "well" are not
// well in a world in which nothing is wrong.
const besides = "testdata/causes.tsv"

// alsoTurned reads a list of lines that turn with causes, with so many columns in front of
// them: the cause, and maybe the mode, which are the key.
func alsoTurned(t *testing.T, file string, front int) map[string]map[string]incident.Verdict {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]incident.Verdict{}
	for l := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(l), "\t")
		if len(f) != front+3 || slices.Contains(f, "") || strings.Count(f[front+2], " ") < 3 {
			t.Fatalf("%s: want what turns, the line, its verdict and the reason, in words: %q", file, l)
		}
		key := strings.Join(f[:front], "\t")
		if out[key] == nil {
			out[key] = map[string]incident.Verdict{}
		}
		if out[key][f[front]] != "" {
			t.Errorf("%s: %s is there twice for %s", file, f[front], key)
		}
		out[key][f[front]] = incident.Verdict(f[front+1])
		if f[0] != "well" && len(out[key]) > 3 {
			t.Errorf("%s: with %s more than three other lines turn, so nobody could tell what is wrong", file, key)
		}
	}
	return out
}

// wellWorld is a world in which nothing is wrong, and of which people have said what they
// are asked.
func wellWorld(t *testing.T) *staffed {
	t.Helper()
	w := staffedWorld(t)
	w.says(t, incident.PlatformLog, time.Hour, "alice", incident.ConfirmationGiven{Subject: incident.Freeze, Yes: true})
	w.says(t, incident.PlatformLog, 30*day, "carol", incident.ConfirmationGiven{Subject: incident.Egress, Yes: true})
	w.wait(t, time.Minute)
	return w
}

// assessed is what check finds of the world, by step.
func (w *staffed) assessed(t *testing.T, mode string) (map[string]incident.Finding, incident.Verdict) {
	t.Helper()
	e := engine.New(engine.Options{Catalog: w.catalog, Clock: w.clock}, zerolog.Nop())
	facts := w.facts(mode)
	if err := people.Platform.Freeze(&facts.Topology, people.Settings{EgressDays: 180, FreezeHours: 24}); err != nil {
		t.Fatal(err)
	}
	made := e.Readiness(t.Context(), compile(t, w.catalog, facts), incident.WhyCheck)
	out := map[string]incident.Finding{}
	for _, f := range made.Findings {
		out[f.Step] = f
	}
	return out, incident.Result(made.Findings)
}

// Each line of the readiness turns when its cause does, and those lines alone that have
// to: then what is told is what is wrong.
func TestEachCauseTurnsItsLine(t *testing.T) {
	also, used := alsoTurned(t, besides, 2), map[string]bool{}
	all := causes()
	for _, mode := range []string{"planned", "unplanned"} {
		w := wellWorld(t)
		w.wait(t, shows)
		well, result := w.assessed(t, mode)
		if result != incident.Pass {
			t.Errorf("%s: a world in which nothing is wrong comes to %q", mode, result)
		}
		used["well\t"+mode] = true
		for step, f := range well {
			if want := also["well\t"+mode][step]; f.Verdict != cmp.Or(want, incident.Pass) {
				t.Errorf("%s: nothing is wrong, and %s is %q: %s", mode, step, f.Verdict, f.Summary)
			}
			if f.Verdict == incident.NotApplicable && f.Summary == "" {
				t.Errorf("%s: %s does not apply, and does not say why", mode, step)
			}
			if f.Verdict != incident.NotApplicable && !slices.ContainsFunc(all, func(c cause) bool { return c.step == step && c.in(mode) != nothing }) {
				t.Errorf("%s: no cause turns %s", mode, step)
			}
		}
		for step := range also["well\t"+mode] {
			if _, ok := well[step]; !ok {
				t.Errorf("%s: %s, which is not assessed %s", besides, step, mode)
			}
		}
		for _, c := range all {
			want := map[string]incident.Verdict{}
			maps.Copy(want, also[c.name+"\t"+mode])
			used[c.name+"\t"+mode] = true
			if c.in(mode) == nothing {
				if _, there := well[c.step]; !there {
					continue // its cause is another line's in this mode
				}
			} else {
				want[c.step] = c.in(mode).line
			}
			t.Run(fmt.Sprintf("%s/%s: %s", mode, c.step, c.name), func(t *testing.T) {
				t.Parallel()
				w := wellWorld(t)
				c.breaks(t, w)
				w.wait(t, shows)
				found, result := w.assessed(t, mode)
				for step, f := range found {
					switch v := want[step]; {
					case v != "" && v != f.Verdict:
						t.Errorf("%s is %q, not %q: %s", step, f.Verdict, v, f.Summary)
					case v == "" && f.Verdict != well[step].Verdict:
						t.Errorf("%s is %q, too, and was %q: %s", step, f.Verdict, well[step].Verdict, f.Summary)
					case v != "" && v == well[step].Verdict:
						t.Errorf("%s is %q without the cause, too", step, v)
					case v != "" && f.Summary == "":
						t.Errorf("%s does not say what is wrong", step)
					}
					delete(want, step)
				}
				for step := range want {
					t.Errorf("%s is not assessed", step)
				}
				if c.in(mode) != nothing && result != c.in(mode).result {
					t.Errorf("it comes to %q, not %q", result, c.in(mode).result)
				}
			})
		}
	}
	for key := range also {
		if !used[key] {
			t.Errorf("%s: there is no cause %q", besides, key)
		}
	}
}
