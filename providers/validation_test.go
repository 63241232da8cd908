package providers_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// validated are the steps that carry out the lines of section 7, but for those that try
// what users themselves get (service-health, synthetic-order, watch): these see one fact
// in several ways.
func (d *drill) validated() (ids []string) {
	for _, s := range d.plan.Steps {
		if s.Section == "07-validation" && (s.Gate == runbook.Advice || s.Kind == runbook.Watch) || s.ID == "targets-still-healthy" || strings.HasPrefix(s.ID, "rolled-out/") {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// verdicts are what each of them finds now.
func (d *drill) verdicts(t *testing.T) map[string]incident.Verdict {
	t.Helper()
	out := map[string]incident.Verdict{}
	for _, id := range d.validated() {
		o, ok, err := d.looked(t, id)
		switch {
		case err != nil:
			out[id] = incident.Unsure
		case o.Measured.Verdict != "":
			out[id] = o.Measured.Verdict
		case ok:
			out[id] = incident.Pass
		default:
			out[id] = incident.Fail
		}
	}
	return out
}

// Each line of the validation turns when its cause does, in the world after a failover,
// and those lines alone that the list names for it.
func TestEachCauseTurnsItsLineOfTheValidation(t *testing.T) {
	d := play(t, "region-degraded")
	d.mitigated(t)
	d.wait(t, 20*time.Minute)
	saved, err := json.Marshal(d.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	back := func(t *testing.T) {
		t.Helper()
		again := new(sim.State)
		if err := json.Unmarshal(saved, again); err != nil {
			t.Fatal(err)
		}
		d.change(t, func(s *sim.State) { *s = *again })
	}
	also := alsoTurned(t, alsoValidated, 1)
	used := map[string]bool{"well": true}
	back(t)
	d.wait(t, 6*time.Minute)
	well := d.verdicts(t)
	for id, v := range well {
		want := also["well"][id]
		if want == "" {
			want = incident.Pass
		}
		if v != want {
			o, ok, err := d.looked(t, id)
			t.Errorf("nothing is wrong, and %s is %q: %t %s %v", id, v, ok, o.Summary, err)
		}
	}
	in := func(f func(r *sim.Region)) func(s *sim.State) { return func(s *sim.State) { f(s.Regions[west]) } }
	turned := map[string]bool{}
	for _, c := range []struct {
		step, name string
		verdict    incident.Verdict
		breaks     func(s *sim.State)
	}{
		{"targets-still-healthy", "a target group is empty", incident.Fail, in(func(r *sim.Region) {
			r.Balancer.Groups = append(r.Balancer.Groups, sim.TargetGroup{Name: "orders-green", Empty: true})
		})},
		{"rolled-out/order-service", "more pods are wanted than there is room for", incident.Fail, in(func(r *sim.Region) {
			delete(r.HPAs, "order-service")
			r.Deployments["order-service"].Spec.Replicas = aws.Int32(200)
		})},
		{"objects", "the probe object is not there", incident.Fail, in(func(r *sim.Region) { delete(r.Buckets["ecommerce-assets-us-west-2"], "failoverbot.probe") })},
		{"cache-warm", "little of what is read is in the cache", incident.Warn, func(s *sim.State) { s.Cache.Member(west).HitPercent = 40 }},
		{"proxies", "a proxy has not taken on its routes", incident.Fail, in(func(r *sim.Region) { r.Mesh.Behind = map[string]string{"order-service": "route"} })},
		{"latency", "answers come slowly", incident.Fail, in(func(r *sim.Region) { r.P99MS = 900 })},
		{"queues", "nobody takes messages", incident.Fail, in(func(r *sim.Region) { q := r.Queues["order-events"]; q.Waiting, q.Seconds = 40, 3600 })},
		{"topics", "deliveries fail", incident.Fail, in(func(r *sim.Region) { r.FailedDeliveries = 3 })},
		{"logs", "nothing is shipped any more", incident.Fail, func(s *sim.State) { s.Regions[west].LogGroups["/eks/ecommerce-prod/order-service"].Until = s.At }},
		{"traces", "nothing is traced", incident.Fail, in(func(r *sim.Region) { r.Untraced = true })},
		{"jaeger", "Jaeger is sent nothing", incident.Fail, in(func(r *sim.Region) {
			r.Traced.Silent = []string{"user-service", "order-service", "product-service", "payment-service", "notification-service"}
		})},
		{"prometheus", "a service is not scraped", incident.Fail, in(func(r *sim.Region) { r.Monitoring.Down = []string{"order-service"} })},
		{"grafana", "the newest datapoint is old", incident.Fail, in(func(r *sim.Region) { r.Monitoring.Stale = time.Hour })},
	} {
		t.Run(c.step+": "+c.name, func(t *testing.T) {
			back(t)
			d.change(t, c.breaks)
			d.wait(t, 6*time.Minute)
			want := map[string]incident.Verdict{c.step: c.verdict}
			maps.Copy(want, also[c.name])
			used[c.name], turned[c.step] = true, true
			for id, v := range d.verdicts(t) {
				switch w := want[id]; {
				case w == "" && v != well[id]:
					t.Errorf("%s is %q, too, and was %q", id, v, well[id])
				case w != "" && v != w:
					t.Errorf("%s is %q, not %q", id, v, w)
				case w != "" && w == well[id]:
					t.Errorf("%s is %q without the cause, too", id, v)
				}
				delete(want, id)
			}
			for id := range want {
				t.Errorf("%s is not looked at", id)
			}
		})
	}
	for _, id := range d.validated() {
		if first, _, each := strings.Cut(id, "/"); !turned[id] && (!each || !turned[first+"/order-service"]) {
			t.Errorf("no cause turns %s", id)
		}
	}
	for name := range also {
		if !used[name] {
			t.Errorf("%s: there is no cause %q", alsoValidated, name)
		}
	}
}

// alsoValidated lists the other lines that turn with a cause, and why.
const alsoValidated = "testdata/validation.tsv"
