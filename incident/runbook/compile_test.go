package runbook

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func whole(t testing.TB) *Source {
	t.Helper()
	return load(t, archive(t, "testdata/whole.txt"), "failover.yaml")
}

func needs(t *testing.T, p *Plan, id string, want ...string) {
	t.Helper()
	s, ok := p.Step(id)
	if !ok {
		t.Errorf("%s: not in the plan for mode %s", id, p.Mode)
		return
	}
	if !slices.Equal(s.Needs, want) {
		t.Errorf("%s needs %q in mode %s, want %q", id, s.Needs, p.Mode, want)
	}
}

func TestAWholeRunbookHasNoFaults(t *testing.T) {
	if faults := whole(t).Lint(catalogue); faults != nil {
		t.Errorf("faults:\n%v", faults)
	}
}

func TestEachStepComesAfterWhatItNeeds(t *testing.T) {
	for _, mode := range modes {
		p := compile(t, whole(t), facts(mode))
		seen := map[string]bool{}
		for _, s := range p.Steps {
			for _, n := range s.Needs {
				if !seen[n] {
					t.Errorf("%s: %s comes before %s, which it needs", mode, s.ID, n)
				}
			}
			if seen[s.ID] {
				t.Errorf("%s: %s is there twice", mode, s.ID)
			}
			seen[s.ID] = true
		}
	}
}

func TestStepsKeepTheOrderOfTheFilesWhereNeedsAllow(t *testing.T) {
	s := load(t, steps(`
{id: c, title: C, runbook: x, uses: elb.healthy, needs: [b]},
{id: a, title: A, runbook: x, uses: elb.healthy},
{id: b, title: B, runbook: x, uses: elb.healthy},
{id: d, title: D, runbook: x, uses: elb.healthy},
`), "r.yaml")
	var got []string
	for _, s := range compile(t, s, facts("planned")).Steps {
		got = append(got, s.ID)
	}
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestAStepForEachServiceIsCopiedAndFilledIn(t *testing.T) {
	p := compile(t, whole(t), facts("planned"))
	s, ok := p.Step("scale/order-service")
	if !ok {
		t.Fatal("no copy for order-service")
	}
	if s.Group != "scale" || s.Section != "03-scale" || s.Title != "Scale order-service to 6" || s.Kind != Change {
		t.Errorf("copy is %+v", s)
	}
	var in scaleWith
	if err := json.Unmarshal(s.With, &in); err != nil {
		t.Fatal(err)
	}
	if want := (scaleWith{"order-service", "ecommerce-prod", 6}); in != want {
		t.Errorf("input %+v, want %+v", in, want)
	}
	needs(t, p, "scale/order-service", "standby-available")
	needs(t, p, "probe/order-service", "scale/order-service")
	if _, ok := p.Step("probe/notification-service"); ok {
		t.Error("notification-service has no health page and is probed")
	}
}

func TestACopyThatWhereLeftOutHandsOnItsNeeds(t *testing.T) {
	p := compile(t, whole(t), facts("planned"))
	// notification-service is not probed, so the targets need its scaling itself.
	needs(t, p, "targets", "scale/notification-service", "probe/user-service", "probe/order-service", "probe/product-service", "probe/payment-service")
	// product-service and notification-service are not fenced; what that would
	// have needed is needed by the others anyway.
	needs(t, p, "switch", "fence/user-service", "fence/order-service", "fence/payment-service")
}

func TestAStepThatWhenLeftOutIsReplacedByItsNeeds(t *testing.T) {
	planned := compile(t, whole(t), facts("planned"))
	needs(t, planned, "smoke", "cache")
	needs(t, planned, "verify-dns", "flip-dns")
	unplanned := compile(t, whole(t), facts("unplanned"))
	needs(t, unplanned, "smoke", "cache")
	needs(t, planned, "cache", "switch")
	needs(t, unplanned, "cache", "promote")
	needs(t, unplanned, "verify-dns", "take-over")
	if _, ok := unplanned.Step("switch"); ok {
		t.Error("the planned step is in the unplanned plan")
	}
}

func TestAChainOfStepsLeftOutIsFollowedToItsEnd(t *testing.T) {
	s := load(t, steps(`
{id: a, title: A, runbook: x, uses: elb.healthy},
{id: b, title: B, runbook: x, uses: elb.healthy, when: 'mode == "planned"', needs: [a]},
{id: c, title: C, runbook: x, uses: elb.healthy, when: 'severity == "SEV-9"', needs: [b]},
{id: d, title: D, runbook: x, uses: elb.healthy, needs: [c]},
`), "r.yaml")
	needs(t, compile(t, s, facts("planned")), "d", "b")
	needs(t, compile(t, s, facts("unplanned")), "d", "a")
}

func TestDefaultsAreFilledIn(t *testing.T) {
	p := compile(t, whole(t), facts("unplanned"))
	for id, want := range map[string]time.Duration{
		"page": 30 * time.Second, "targets": 30 * time.Second, "take-over": 2 * time.Minute,
		"agreed": 24 * time.Hour, "verify-dns": 15 * time.Minute, "promote": 10 * time.Minute,
	} {
		if s, _ := p.Step(id); s.Timeout != want {
			t.Errorf("%s takes at most %v, want %v", id, s.Timeout, want)
		}
	}
	if s, _ := p.Step("targets"); s.Gate != Required {
		t.Errorf("gate %q, want required", s.Gate)
	}
	if s, _ := p.Step("agreed"); s.Gate != Advice {
		t.Errorf("gate %q, want advice", s.Gate)
	}
	if s, _ := p.Step("verify-dns"); !s.Locked {
		t.Error("verify-dns is not locked")
	}
}

func TestAStepIsAdviceWhereItsConditionHolds(t *testing.T) {
	s := load(t, steps(`
{id: a, title: A, runbook: x, uses: elb.healthy, advice_when: 'mode == "unplanned"'},
`), "r.yaml")
	for mode, want := range map[string]Gate{"planned": Required, "unplanned": Advice} {
		if a, _ := compile(t, s, facts(mode)).Step("a"); a.Gate != want {
			t.Errorf("%s: gate %q, want %q", mode, a.Gate, want)
		}
	}
	_, err := load(t, steps(`
{id: a, title: A, runbook: x, uses: elb.healthy, gate: required, advice_when: 'mode == "unplanned"'},
{id: b, title: B, runbook: x, uses: elb.healthy, advice_when: 'mood == "unplanned"'},
`), "r.yaml").Compile(catalogue, facts("planned"))
	for _, want := range []string{`"gate" says it for all of them: keep one`, `undeclared reference to 'mood'`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
}

// What lives in the Region that an unplanned run leaves is asked, and not waited for.
func TestNothingWaitsForAdviceFromTheRegionThatIsLeft(t *testing.T) {
	for home, waits := range map[string]bool{"source": false, "us-east-1": false, "target": true, "": true} {
		cat := maps.Clone(catalogue)
		look := cat["elb.healthy"]
		look.Home = home
		cat["elb.healthy"] = look
		s := load(t, steps(`
{id: a, title: A, runbook: x, uses: people.confirm},
{id: b, title: B, runbook: x, uses: elb.healthy, advice_when: 'mode == "unplanned"', needs: [a]},
{id: c, title: C, runbook: x, uses: people.confirm, needs: [b]},
`), "r.yaml")
		for mode, waited := range map[string]bool{"planned": true, "unplanned": waits} {
			p, err := s.Compile(cat, facts(mode))
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{true: "b", false: "a"}[waited]
			t.Run(mode+" "+home, func(t *testing.T) { needs(t, p, "c", want) })
		}
	}
}

func TestAnApprovalCoversLaterSteps(t *testing.T) {
	u := compile(t, whole(t), facts("unplanned"))
	if cache, _ := u.Step("cache"); cache.CoveredBy != "promote" {
		t.Errorf("cache: covered by %q in mode unplanned", cache.CoveredBy)
	}
	p := compile(t, whole(t), facts("planned"))
	cache, _ := p.Step("cache")
	if cache.CoveredBy != "switch" || !cache.NoReturn {
		t.Errorf("cache: covered by %q, no return %v", cache.CoveredBy, cache.NoReturn)
	}
	switched, _ := p.Step("switch")
	if a := switched.Approval; a == nil || a.By != "approver" || a.Confirm != "region" || a.Expires != 15*time.Minute || !slices.Equal(a.Covers, []string{"cache"}) {
		t.Errorf("approval %+v", a)
	}
}

func TestARetryTakesTheStepsOfThePlanWithIt(t *testing.T) {
	src := load(t, steps(`
{id: a, title: A, runbook: x, uses: elb.healthy, when: mode == "planned"},
{id: b, title: B, runbook: x, uses: probe.http, each: services, with: {url: u}},
{id: c, title: C, runbook: x, uses: elb.healthy, rerun: [a, b, b]},
{id: d, title: D, runbook: x, uses: elb.healthy, rerun: c}
`), "r.yaml")
	for mode, first := range map[string][]string{"planned": {"a"}, "unplanned": nil} {
		f := facts(mode)
		p := compile(t, src, f)
		want := first
		for _, s := range f.Topology.Services {
			want = append(want, "b/"+s.Name)
		}
		c, _ := p.Step("c")
		d, _ := p.Step("d")
		if !slices.Equal(c.Rerun, want) || !slices.Equal(d.Rerun, []string{"c"}) {
			t.Errorf("%s: c takes %v, want %v; d takes %v", mode, c.Rerun, want, d.Rerun)
		}
	}
}

func TestTheDigestIsThatOfThePlan(t *testing.T) {
	f := facts("planned")
	p := compile(t, whole(t), f)
	if len(p.Digest) != 12 {
		t.Fatalf("digest %q", p.Digest)
	}
	for range 20 {
		if again := compile(t, whole(t), f); again.Digest != p.Digest {
			t.Fatalf("digest %s, then %s", p.Digest, again.Digest)
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if sum, err := back.Sum(); err != nil || sum != p.Digest {
		t.Errorf("after a round trip the digest is %s (%v), want %s", sum, err, p.Digest)
	}
	f.Topology.Policy.ObjectiveMinutes++
	if other := compile(t, whole(t), f); other.Digest == p.Digest {
		t.Error("another topology has the same digest")
	}
}

func TestAModeThatTheRunbookDoesNotHaveIsRefused(t *testing.T) {
	f := facts("planned")
	f.Mode = "sudden"
	_, err := whole(t).Compile(catalogue, f)
	if err == nil || !strings.Contains(err.Error(), `"planned" and "unplanned"`) {
		t.Errorf("error %v", err)
	}
}

func TestATextThatComesOutEmptyIsRefused(t *testing.T) {
	f := facts("planned")
	f.Topology.Parts["aurora"] = json.RawMessage(`{"regions":{"us-west-2":{"db_cluster_arn":"a"}}}`)
	_, err := whole(t).Compile(catalogue, f)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 {
		t.Fatalf("error %v", err)
	}
	want := `sections/01-readiness.yaml:13:21: "cluster" is empty, and aurora.available needs it (written {{ .Target.Parts.aurora.db_cluster }})`
	if faults[0].String() != want {
		t.Errorf("got  %s\nwant %s", faults[0], want)
	}
}

func TestAPointOfNoReturnThatNobodyIsAskedAboutIsRefused(t *testing.T) {
	s := load(t, steps(`
{id: a, title: A, runbook: x, uses: aurora.failover, with: {cluster: c}, approval: {by: approver, expires: 5m, covers: [b]}, when: 'severity == "SEV-1"'},
{id: b, title: B, runbook: x, uses: cache.promote, needs: [a]},
`), "r.yaml")
	f := facts("planned")
	compile(t, s, f)
	f.Severity = "SEV-2"
	if _, err := s.Compile(catalogue, f); err == nil || !strings.Contains(err.Error(), `no approval covers step "b"`) {
		t.Errorf("error %v", err)
	}
}

func TestAWatchIsNotNeededAndStopsNothing(t *testing.T) {
	_, err := load(t, steps(`
{id: users, title: U, runbook: "7", uses: probe.users, gate: advice, approval: {by: approver, expires: 5m}},
{id: page, title: P, runbook: "7", uses: pagerduty.trigger, needs: [users]},
`), "r.yaml").Compile(catalogue, facts("planned"))
	for _, want := range []string{"so it has no gate", "so nobody has to approve it", `needs "users", which is a watch and never ends`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
}

func TestARunbookWithFaultsIsNotCompiled(t *testing.T) {
	s, err := Load(fstest.MapFS{"r.yaml": {Data: []byte("runbook: r\n")}}, "r.yaml")
	if err == nil || s == nil {
		t.Fatalf("source %v, error %v", s, err)
	}
	if _, err := s.Compile(catalogue, facts("planned")); err == nil {
		t.Error("it was")
	}
}

func TestNoServicesMeansNoCopies(t *testing.T) {
	f := facts("planned")
	f.Topology.Services = nil
	p := compile(t, whole(t), f)
	needs(t, p, "targets", "standby-available")
}

func TestInputsOfEveryKindAreDecoded(t *testing.T) {
	s := load(t, steps(`
{id: a, title: A, runbook: x, uses: probe.http, with: {
 url: 12, every: '{{ if eq .Mode "planned" }}90s{{ end }}', headers: {X-A: 1, X-B: '{{ .Target.Name }}'},
 codes: [200, '{{ .Topology.Policy.ObjectiveMinutes }}'], share: 0.5, limit: {max: 255},
 body: {n: '{{ .Topology.Policy.Page }}', t: 2026-01-01, l: [1, null, x]}, band: {low: 1, high: 2}}},
`), "r.yaml")
	p := compile(t, s, facts("planned"))
	want := `{"url":"12","every":90000000000,"headers":{"X-A":"1","X-B":"us-west-2"},"codes":[200,30],"share":0.5,"limit":{"max":255},"body":{"l":[1,null,"x"],"n":true,"t":"2026-01-01"},"band":{"low":1,"high":2}}`
	if got := string(p.Steps[0].With); got != want {
		t.Errorf("input\n%s\nwant\n%s", got, want)
	}
}

func TestShow(t *testing.T) {
	for _, mode := range modes {
		out := Show(compile(t, whole(t), facts(mode)))
		golden(t, "show-"+mode+".txt", out)
		for line := range strings.Lines(out) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > showWidth {
				t.Errorf("line of %d: %s", n, line)
			}
		}
	}
}

func TestThePlanUsuallyTakesItsLongestChain(t *testing.T) {
	s := load(t, steps(`
{id: a, title: A, runbook: x, uses: elb.healthy, usually: 10s},
{id: b, title: B, runbook: x, uses: elb.healthy, usually: 25s},
{id: c, title: C, runbook: x, uses: elb.healthy, needs: [a, b]},
{id: d, title: D, runbook: x, uses: elb.healthy, needs: [c], usually: 5s},
`), "r.yaml")
	p := compile(t, s, facts("planned"))
	if d := p.Usually(); d != 30*time.Second {
		t.Errorf("%s, want the 25 s of b and the 5 s of d", d)
	}
	if show := Show(p); !strings.Contains(show, "about 30s of machine time") || !strings.Contains(show, "usually 25s") {
		t.Errorf("it is not shown:\n%s", show)
	}
	if d := (&Plan{}).Usually(); d != 0 {
		t.Errorf("an empty plan takes %s", d)
	}
}

// A section that names a kind of run is all of such a run, and no part of another.
func TestASectionOfAKindIsPartOfSuchRunsAlone(t *testing.T) {
	s := load(t, fstest.MapFS{"failover.yaml": {Data: []byte(`
runbook: r
title: R
modes: [planned, unplanned]
sections:
  - section: moves
    title: Moves
    steps: [{id: look, title: Look, runbook: x, uses: elb.healthy}]
  - section: restores
    title: Restores
    kind: restore
    steps: [{id: list, title: "List {{ .Backup }}", runbook: x, uses: elb.healthy}]
`)}}, "failover.yaml")
	back, restore := facts("planned").Back(), facts("planned").Restoring()
	restore.Backup = "nightly"
	for _, f := range []Facts{facts("planned"), facts("unplanned"), back, restore} {
		p := compile(t, s, f)
		want := "Look"
		if f.Kind == restore.Kind {
			want = "List nightly"
		}
		if len(p.Steps) != 1 || p.Steps[0].Title != want || len(p.Sections) != 1 {
			t.Errorf("%s %s: %+v", f.Kind, f.Mode, p.Steps)
		}
	}
	if faults := s.Lint(catalogue); faults != nil {
		t.Errorf("faults:\n%v", faults)
	}
	_, err := Load(fstest.MapFS{"failover.yaml": {Data: []byte("runbook: r\ntitle: R\nmodes: [planned]\nsections:\n  - {section: a, title: A, kind: restor, steps: []}\n")}}, "failover.yaml")
	if err == nil || !strings.Contains(err.Error(), `unknown kind "restor"; did you mean "restore"?`) {
		t.Errorf("%v", err)
	}
}
