package view_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/view"
)

// move is a run that watches users, stops those who write, moves the writer and then
// users, and tries an order.
func move(kind incident.RunKind, mode string) incident.RunBegun {
	step := func(id string, noReturn bool, proves ...incident.Trait) runbook.Step {
		return runbook.Step{ID: id, Title: id, Kind: runbook.Change, NoReturn: noReturn, Proves: proves}
	}
	raw, err := json.Marshal(runbook.Plan{
		Mode: mode, Source: runbook.Region{Name: "us-east-1"}, Target: runbook.Region{Name: "us-west-2"},
		Steps: []runbook.Step{
			{ID: "users", Kind: runbook.Watch, Proves: []incident.Trait{incident.UsersWatched}},
			{ID: "writers", Kind: runbook.Watch, Proves: []incident.Trait{incident.WritersWatched}},
			step("fence", false, incident.WritersStopped), step("switch", true, incident.WriterMoved),
			step("traffic", false, incident.UsersServed), step("order", false, incident.OrdersFlow),
		},
	})
	if err != nil {
		panic(err)
	}
	return incident.RunBegun{Kind: kind, Source: "us-east-1", Target: "us-west-2", Mode: mode, Digest: "d", Plan: raw}
}

// told is a timeline, its events at minutes after noon.
type told struct {
	t   *testing.T
	all []incident.Event
	run incident.RunID
}

func declared(t *testing.T, d incident.IncidentDeclared, mode string) *told {
	d.Incident, d.Commander = "INC-2026-0001", "alice"
	if d.Began.IsZero() {
		d.Began, d.BeganNotSaid = noon, true
	}
	return (&told{t: t, run: "failover-1"}).at(0, d, move(incident.Failover, mode))
}

func (s *told) at(minute float64, bodies ...incident.Body) *told {
	for _, b := range bodies {
		e := incident.Event{Seq: uint64(len(s.all) + 1), Time: noon.Add(time.Duration(minute * float64(time.Minute))), Actor: "alice", Run: s.run, Body: b}
		switch b.(type) {
		case incident.IncidentDeclared, incident.IncidentResolved, incident.ImpactCorrected, incident.PointClosed:
			e.Run = ""
		}
		s.all = append(s.all, e)
	}
	return s
}

func (s *told) view(minute float64) view.View {
	s.t.Helper()
	state := incident.Fold(s.all)
	if state.Damage != "" {
		s.t.Fatal(state.Damage)
	}
	plan, err := view.Plan(state.Run)
	if err != nil {
		s.t.Fatal(err)
	}
	return view.New(state, plan, roster, noon.Add(time.Duration(minute*float64(time.Minute))))
}

// saw is what the watch of users tells: of ten requests so many were well.
func saw(v incident.Verdict, well int, stale ...string) incident.WatchObserved {
	e := incident.WatchObserved{Step: "users", Summary: "seen", Users: &incident.UsersSeen{Tried: 10, Served: well, Stale: stale}}
	e.Verdict = v
	if v == incident.Unsure {
		e.Users = nil
	}
	return e
}

func did(step string) incident.StepFinished { return incident.StepFinished{Step: step, Changed: true} }

func minutes(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }

// Each timeline, and what users got by it.
func TestImpactIsWhatUsersGet(t *testing.T) {
	said := incident.IncidentDeclared{Began: noon.Add(-5 * time.Minute)}
	none := incident.IncidentDeclared{}
	for name, c := range map[string]struct {
		told  *told
		began float64 // minutes after noon; 99: not known
		lasts float64 // at minute 10
		hurt  bool
		share float64
	}{
		"what was typed counts, and goes on while requests fail": {declared(t, said, "unplanned").at(1, saw(incident.Fail, 6)), -5, 15, true, 0.4},
		"a timeline without a watch counts as before":            {declared(t, said, "unplanned"), -5, 15, true, -1},
		"not typed and failing when first looked: start unknown": {declared(t, none, "unplanned").at(1, saw(incident.Fail, 0)), 99, 9, true, 1},
		"not typed and nothing seen: nothing is known":           {declared(t, none, "unplanned"), 99, 0, false, -1},
		"not typed and all is well: no impact":                   {declared(t, none, "planned").at(1, saw(incident.Pass, 10)), 99, 0, false, 0},
		"well at first and failing later: that is the start":     {declared(t, none, "planned").at(1, saw(incident.Pass, 10)).at(4, saw(incident.Fail, 6)), 4, 6, true, 0.4},
		"orders that we stop are impact, although pages are well": {
			declared(t, none, "planned").at(1, saw(incident.Pass, 10)).at(3, did("fence"), did("switch")), 3, 7, true, 0,
		},
		"until an order through the target is seen": {
			declared(t, none, "planned").at(1, saw(incident.Pass, 10)).at(3, did("fence"), did("switch")).at(5, did("traffic")).at(6, did("order"), incident.IncidentMitigated{}).at(6, saw(incident.Pass, 10)), 3, 3, false, 0,
		},
		"users who arrive by parts are hurt until the last has": {
			declared(t, said, "unplanned").at(1, saw(incident.Fail, 0)).at(4, did("traffic"), did("order"), incident.IncidentMitigated{}).at(5, saw(incident.Warn, 7, "OpenDNS")).at(7, saw(incident.Pass, 10)), -5, 12, false, 0,
		},
		"a resolver that keeps the old Region": {
			declared(t, said, "unplanned").at(4, did("traffic"), did("order"), incident.IncidentMitigated{}).at(5, saw(incident.Warn, 7, "OpenDNS")), -5, 15, true, 0.3,
		},
		"hurt again after it was mitigated": {
			declared(t, said, "unplanned").at(4, did("traffic"), incident.IncidentMitigated{}).at(5, saw(incident.Pass, 10)).at(8, saw(incident.Fail, 2)), -5, 15, true, 0.8,
		},
		"corrected": {
			declared(t, none, "unplanned").at(1, saw(incident.Fail, 0)).at(2, incident.ImpactCorrected{Began: noon.Add(-20 * time.Minute)}), -20, 30, true, 1,
		},
		"corrected to unknown": {
			declared(t, said, "unplanned").at(1, saw(incident.Fail, 0)).at(2, incident.ImpactCorrected{Unknown: true, Was: said.Began}), 99, 9, true, 1,
		},
		"what cannot be seen any more ends nothing": {
			declared(t, said, "unplanned").at(1, saw(incident.Fail, 0)).at(2, saw(incident.Unsure, 0)), -5, 15, true, -1,
		},
		"closed while nobody was served": {
			declared(t, said, "unplanned").at(1, saw(incident.Fail, 0)).at(2, incident.RunAborted{Reason: "x"}).at(6, incident.IncidentResolved{Unserved: true}), -5, 11, true, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := c.told.view(10)
			i := v.Impact()
			switch {
			case c.began == 99 && !i.Began.IsZero(), c.began != 99 && !i.Began.Equal(noon.Add(minutes(c.began))):
				t.Errorf("began %s", i.Began)
			}
			if got := i.For(v.Now); got != minutes(c.lasts) || i.Hurt != c.hurt || i.Failing-c.share > 1e-9 || c.share-i.Failing > 1e-9 {
				t.Errorf("%s, hurt %t, %.2f fail: %+v", got, i.Hurt, i.Failing, i)
			}
		})
	}
}

// Since when and until when we stopped orders: one figure, for card, status and review.
func TestOrdersAreStoppedFromTheCallUntilOneIsTaken(t *testing.T) {
	none := incident.IncidentDeclared{}
	calls := func(s *told, minute float64, step string) *told {
		return s.at(minute, incident.StepStarted{Step: step}).at(minute+0.5, incident.ChangeIntended{Step: step, Attempt: 1})
	}
	next := func(s *told, minute float64, kind incident.RunKind, mode string) *told {
		s.at(minute, incident.RunEnded{How: incident.Superseded})
		s.run = "next-2"
		b := move(kind, mode)
		b.Follows = "failover-1"
		return s.at(minute, b)
	}
	for name, c := range map[string]struct {
		told        *told
		from, until float64 // minutes after noon; 0: not
	}{
		"nothing was called":              {declared(t, none, "planned").at(1, incident.StepStarted{Step: "fence"}), 0, 0},
		"from the call on":                {calls(declared(t, none, "planned"), 1, "fence"), 1.5, 0},
		"and not from its answer":         {calls(declared(t, none, "planned"), 1, "fence").at(3, did("fence")), 1.5, 0},
		"somebody had stopped them":       {declared(t, none, "planned").at(3, incident.StepFinished{Step: "fence", Already: true}), 0, 0},
		"the call came surely to nothing": {calls(declared(t, none, "planned"), 1, "fence").at(2, incident.StepFailed{Step: "fence", Error: "refused"}), 0, 0},
		"and was looked for in vain":      {calls(declared(t, none, "planned"), 1, "fence").at(2, incident.ChangeMissed{Step: "fence"}), 0, 0},
		"its answer was lost":             {calls(declared(t, none, "planned"), 1, "fence").at(2, incident.StepFailed{Step: "fence", Error: "lost", MayHaveHappened: true}), 1.5, 0},
		"refused, and done when asked again": {
			calls(calls(declared(t, none, "planned"), 1, "fence").at(2, incident.StepFailed{Step: "fence", Error: "refused"}).at(3, incident.StepRetried{Step: "fence"}), 3, "fence").at(4, did("fence")), 3.5, 0,
		},
		"lost, and done when asked again": {
			calls(calls(declared(t, none, "planned"), 1, "fence").at(2, incident.StepFailed{Step: "fence", Error: "lost", MayHaveHappened: true}).at(3, incident.StepRetried{Step: "fence"}), 3, "fence").at(4, did("fence")), 1.5, 0,
		},
		"an order ends it, not the page that answers": {calls(declared(t, none, "planned"), 1, "fence").at(3, did("fence")).at(5, did("traffic")).at(6, did("order")), 1.5, 6},
		"in the run that follows, too":                {next(calls(declared(t, none, "planned"), 1, "fence").at(3, did("fence")), 4, incident.Failover, "unplanned"), 1.5, 0},
		"where nobody has to stop them again":         {next(calls(declared(t, none, "planned"), 1, "fence").at(3, did("fence")), 4, incident.Failover, "unplanned").at(7, did("order")), 1.5, 7},
		"taken back":                                  {next(calls(declared(t, none, "planned"), 1, "fence").at(3, did("fence")), 4, incident.Undo, "planned").at(5, did("fence")), 1.5, 5},
		"in a Region that serves nobody":              {calls(next(declared(t, none, "planned"), 0.5, incident.RebuildStandby, "planned"), 1, "fence").at(3, did("fence")), 0, 0},
		"an order before it was stopped says nothing": {calls(declared(t, none, "planned").at(0.5, did("order")), 1, "fence").at(3, did("fence")), 1.5, 0},
		"the first order counts, not the one tried after": {
			next(calls(declared(t, none, "planned"), 1, "fence").at(3, did("fence")).at(5, did("order")), 6, incident.Failover, "unplanned").at(8, did("order")), 1.5, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := c.told.view(10).Impact()
			at := func(m float64) time.Time {
				if m == 0 {
					return time.Time{}
				}
				return noon.Add(minutes(m))
			}
			if !i.ByUs.Equal(at(c.from)) || !i.ByUsEnd.Equal(at(c.until)) {
				t.Errorf("stopped from %s until %s", i.ByUs, i.ByUsEnd)
			}
		})
	}
}

func TestUsersAreServedWhenTheyAreSeenToBe(t *testing.T) {
	said := incident.IncidentDeclared{Began: noon.Add(-time.Minute)}
	end := func() *told {
		return declared(t, said, "planned").at(3, did("fence"), did("switch")).at(4, did("traffic"))
	}
	for name, c := range map[string]struct {
		told   *told
		served bool
	}{
		"seen, and an order was taken":      {end().at(5, did("order"), incident.IncidentMitigated{}, saw(incident.Pass, 10)), true},
		"only a stale resolver is left":     {end().at(5, did("order"), incident.IncidentMitigated{}, saw(incident.Warn, 7, "OpenDNS")), true},
		"mitigated and then not any more":   {end().at(5, did("order"), incident.IncidentMitigated{}, saw(incident.Pass, 10)).at(6, saw(incident.Fail, 0)), false},
		"not known any more":                {end().at(5, did("order"), incident.IncidentMitigated{}, saw(incident.Pass, 10)).at(6, saw(incident.Unsure, 0)), false},
		"nobody saw an order since we stop": {end().at(5, incident.IncidentMitigated{}, saw(incident.Pass, 10)), false},
		"stopped, and users were well":      {declared(t, said, "planned").at(1, saw(incident.Pass, 10)).at(2, incident.RunAborted{Reason: "x"}), true},
		"stopped, and users are not served": {declared(t, said, "planned").at(1, saw(incident.Fail, 2)).at(2, incident.RunAborted{Reason: "x"}), false},
		"stopped, and nobody looked":        {declared(t, said, "planned").at(2, incident.RunAborted{Reason: "x"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if ok, why := c.told.view(10).Served(); ok != c.served || ok == (why != "") {
				t.Errorf("%t %q", ok, why)
			}
		})
	}
}

func TestAPointIsOpenUntilItIsTrueOrSomebodyClosedIt(t *testing.T) {
	ids := func(v view.View) (out string) {
		for _, p := range v.Points() {
			if p.Since.IsZero() || p.Title == "" {
				t.Errorf("%+v", p)
			}
			out += p.ID + " "
		}
		return out
	}
	writers := func(v incident.Verdict) incident.WatchObserved {
		return incident.WatchObserved{Step: "writers", Summary: "3 of 3 services that write are running in us-east-1", Measured: incident.Measured{Verdict: v}}
	}
	s := declared(t, incident.IncidentDeclared{}, "unplanned").at(1, incident.StepFailed{Step: "fence", Advice: true, Unknown: true, Error: "no answer"})
	if got := ids(s.view(2)); got != "" {
		t.Errorf("before the writer moves: %q", got)
	}
	s.at(2, did("switch"))
	if got := ids(s.view(3)); got != "writers standby " {
		t.Errorf("the stop of writers failed: %q", got)
	}
	s.at(3, writers(incident.Fail), saw(incident.Warn, 7, "Open DNS"))
	if got := ids(s.view(4)); got != "resolver-open-dns writers standby " {
		t.Errorf("%q", got)
	}
	s.at(4, writers(incident.Pass))
	if got := ids(s.view(5)); got != "resolver-open-dns standby " {
		t.Errorf("the writers are stopped: %q", got)
	}
	s.at(5, incident.PointClosed{Point: "resolver-open-dns", How: "told support"}, incident.PointClosed{Point: "standby", How: "known"})
	v := s.view(6)
	if got := ids(v); got != "" || v.Unprotected() {
		t.Errorf("closed by somebody: %q", got)
	}
	due := time.Date(2026, 3, 10, 14, 0, 0, 0, time.UTC)
	s.at(5, incident.TaskOpened{Task: "lost-writes", Title: "Copy it", Why: "with this", Owner: "alice", Due: due})
	if got := s.view(6).Points(); len(got) != 1 || got[0].ID != "lost-writes" || got[0].Title != "Copy it" || got[0].Owner != "alice" || !got[0].Due.Equal(due) || got[0].How != "with this" {
		t.Errorf("left to people: %+v", got)
	}
	s.at(5, incident.TaskClosed{Task: "lost-writes", How: "copied"})
	s.at(6, saw(incident.Pass, 10)).at(7, saw(incident.Warn, 7, "Open DNS"))
	if got := ids(s.view(8)); got != "resolver-open-dns " {
		t.Errorf("it came about anew: %q", got)
	}
	// The services that write are stopped in a planned move: nothing could take over.
	if got := ids(declared(t, incident.IncidentDeclared{}, "planned").at(1, did("fence")).at(2, did("switch")).view(3)); got != "standby " {
		t.Errorf("a Region with services at zero: %q", got)
	}
}

func TestGoingBackIsSince(t *testing.T) {
	back := saw(incident.Fail, 5, "Google")
	back.Users.Back = []string{"Google"}
	more := saw(incident.Fail, 2, "Google", "OpenDNS")
	more.Users.Back = []string{"Google", "OpenDNS"}
	s := declared(t, incident.IncidentDeclared{}, "unplanned").at(1, saw(incident.Pass, 10)).at(2, back).at(3, more)
	if v := s.view(4); len(v.GoneBack()) != 2 || !v.GoneBackSince().Equal(noon.Add(2*time.Minute)) {
		t.Errorf("%v since %s", v.GoneBack(), v.GoneBackSince())
	}
	if v := s.at(5, saw(incident.Pass, 10)).view(6); len(v.GoneBack()) != 0 || !v.GoneBackSince().IsZero() {
		t.Errorf("%v since %s", v.GoneBack(), v.GoneBackSince())
	}
}
