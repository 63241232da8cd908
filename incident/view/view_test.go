package view_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/view"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

var roster = incident.Roster{
	{ID: "alice", Name: "Alice", Roles: []string{incident.RoleCommander}},
	{ID: "bob", Name: "Bob", Roles: []string{incident.RoleApprover}},
	{ID: "carol", Name: "Carol", Roles: []string{incident.RoleApprover}, BreakGlass: true},
	{ID: "dave", Name: "Dave", Roles: []string{incident.RoleResponder}},
}

func plan() runbook.Plan {
	return runbook.Plan{
		Mode: "unplanned", Digest: "d", Target: runbook.Region{Name: "us-west-2"},
		Sections: []runbook.Section{{ID: "ready", Title: "Readiness"}, {ID: "move", Title: "Move"}, {ID: "close", Title: "Close"}},
		Steps: []runbook.Step{
			{ID: "outage", Section: "ready", Title: "See the outage", Kind: runbook.Wait, Gate: runbook.Required, Locked: true},
			{ID: "lag", Section: "ready", Title: "Lag", Kind: runbook.Check, Gate: runbook.Required},
			{ID: "backup", Section: "ready", Title: "Backup", Kind: runbook.Check, Gate: runbook.Advice},
			{ID: "go", Section: "ready", Title: "Begin", Kind: runbook.Go, Needs: []string{"outage", "lag", "backup"}},
			{ID: "scale", Section: "move", Title: "Scale", Kind: runbook.Change, Needs: []string{"go"}, Usually: time.Minute},
			{ID: "tell", Section: "move", Title: "Tell the partners", Kind: runbook.Ask, Needs: []string{"go"}, Asks: &runbook.Asks{Role: incident.RoleResponder}},
			{
				ID: "promote", Section: "move", Title: "Promote", Kind: runbook.Change, NoReturn: true, Needs: []string{"scale"},
				Approval: &runbook.Approval{By: incident.RoleApprover, Count: 2, Covers: []string{"scale"}},
			},
			{ID: "writes", Section: "move", Title: "It writes", Kind: runbook.Wait, Needs: []string{"promote"}, Proves: []incident.Trait{incident.DatabaseWrites}},
			{ID: "paged", Section: "close", Title: "Resolve the page", Kind: runbook.Tell, Closing: true},
		},
	}
}

// story is the State after these, a minute apart, each said by the bot unless it
// names somebody.
type story struct {
	t   *testing.T
	seq uint64
	now time.Time
	all []incident.Event
}

func tell(t *testing.T) *story {
	t.Helper()
	raw, err := json.Marshal(plan())
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, now: noon}
	return s.by("alice", incident.IncidentDeclared{Incident: "INC-2026-0001", Commander: "alice", Began: noon.Add(-time.Minute)},
		incident.RunBegun{Kind: incident.Failover, Target: "us-west-2", Mode: "unplanned", Digest: "d", Plan: raw})
}

func (s *story) by(who string, bodies ...incident.Body) *story {
	for _, b := range bodies {
		s.seq++
		run := incident.RunID("failover-1")
		if _, first := b.(incident.IncidentDeclared); first {
			run = ""
		}
		s.all = append(s.all, incident.Event{Seq: s.seq, Time: s.now, Actor: who, Run: run, Body: b})
		s.now = s.now.Add(time.Minute)
	}
	return s
}

func (s *story) bot(bodies ...incident.Body) *story { return s.by(incident.Bot, bodies...) }

func (s *story) done(steps ...string) *story {
	for _, id := range steps {
		s.bot(incident.StepStarted{Step: id, Attempt: 1}, incident.StepFinished{Step: id, Attempt: 1})
	}
	return s
}

func (s *story) gone() *story {
	return s.done("outage", "lag", "backup").
		bot(incident.ApprovalAsked{Question: "go", Kind: incident.AskGo, Step: "go", Role: incident.RoleCommander}).
		by("alice", incident.ApprovalGiven{Question: "go", Kind: incident.AskGo, Step: "go", Choice: "go"}).
		done("go")
}

func (s *story) view() view.View {
	s.t.Helper()
	state := incident.Fold(s.all)
	if state.Damage != "" {
		s.t.Fatal(state.Damage)
	}
	p, err := (&view.Plans{}).Of(state)
	if err != nil {
		s.t.Fatal(err)
	}
	return view.New(state, p, roster, s.now)
}

func ids(steps []runbook.Step) string {
	var out []string
	for _, s := range steps {
		out = append(out, s.ID)
	}
	return strings.Join(out, " ")
}

func TestWhatIsReady(t *testing.T) {
	stopped := func(step string, unknown bool) incident.Body {
		return incident.StepFailed{Step: step, Attempt: 1, Error: "no", Unknown: unknown}
	}
	for name, c := range map[string]struct {
		story *story
		want  string
	}{
		"nothing has begun":   {tell(t), "0 passed, 0 failed, 0 unknown, 3 left; busy outage lag backup; stopped ; locked "},
		"one is under way":    {tell(t).done("lag").bot(incident.StepStarted{Step: "outage", Attempt: 1}), "1 passed, 0 failed, 0 unknown, 1 left; busy outage backup; stopped ; locked "},
		"one is unknown":      {tell(t).done("outage", "backup").bot(incident.StepStarted{Step: "lag", Attempt: 1}, stopped("lag", true)), "2 passed, 0 failed, 1 unknown, 0 left; busy ; stopped lag; locked "},
		"a locked one":        {tell(t).done("lag", "backup").bot(incident.StepStarted{Step: "outage", Attempt: 1}, stopped("outage", false)), "2 passed, 1 failed, 0 unknown, 0 left; busy ; stopped outage; locked outage"},
		"advice":              {tell(t).done("lag", "outage").bot(incident.StepStarted{Step: "backup", Attempt: 1}, incident.StepFailed{Step: "backup", Attempt: 1, Error: "old", Advice: true}), "2 passed, 1 failed, 0 unknown, 0 left; busy ; stopped ; locked "},
		"asked for once more": {tell(t).done("outage", "backup").bot(incident.StepStarted{Step: "lag", Attempt: 1}, stopped("lag", false)).by("dave", incident.StepRetried{Step: "lag"}), "2 passed, 0 failed, 0 unknown, 1 left; busy lag; stopped ; locked "},
	} {
		r := c.story.view().Readiness()
		got := fmt.Sprintf("%d passed, %d failed, %d unknown, %d left; busy %s; stopped %s; locked %s", r.Passed, r.Failed, r.Unknown, r.Left, ids(r.Busy), ids(r.Stopped), ids(r.Locked))
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Whoever is waited for is whoever is not refused.
func TestWhoMayAnswer(t *testing.T) {
	ask := func(a incident.ApprovalAsked) func(*story) *story {
		return func(s *story) *story { a.Question, a.Title = "q", "Q"; return s.bot(a) }
	}
	promotion := incident.ApprovalAsked{Kind: incident.AskApprove, Step: "promote", Role: incident.RoleApprover, Count: 2, Expires: noon.Add(20 * time.Hour)}
	failed := func(s *story) *story {
		return s.bot(incident.StepStarted{Step: "promote", Attempt: 1}, incident.StepFailed{Step: "promote", Attempt: 1, Error: "no"})
	}
	for name, c := range map[string]struct {
		happens []func(*story) *story
		want    string
	}{
		"Go":            {[]func(*story) *story{ask(incident.ApprovalAsked{Kind: incident.AskGo, Step: "go", Role: incident.RoleCommander})}, "alice bob carol; dave: not the role"},
		"an approval":   {[]func(*story) *story{ask(promotion)}, "bob carol; alice: asked for it, dave: not the role"},
		"a retry of it": {[]func(*story) *story{failed, func(s *story) *story { return s.by("bob", incident.StepRetried{Step: "promote"}) }, ask(promotion)}, "carol; alice: asked for it, bob: asked for it, dave: not the role"},
		"a retry of what it covers": {[]func(*story) *story{func(s *story) *story { return s.by("bob", incident.StepRetried{Step: "writes"}) }, func(s *story) *story {
			a := promotion
			a.Effects = []incident.Effect{{Step: "promote", What: "x"}, {Step: "writes", What: "y"}}
			return ask(a)(s)
		}}, "carol; alice: asked for it, bob: asked for it, dave: not the role"},
		"a retry of what it covers, of which nothing could be read": {[]func(*story) *story{func(s *story) *story { return s.by("bob", incident.StepRetried{Step: "scale"}) }, ask(promotion)}, "carol; alice: asked for it, bob: asked for it, dave: not the role"},
		"one of two said": {[]func(*story) *story{ask(promotion), func(s *story) *story {
			return s.by("bob", incident.ApprovalGiven{Question: "q", Kind: incident.AskApprove, Step: "promote", Choice: "approve"})
		}}, "carol; alice: asked for it, bob: answered it, dave: not the role"},
		"both said": {[]func(*story) *story{ask(promotion), func(s *story) *story {
			given := incident.ApprovalGiven{Question: "q", Kind: incident.AskApprove, Step: "promote", Choice: "approve"}
			return s.by("bob", given).by("carol", given)
		}}, "; alice: not open, bob: not open, carol: not open, dave: not open"},
		"something to do":        {[]func(*story) *story{ask(incident.ApprovalAsked{Kind: incident.AskPerson, Step: "tell", Role: incident.RoleResponder})}, "dave; alice: not the role, bob: not the role, carol: not the role"},
		"a step stopped":         {[]func(*story) *story{failed, ask(incident.ApprovalAsked{Kind: incident.AskFailed, Step: "promote", Role: incident.RoleCommander})}, "alice bob carol; dave: not the role"},
		"it ran out":             {[]func(*story) *story{ask(promotion), func(s *story) *story { s.now = s.now.Add(24 * time.Hour); return s }}, "; alice: ran out, bob: ran out, carol: ran out, dave: ran out"},
		"the record lost events": {[]func(*story) *story{ask(promotion), func(s *story) *story { return s.bot(incident.HistoryDiverged{Common: 3, Held: 5}) }}, "; alice: not open, bob: not open, carol: not open, dave: not open"},
		"it is repaired": {[]func(*story) *story{ask(promotion), func(s *story) *story {
			return s.bot(incident.HistoryDiverged{Common: 3, Held: 5}).by("alice", incident.HistoryRepaired{Choice: incident.GoOn, Reason: "compared"})
		}}, "bob carol; alice: asked for it, dave: not the role"},
		"it was stopped": {[]func(*story) *story{ask(promotion), func(s *story) *story { return s.by("alice", incident.RunAborted{Reason: "x"}) }}, "; alice: not open, bob: not open, carol: not open, dave: not open"},
	} {
		s := tell(t).gone().done("scale")
		for _, f := range c.happens {
			s = f(s)
		}
		v := s.view()
		q := v.Questions["q"]
		var may, not []string
		for _, p := range roster {
			if why := v.MayAnswer(p, q); why == "" {
				may = append(may, p.ID)
			} else {
				not = append(not, p.ID+": "+string(why))
			}
		}
		if got := strings.Join(may, " ") + "; " + strings.Join(not, ", "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		var named []string
		for _, p := range v.Answerers(q) {
			named = append(named, p.ID)
		}
		if v.Asks(q) && !slices.Equal(named, may) && v.MayAnswer(roster[1], q) != view.RanOut {
			t.Errorf("%s: %v are waited for, and %v may answer", name, named, may)
		}
	}
}

func TestGlassIsBrokenByThoseNamedAndAfterNobodyAnswered(t *testing.T) {
	asked := incident.ApprovalAsked{Question: "q", Kind: incident.AskApprove, Step: "promote", Role: incident.RoleApprover}
	s := tell(t).gone().bot(asked)
	v := s.view()
	if why := v.MayBreakGlass(roster[2], v.Questions["q"]); why != view.NotYet {
		t.Errorf("at first: %q", why)
	}
	again := asked
	again.Question = "q2"
	v = s.bot(incident.ApprovalExpired{Question: "q", Step: "promote"}, again).view()
	for who, want := range map[int]view.Refusal{1: view.NotOnTheList, 2: ""} {
		if why := v.MayBreakGlass(roster[who], v.Questions["q2"]); why != want {
			t.Errorf("%s: %q, want %q", roster[who].ID, why, want)
		}
	}
}

func TestHowFarASectionHasCome(t *testing.T) {
	s := tell(t).done("outage", "backup").bot(incident.StepStarted{Step: "lag", Attempt: 1}, incident.StepFailed{Step: "lag", Attempt: 1, Error: "no"},
		incident.ApprovalAsked{Question: "go", Kind: incident.AskGo, Step: "go", Role: incident.RoleCommander}).
		by("alice", incident.StepSkipped{Step: "lag", Reason: "it is known"}, incident.ApprovalGiven{Question: "go", Kind: incident.AskGo, Step: "go", Choice: "go"}).done("go").
		bot(incident.StepStarted{Step: "scale", Attempt: 1}, incident.ApprovalAsked{Question: "t", Kind: incident.AskPerson, Step: "tell", Role: incident.RoleResponder})
	s.now = s.now.Add(3 * time.Minute)
	say := func(c view.Section) string {
		asked := ""
		if c.Asked != nil {
			asked = c.Asked.Question
		}
		return fmt.Sprintf("%s %d/%d running %q slow %q cut off %d overridden %d skipped %d asked %q finished %t changes %t", c.ID, c.Done, c.Total, ids(c.Running), ids(c.Slow), c.CutOff, c.Overridden, c.Skipped, asked, c.Finished(), c.Changes)
	}
	for i, c := range s.view().Sections() {
		want := []string{
			`ready 4/4 running "" slow "" cut off 0 overridden 1 skipped 0 asked "" finished true changes false`,
			`move 0/4 running "scale" slow "scale" cut off 0 overridden 0 skipped 0 asked "t" finished false changes true`,
			`close 0/1 running "" slow "" cut off 0 overridden 0 skipped 0 asked "" finished false changes false`,
		}[i]
		if got := say(c); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// Nobody looks at what was under way when the run was stopped.
	move := s.by("alice", incident.RunAborted{Reason: "enough"}).view().Sections()[1]
	if want := `move 0/4 running "" slow "" cut off 1 overridden 0 skipped 0 asked "" finished false changes true`; say(move) != want {
		t.Errorf("after an abort %s, want %s", say(move), want)
	}
}

func TestWhatComesNext(t *testing.T) {
	say := func(v view.View) string {
		n := v.Next()
		var soon []string
		for _, q := range n.Soon {
			soon = append(soon, string(q.Kind)+" "+q.Step+" "+q.Role)
		}
		return fmt.Sprintf("running %q stopped %q left %q soon %q", ids(n.Running), ids(n.Stopped), ids(n.Left), soon)
	}
	for name, c := range map[string]struct {
		story *story
		want  string
	}{
		"before Go":        {tell(t).done("outage", "lag", "backup"), `running "" stopped "" left "go scale tell promote writes paged" soon ["go go commander"]`},
		"after Go":         {tell(t).gone().bot(incident.StepStarted{Step: "scale", Attempt: 1}), `running "scale" stopped "" left "tell promote writes paged" soon ["ask tell responder"]`},
		"before promotion": {tell(t).gone().done("scale", "tell"), `running "" stopped "" left "promote writes paged" soon ["approval promote approver"]`},
		"one stopped":      {tell(t).gone().done("tell").bot(incident.StepStarted{Step: "scale", Attempt: 1}, incident.StepFailed{Step: "scale", Attempt: 1, Error: "no"}), `running "" stopped "scale" left "promote writes paged" soon []`},
	} {
		if got := say(c.story.view()); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWhatWasOverriddenChangedAndServed(t *testing.T) {
	s := tell(t).done("outage", "backup").bot(incident.StepStarted{Step: "lag", Attempt: 1}, incident.StepFailed{Step: "lag", Attempt: 1, Error: "40 s"}).
		by("alice", incident.StepSkipped{Step: "lag", Reason: "users are down"}).
		bot(incident.ApprovalAsked{Question: "go", Kind: incident.AskGo, Step: "go"}).
		by("alice", incident.ApprovalGiven{Question: "go", Kind: incident.AskGo, Step: "go", Choice: "go"}).done("go").
		bot(incident.StepStarted{Step: "scale", Attempt: 1}, incident.ChangeIntended{Step: "scale", Action: "t.scale", Attempt: 1, Before: "2 replicas"}, incident.StepFinished{Step: "scale", Attempt: 1, Changed: true}).
		bot(incident.StepStarted{Step: "promote", Attempt: 1}, incident.ChangeIntended{Step: "promote", Action: "t.promote", Attempt: 1})
	v := s.view()
	if o := v.Overrides(); len(o) != 1 || o[0].Step.ID != "lag" || !o[0].Gate || o[0].By != "alice" || o[0].Why != "users are down" || o[0].Failure.Error != "40 s" {
		t.Errorf("overridden: %+v", o)
	}
	ch := v.Changes()
	if len(ch) != 2 || ch[0].Step.ID != "scale" || ch[0].Before != "2 replicas" || !ch[0].Sure || ch[1].Step.ID != "promote" || ch[1].Sure {
		t.Errorf("changed: %+v", ch)
	}
	if v.Promoted() || v.Writes() || v.Unprotected() {
		t.Error("nobody knows yet whether it was promoted")
	}
	v = s.bot(incident.StepFinished{Step: "promote", Attempt: 1, Changed: true}).view()
	if !v.Promoted() || v.Writes() || !v.Unprotected() {
		t.Error("it was promoted, and not yet seen to write")
	}
	if got := ids(v.WaitFor("promote")); got != "writes" {
		t.Errorf("what waits for the promotion: %q", got)
	}
	v = s.done("writes").view()
	if !v.Writes() {
		t.Error("it writes")
	}
	if impact := v.Impact().For(v.Now); impact != v.Now.Sub(noon)+time.Minute {
		t.Errorf("users have been hurt for %s", impact)
	}
}

func TestAListThatIsFoundAnewIsAnotherPlan(t *testing.T) {
	p := plan()
	p.Steps = append(p.Steps, runbook.Step{ID: "each-volume", Group: "each-volume", Section: "move", Title: "Attach {{item}}", Kind: runbook.Change, EachOf: "lag", Needs: []string{"go"}})
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	plans := &view.Plans{}
	run := func(items ...string) *incident.Run {
		r := incident.Fold([]incident.Event{
			{Seq: 1, Time: noon, Body: incident.IncidentDeclared{Incident: "INC-2026-0001"}},
			{Seq: 2, Time: noon, Run: "failover-1", Body: incident.RunBegun{Kind: incident.Failover, Digest: "d", Plan: raw}},
			{Seq: 3, Time: noon, Run: "failover-1", Body: incident.StepsExpanded{Step: "each-volume", Items: items}},
		})
		return r.Run
	}
	for _, items := range [][]string{{"a", "b"}, {"c"}, {"a b"}, {"a", "b"}} {
		got, err := plans.OfRun("INC-2026-0001", run(items...))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got.Steps) - len(plan().Steps); n != len(items) {
			t.Errorf("the list %q makes %d steps", items, n)
		}
	}
}

// What stops several steps is told once, with all that it stops; what stops one alone
// says so itself.
func TestACauseIsToldOnceForAllThatItStops(t *testing.T) {
	silent := func(system, region string) *incident.Cause {
		return &incident.Cause{Says: "no answer from", System: system, Region: region}
	}
	s := tell(t).bot(
		incident.StepFailed{Step: "lag", Unknown: true, Error: "rds: no answer", Hint: "look at the Region", Cause: silent("RDS", "us-west-2")},
		incident.StepFailed{Step: "backup", Unknown: true, Advice: true, Error: "s3: no answer", Cause: silent("S3", "us-west-2")},
		incident.StepFailed{Step: "scale", Unknown: true, Error: "no answer", Cause: silent("the cluster", "us-east-1")},
		incident.StepFailed{Step: "outage", Error: "all is well"},
	)
	causes := s.view().Causes()
	if len(causes) != 1 || causes[0].Says != "no answer from RDS and S3 in us-west-2" || ids(causes[0].Steps) != "lag backup" || causes[0].Hint != "look at the Region" {
		t.Fatalf("%+v", causes)
	}
	for step, of := range map[string]bool{"lag": true, "backup": true, "scale": false, "outage": false, "go": false} {
		if _, is := view.CauseOf(causes, step); is != of {
			t.Errorf("%s is stopped by it: %t", step, is)
		}
	}
	s.by("alice", incident.StepRetried{Step: "lag"})
	if causes := s.view().Causes(); len(causes) != 0 {
		t.Errorf("only one step is left that it stops, and it is told of all: %+v", causes)
	}
	s.bot(
		incident.StepFailed{Step: "lag", Unknown: true, Error: "x", Cause: &incident.Cause{Says: "the credentials have run out"}},
		incident.StepFailed{Step: "backup", Unknown: true, Advice: true, Error: "y", Cause: &incident.Cause{Says: "the credentials have run out"}},
	)
	if causes := s.view().Causes(); len(causes) != 1 || causes[0].Says != "the credentials have run out" {
		t.Errorf("%+v", causes)
	}
}

// Why a wait has not come to its end is known while it is under way, and not after.
func TestWhatHoldsAWaitUpIsKnownWhileItLasts(t *testing.T) {
	held := incident.WatchObserved{Step: "writes", Summary: "the storage is full", State: "storage", Measured: incident.Measured{Verdict: incident.Warn}}
	s := tell(t).bot(incident.StepStarted{Step: "writes"}, held)
	if got := s.view().Held("writes"); got != "the storage is full" {
		t.Errorf("held up by %q", got)
	}
	if got := s.bot(incident.WatchObserved{Step: "writes"}).view().Held("writes"); got != "" {
		t.Errorf("it is no longer so, and %q is told", got)
	}
	s.bot(held, incident.StepFailed{Step: "writes", Error: "not so"})
	if got := s.view().Held("writes"); got != "" {
		t.Errorf("it is not waited for, and %q is told", got)
	}
	s.by("alice", incident.StepRetried{Step: "writes"}).bot(incident.StepStarted{Step: "writes", Attempt: 2})
	if got := s.view().Held("writes"); got != "" {
		t.Errorf("this attempt has seen nothing yet, and %q is told", got)
	}
}
