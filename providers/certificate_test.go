package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const (
	day = 24 * time.Hour
	// none says that no figure is told.
	none = -1000
)

// onListener are the certificates of the target's load balancer on port 443.
func onListener(s *sim.State) *[]string { return &s.Regions[west].Listeners[1].Certificates }

// theOne is the certificate that it has from the start.
func theOne(s *sim.State) *sim.Certificate { return s.Regions[west].Certificates[(*onListener(s))[0]] }

// another attaches one more certificate.
func another(s *sim.State, c sim.Certificate) string {
	arn := fmt.Sprintf("arn:aws:acm:us-west-2:111122223333:certificate/another-%d", len(*onListener(s)))
	if c.NotBefore.IsZero() && !c.NotAfter.IsZero() {
		c.NotBefore = s.At.Add(-day)
	}
	s.Regions[west].Certificates[arn] = &c
	*onListener(s) = append(*onListener(s), arn)
	return arn
}

// What the check says, each with its verdict. Errors are what it could not find out.
func TestTheCertificateIsJudged(t *testing.T) {
	const iams = "arn:aws:iam::111122223333:server-certificate/api"
	issued := func(s *sim.State, d time.Duration, names ...string) sim.Certificate {
		return sim.Certificate{Names: names, Status: "ISSUED", NotAfter: s.At.Add(d)}
	}
	for _, c := range []struct {
		name    string
		change  func(s *sim.State)
		with    string
		verdict incident.Verdict
		figure  float64 // days left
		says    []string
	}{
		{"it is as it should be", func(*sim.State) {}, "", incident.Pass, 364.9, []string{"has 364 days left, until 2027-03-03 14:00 UTC"}},
		{"a wildcard is for the name", func(s *sim.State) { theOne(s).Names = []string{"*.ECOMMERCE.com"} }, "", incident.Pass, 364.9, []string{"for api.ecommerce.com"}},
		{
			"a wildcard of another depth is not", func(s *sim.State) { theOne(s).Names = []string{"*.api.ecommerce.com", "*.com"} }, "", incident.Fail, none,
			[]string{"port 443 in us-west-2 has no certificate for api.ecommerce.com", "is for *.api.ecommerce.com, *.com"},
		},
		{"one that is picked by name is enough", func(s *sim.State) {
			theOne(s).Names = []string{"shop.example"}
			another(s, issued(s, 90*day+time.Minute, "api.ecommerce.com"))
		}, "", incident.Pass, 90, []string{"90 days left"}},
		{"the one that lasts longest counts", func(s *sim.State) { another(s, issued(s, 500*day+time.Minute, "api.ecommerce.com")) }, "", incident.Pass, 500, []string{"500 days left"}},
		{
			"less than 30 days", func(s *sim.State) { theOne(s).NotAfter = s.At.Add(30 * day) }, "", incident.Fail, 30,
			[]string{"valid for more than 30 days", "has 29 days left, until 2026-04-02 14:01 UTC"},
		},
		{"more than 30 days", func(s *sim.State) { theOne(s).NotAfter = s.At.Add(30*day + time.Minute) }, "", incident.Pass, 30, []string{"30 days left"}},
		{"the step may want more", func(*sim.State) {}, `{"min_days":400}`, incident.Fail, 364.9, []string{"more than 400 days", "364 days left"}},
		{"or less", func(s *sim.State) { theOne(s).NotAfter = s.At.Add(5*day + time.Minute) }, `{"min_days":4}`, incident.Pass, 5, []string{"5 days left"}},
		{"hours are left, and why it was not renewed", func(s *sim.State) {
			theOne(s).NotAfter, theOne(s).Renewal, theOne(s).Why = s.At.Add(5*time.Hour+time.Minute), "FAILED", "CAA_ERROR"
		}, "", incident.Fail, 0.2, []string{"5 hours left", "its renewal is FAILED (CAA_ERROR)"}},
		{"an imported one is renewed by nobody", func(s *sim.State) {
			theOne(s).NotAfter, theOne(s).Imported = s.At.Add(20*day), true
		}, "", incident.Fail, 20, []string{"ACM does not renew it"}},
		{"it has run out", func(s *sim.State) { theOne(s).NotAfter = s.At.Add(-3 * day) }, "", incident.Fail, -3, []string{"is EXPIRED"}},
		{"it was never validated", func(s *sim.State) {
			theOne(s).Status, theOne(s).NotAfter = "PENDING_VALIDATION", time.Time{}
		}, "", incident.Fail, none, []string{"is PENDING_VALIDATION"}},
		{"it was revoked", func(s *sim.State) { theOne(s).Status = "REVOKED" }, "", incident.Fail, none, []string{"is REVOKED"}},
		{"it is not valid yet", func(s *sim.State) { theOne(s).NotBefore = s.At.Add(day) }, "", incident.Fail, 364.9, []string{"is not valid before 2026-03-04"}},
		{"each that does not do is named", func(s *sim.State) {
			theOne(s).Status = "FAILED"
			another(s, issued(s, 12*day+time.Minute, "api.ecommerce.com"))
		}, "", incident.Fail, 12, []string{"has 12 days left", "; certificate/", " is FAILED"}},
		{
			"an expired one beside it may be picked", func(s *sim.State) { another(s, issued(s, -day, "*.ecommerce.com")) }, "", incident.Warn, 364.9,
			[]string{"has 364 days left", "certificate/another-1 is for the same name and is EXPIRED"},
		},
		{
			"it will not be renewed by itself", func(s *sim.State) { theOne(s).Renewal = "PENDING_VALIDATION" }, "", incident.Warn, 364.9,
			[]string{"has 364 days left", "; its renewal is PENDING_VALIDATION"},
		},
		{"a renewal that went well is no news", func(s *sim.State) { theOne(s).Renewal = "SUCCESS" }, "", incident.Pass, 364.9, []string{"has 364 days left"}},
		{
			"nothing serves HTTPS", func(s *sim.State) { s.Regions[west].Listeners = s.Regions[west].Listeners[:1] }, "", incident.Fail, none,
			[]string{"the load balancer in us-west-2 does not serve HTTPS on port 443, only HTTP on port 80"},
		},
		{"HTTPS on another port", func(s *sim.State) { s.Regions[west].Listeners[1].Port = 8443 }, "", incident.Fail, none, []string{"only HTTP on port 80, HTTPS on port 8443"}},
		{"there is no listener", func(s *sim.State) { s.Regions[west].Listeners = nil }, "", incident.Fail, none, []string{"it has no listener"}},
		{"IAM's own may be the one", func(s *sim.State) { *onListener(s) = []string{iams} }, "", incident.Unsure, none, []string{"is unknown", iams}},
		{"IAM's own beside one that has run out", func(s *sim.State) {
			theOne(s).NotAfter = s.At.Add(-day)
			*onListener(s) = append(*onListener(s), iams)
		}, "", incident.Unsure, -1, []string{"ACM cannot tell of " + iams}},
		{"IAM's own beside one that does", func(s *sim.State) { *onListener(s) = append([]string{iams}, *onListener(s)...) }, "", incident.Pass, 364.9, []string{"364 days left"}},
		{"many for other names", func(s *sim.State) {
			theOne(s).Names = []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example"}
			for range 7 {
				another(s, issued(s, 90*day, "shop.example"))
			}
		}, "", incident.Fail, none, []string{"e.example and 2 more", "; and 3 more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.wait(t, time.Minute)
			w.change(t, c.change)
			a, call := w.call(t, "certificate")
			if c.with != "" {
				call.Step.With = []byte(c.with)
			}
			before := w.clock.Now()
			o, ok, err := a.Look(t.Context(), call)
			said := o.Summary
			if c.verdict == incident.Unsure {
				f := incident.CallErrorOf(err)
				if err == nil || !f.NeedsPerson || f.Unknown || f.Hint == "" {
					t.Fatalf("%q %v: %+v", said, err, f)
				}
				said = err.Error()
			} else if err != nil {
				t.Fatal(err)
			}
			if passes := c.verdict == incident.Pass || c.verdict == incident.Warn; ok != passes || o.Measured.Verdict != c.verdict {
				t.Errorf("it passes: %t, verdict %q: %s", ok, o.Measured.Verdict, said)
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q: %s", part, said)
				}
			}
			figures(t, o, c.figure, call)
			if o.Measured.AsOf.Before(before) || o.Measured.AsOf.After(w.clock.Now()) {
				t.Errorf("as of %s", o.Measured.AsOf)
			}
		})
	}
}

func figures(t *testing.T, o engine.Outcome, want float64, c engine.Call) {
	t.Helper()
	switch got := o.Measured.Figures; {
	case len(got) == 0 && want != none:
		t.Errorf("no figure, want %g days", want)
	case len(got) == 0:
	case want == none || len(got) != 1 || got[0].Value > want || got[0].Value < want-0.1 || got[0].Name != "days left" || got[0].Unit != "days" || got[0].Limit == nil:
		t.Errorf("%+v, want %g days", got, want)
	case len(c.Step.With) == 0 && *got[0].Limit != 30:
		t.Errorf("held against %g days", *got[0].Limit)
	}
}

// What was looked at can be read afterwards.
func TestTheCertificatesEvidenceIsWhatACMSaid(t *testing.T) {
	w := newWorld(t)
	arn := ""
	w.change(t, func(s *sim.State) { arn = (*onListener(s))[0] })
	o, ok, err := w.looked(t, "certificate")
	if !ok || err != nil {
		t.Fatalf("%t %v", ok, err)
	}
	if got, want := o.Evidence[arn], "ISSUED, until 2027-03-03T14:00:00Z, api.ecommerce.com, *.api.ecommerce.com, amazon_issued"; got != want {
		t.Errorf("of %s it has %q, want %q", arn, got, want)
	}
	for key, want := range map[string]string{"name": "api.ecommerce.com", "region": west, "wanted": "more than 30 days"} {
		if o.Evidence[key] != want {
			t.Errorf("%s is %q, want %q", key, o.Evidence[key], want)
		}
	}
}

// The Region being left may be gone: nothing is asked there.
func TestTheCertificateIsLookedAtInTheTargetAlone(t *testing.T) {
	w := newWorld(t)
	if err := w.Happen(sim.Event{Lose: east}); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := w.looked(t, "certificate"); !ok || err != nil {
		t.Fatalf("%t %q %v", ok, o.Summary, err)
	}
	var asked []string
	for _, c := range w.Calls() {
		if c.System == "aws.acm" || strings.HasPrefix(c.Operation, "DescribeListener") {
			asked = append(asked, c.Operation+" in "+c.Region)
		}
	}
	want := []string{"DescribeListeners in us-west-2", "DescribeListenerCertificates in us-west-2", "DescribeCertificate in us-west-2"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

// Each right that is missing is named by its call, and no fault passes for an answer.
func TestACertificateThatCannotBeReadIsUnknown(t *testing.T) {
	for system, operations := range map[string][]string{
		"aws.acm": {"DescribeCertificate"}, "aws.elasticloadbalancing": {"DescribeListeners", "DescribeListenerCertificates"},
	} {
		for _, operation := range operations {
			for _, kind := range []string{sim.Deny, sim.Throttle, sim.ServerFail, sim.Refuse, sim.Hang} {
				w := newWorld(t)
				if err := w.Fault(sim.Fault{System: system, Operation: operation, Kind: kind}); err != nil {
					t.Fatal(err)
				}
				o, ok, err := w.looked(t, "certificate")
				f := incident.CallErrorOf(err)
				if err == nil || ok || f.Unknown {
					t.Errorf("%s with %s: %t %q %v", operation, kind, ok, o.Summary, err)
					continue
				}
				if !strings.Contains(err.Error(), operation) || !strings.Contains(err.Error(), west) {
					t.Errorf("%s with %s does not say what was asked, and where: %v", operation, kind, err)
				}
				if kind == sim.Deny && (!f.NeedsPerson || f.Hint == "") {
					t.Errorf("%s denied: nobody is told what to do: %v", operation, err)
				}
			}
		}
	}
	w := newWorld(t)
	if err := w.Fault(sim.Fault{System: "aws.acm", Kind: sim.Throttle, Times: 2}); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := w.looked(t, "certificate"); !ok || err != nil {
		t.Errorf("throttled twice: %t %q %v", ok, o.Summary, err)
	}
	w = newWorld(t)
	w.change(t, func(s *sim.State) { clear(s.Regions[west].Certificates) })
	if _, ok, err := w.looked(t, "certificate"); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson || !strings.Contains(err.Error(), "Could not find certificate") {
		t.Errorf("deleted in between: %t %v", ok, err)
	}
	a, c := w.call(t, "certificate")
	c.Step.With = []byte(`{"min_days":-1}`)
	if _, ok, err := a.Look(t.Context(), c); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("min_days below zero: %t %v", ok, err)
	}
}

// A certificate that nobody renewed can be rehearsed.
func TestAScenarioCanHaveACertificateThatRunsOut(t *testing.T) {
	for days, says := range map[int]string{12: "has 11 days left", -2: "is EXPIRED", 40: "has 39 days left"} {
		w := worldOf(t, &sim.Scenario{Name: "test", Mode: "planned", Target: west, Start: sim.Start{CertificateDays: map[string]int{west: days}}})
		o, ok, err := w.looked(t, "certificate")
		if err != nil || ok != (days > 30) || !strings.Contains(o.Summary, says) {
			t.Errorf("%d days: %t %q %v", days, ok, o.Summary, err)
		}
	}
}
