package providers_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// ofTheName are the records of the public name.
func ofTheName(s *sim.State) []*types.ResourceRecordSet {
	var out []*types.ResourceRecordSet
	for i, r := range s.DNS.Records {
		if aws.ToString(r.Name) == "api.ecommerce.com." {
			out = append(out, &s.DNS.Records[i])
		}
	}
	return out
}

// setOf are the records of the public name as they are.
func (w *world) setOf(t *testing.T) []types.ResourceRecordSet {
	t.Helper()
	var out []types.ResourceRecordSet
	w.change(t, func(s *sim.State) {
		for _, r := range ofTheName(s) {
			out = append(out, *r)
		}
	})
	return out
}

// weighted makes two records of the one, with everything that a change has to keep.
func weighted(s *sim.State) {
	one := ofTheName(s)[0]
	one.SetIdentifier, one.Weight, one.HealthCheckId = aws.String("home"), aws.Int64(100), aws.String(keysOfChecks(s)[0])
	one.AliasTarget.DNSName = aws.String("dualstack." + albOf(east) + ".")
	two := *one
	two.SetIdentifier, two.Weight, two.HealthCheckId = aws.String("standby"), aws.Int64(0), nil
	two.AliasTarget = &types.AliasTarget{DNSName: aws.String(albOf(west) + "."), HostedZoneId: aws.String("Z1H1FL5HABSF5"), EvaluateTargetHealth: true}
	s.DNS.Records = append(s.DNS.Records, two)
}

func keysOfChecks(s *sim.State) []string {
	var out []string
	for id := range s.DNS.Checks {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func TestAChangeOfRecordsKeepsAllButWhereTheyLead(t *testing.T) {
	w := movedBy(t, dns.ByRecord)
	w.change(t, weighted)
	before := w.setOf(t)
	a, c := w.call(t, "change-record")
	o, ok, err := a.Look(t.Context(), c)
	if ok || err != nil || len(o.Prior) == 0 || !strings.Contains(o.Summary, "1 of the 2 record sets of api.ecommerce.com lead to us-east-1") {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	e, err := a.Effect(t.Context(), c)
	if err != nil || !strings.Contains(e.What, "UPSERT home A record to dualstack."+albOf(west)) || strings.Contains(e.What, "standby A record") {
		t.Errorf("%q %v", e.What, err)
	}
	done, err := a.Do(t.Context(), c)
	if err != nil || done.Evidence["change"] == "" {
		t.Fatalf("%+v %v", done, err)
	}
	want := slices.Clone(before)
	moved := *want[0].AliasTarget
	moved.DNSName, moved.HostedZoneId = aws.String("dualstack."+albOf(west)), aws.String("Z1H1FL5HABSF5")
	want[0].AliasTarget = &moved
	if got := w.setOf(t); !reflect.DeepEqual(got, want) {
		t.Errorf("the records are %s, want %s", asJSON(t, got), asJSON(t, want))
	}
	if n := w.applied()["ChangeResourceRecordSets "+partOf[dns.Settings](t, w.Topology(), "dns").Zone]; n != 1 {
		t.Errorf("%d changes", n)
	}
	if _, err := a.Undo.Do(t.Context(), c, o.Prior); err != nil {
		t.Fatal(err)
	}
	back := w.setOf(t)
	if got := asJSON(t, back); got != asJSON(t, before) {
		t.Errorf("taken back they are %s, they were %s", got, asJSON(t, before))
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A record that somebody added since is told, and deleted only once a person said so.
func TestARecordThatSomebodyAddedIsNotTakenBackUnasked(t *testing.T) {
	w := movedBy(t, dns.ByRecord)
	a, c := w.call(t, "change-record")
	o, _, err := a.Look(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.change(t, func(s *sim.State) {
		six := *ofTheName(s)[0]
		six.Type = types.RRTypeAaaa
		s.DNS.Records = append(s.DNS.Records, six)
	})
	_, err = a.Undo.Do(t.Context(), c, o.Prior)
	f := incident.CallErrorOf(err)
	if err == nil || !f.NeedsPerson || len(f.Meanwhile) == 0 || !strings.Contains(err.Error(), "AAAA record to "+albOf(west)) || len(w.setOf(t)) != 2 {
		t.Fatalf("%v, and %d records", err, len(w.setOf(t)))
	}
	c.Overwrite = f.Meanwhile
	if _, err := a.Undo.Do(t.Context(), c, o.Prior); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := a.Undo.Look(t.Context(), c, o.Prior); !ok || err != nil || len(w.setOf(t)) != 1 {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
}

func TestRecordsThatCannotBeChangedAreNamed(t *testing.T) {
	for name, one := range map[string]struct {
		make func(s *sim.State)
		says string
	}{
		"there is none": {func(s *sim.State) {
			s.DNS.Records = slices.DeleteFunc(s.DNS.Records, func(r types.ResourceRecordSet) bool { return aws.ToString(r.Name) == "api.ecommerce.com." })
		}, "there is none of type A, AAAA or CNAME"},
		"addresses": {func(s *sim.State) {
			r := ofTheName(s)[0]
			r.AliasTarget, r.TTL, r.ResourceRecords = nil, aws.Int64(60), []types.ResourceRecord{{Value: aws.String("203.0.113.10")}}
		}, "the A record holds addresses: what it would hold in us-west-2 is not known"},
		"elsewhere": {func(s *sim.State) { aliasTo(s, "a-cdn.example.net") }, "the A record leads to a-cdn.example.net, which is neither us-east-1's nor us-west-2's"},
		"a failover pair": {func(s *sim.State) {
			r := ofTheName(s)[0]
			r.Failover, r.SetIdentifier = types.ResourceRecordSetFailoverPrimary, aws.String("primary")
		}, "is one of a failover pair, which moves users by its health check: leave dns.strategy out"},
		"IPv6": {func(s *sim.State) {
			six := *ofTheName(s)[0]
			six.Type = types.RRTypeAaaa
			s.DNS.Records = append(s.DNS.Records, six)
		}, "the load balancer of us-west-2 has no addresses of IPv6, and there is the AAAA record"},
	} {
		t.Run(name, func(t *testing.T) {
			w := movedBy(t, dns.ByRecord)
			w.change(t, one.make)
			if o, ok, err := w.looked(t, "record-sets"); ok || err != nil || !strings.Contains(o.Summary, one.says) {
				t.Errorf("ready: %t %q %v", ok, o.Summary, err)
			}
			a, c := w.call(t, "change-record")
			if _, err := a.Do(t.Context(), c); err == nil || !strings.Contains(err.Error(), one.says) || !incident.CallErrorOf(err).Definite {
				t.Errorf("do: %v", err)
			}
			if len(w.applied()) != 0 {
				t.Errorf("changed: %v", w.applied())
			}
		})
	}
}

func TestTheReadinessSaysWhereRecordsAreChanged(t *testing.T) {
	w := movedBy(t, dns.ByRecord)
	o, ok, err := w.looked(t, "record-sets")
	if !ok || err != nil || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "1 of the 1 record sets") || !strings.Contains(o.Summary, "Route 53's API lives in us-east-1: while that Region is down") {
		t.Errorf("%t %v %q %v", ok, o.Measured.Verdict, o.Summary, err)
	}
	made := func(t *testing.T) *world { return movedBy(t, dns.ByRecord) }
	blindWhere(t, made, "record-sets", "aws.route53", "ListResourceRecordSets")
	blindWhere(t, made, "record-sets", "aws.elasticloadbalancing", "DescribeLoadBalancers")
}

func TestAnUnplannedRunIsToldThatRecordsAreChangedInTheRegionThatIsLeft(t *testing.T) {
	w := movedBy(t, dns.ByRecord)
	p := compile(t, w.catalog, w.facts("unplanned"))
	s, _ := p.Step("endpoints")
	o, ok, err := w.catalog[s.Uses].Look(t.Context(), engine.Call{Plan: p, Step: s, Clock: w.clock})
	if ok || err != nil || !strings.Contains(o.Summary, "Route 53 in us-east-1") || !strings.Contains(o.Summary, "“Change the records of api.ecommerce.com to us-west-2”") {
		t.Errorf("%t %q %v", ok, o.Summary, err)
	}
	for _, id := range []string{"take-over", "takeover-seen", "takeover-ready", "takeover-check"} {
		if _, there := p.Step(id); there {
			t.Errorf("step %s is there", id)
		}
	}
}

// A change is followed by its id; where that was lost, Route 53 is asked what it would answer.
func TestAChangeOfRecordsIsFollowed(t *testing.T) {
	w := movedBy(t, dns.ByRecord)
	a, c := w.call(t, "change-record")
	done, err := a.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	look := func(id string) (engine.Outcome, bool, error) {
		t.Helper()
		wait, call := w.call(t, "record-in-sync")
		call.Result = func(step string) (engine.Outcome, bool) {
			return engine.Outcome{Evidence: map[string]string{"change": id}}, step == "change-record"
		}
		return wait.Look(t.Context(), call)
	}
	id := done.Evidence["change"]
	if o, ok, err := look(id); ok || err != nil || !strings.Contains(o.Summary, id+" is PENDING") {
		t.Errorf("at once: %t %q %v", ok, o.Summary, err)
	}
	if o, ok, err := look(""); ok || err != nil || !strings.Contains(o.Summary, "the id of the change is not known, and Route 53 would answer 203.0.113.10") {
		t.Errorf("at once, without its id: %t %q %v", ok, o.Summary, err)
	}
	w.wait(t, time.Minute)
	if o, ok, err := look(id); !ok || err != nil || o.Summary != "change "+id+" is INSYNC, and Route 53 would answer us-west-2 alone" {
		t.Errorf("later: %t %q %v", ok, o.Summary, err)
	}
	if o, ok, err := look(""); !ok || err != nil || !strings.Contains(o.Summary, "is not known, and Route 53 would answer us-west-2 alone") {
		t.Errorf("later, without its id: %t %q %v", ok, o.Summary, err)
	}
	if o, ok, err := look("C0"); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("a change that Route 53 does not know: %t %q %v", ok, o.Summary, err)
	}
	for _, operation := range []string{"GetChange", "TestDNSAnswer"} {
		if err := w.Fault(sim.Fault{System: "aws.route53", Operation: operation, Kind: sim.Deny, Times: 1}); err != nil {
			t.Fatal(err)
		}
		if o, ok, err := look(id); ok || err == nil || !strings.Contains(err.Error(), operation) {
			t.Errorf("%s denied: %t %q %v", operation, ok, o.Summary, err)
		}
	}
	for _, operation := range []string{"TestDNSAnswer", "GetChange"} { // for good, so what is asked first comes last
		if err := w.Fault(sim.Fault{System: "aws.route53", Operation: operation, Kind: sim.ServerFail}); err != nil {
			t.Fatal(err)
		}
		if o, ok, err := look(id); ok || err == nil || !strings.Contains(err.Error(), operation) || incident.CallErrorOf(err).Unknown {
			t.Errorf("%s fails: %t %q %v", operation, ok, o.Summary, err)
		}
	}
}
