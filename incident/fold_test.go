package incident

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// at is one thing that happened: minutes after noon, by whom, what.
type at struct {
	minute int
	by     string
	what   Body
}

// story folds what happened, in that order.
func story(happened ...at) *State { return Fold(events(happened)) }

func events(happened []at) []Event {
	var out []Event
	for i, h := range happened {
		out = append(out, Event{
			Seq: uint64(i) + 1, Time: noon.Add(time.Duration(h.minute) * time.Minute), Actor: h.by, Body: h.what,
		})
	}
	return out
}

func started(step string, attempt int) StepStarted {
	return StepStarted{Step: step, Action: "t.change", Attempt: attempt}
}

func asked(question string, kind QuestionKind, step string) ApprovalAsked {
	return ApprovalAsked{Question: question, Kind: kind, Step: step, Role: "approver"}
}

func given(question string, kind QuestionKind, step, choice string) ApprovalGiven {
	return ApprovalGiven{Question: question, Kind: kind, Step: step, Choice: choice}
}

func TestHowFarAStepHasCome(t *testing.T) {
	intended := ChangeIntended{Step: "dns", Action: "t.change", Attempt: 1, Before: "east"}
	for _, c := range []struct {
		claim    string
		happened []at
		want     Status
		running  int
		intended bool
	}{
		{"nobody has begun it", nil, Pending, 0, false},
		{"begun, it runs", []at{{0, Bot, started("dns", 1)}}, Running, 1, false},
		{"while its change may be under way it runs", []at{{0, Bot, started("dns", 1)}, {1, Bot, intended}}, Running, 1, true},
		{"finished, it is done", []at{{0, Bot, started("dns", 1)}, {1, Bot, intended}, {2, Bot, StepFinished{Step: "dns"}}}, Done, 0, false},
		{"finished without having begun, as Go is, it is done", []at{{0, Bot, StepFinished{Step: "dns"}}}, Done, 0, false},
		{"stopped, it has failed", []at{{0, Bot, started("dns", 1)}, {1, Bot, intended}, {2, Bot, StepFailed{Step: "dns"}}}, Failed, 0, false},
		{
			"stopped with its change perhaps made, it has failed and the change is remembered",
			[]at{{0, Bot, started("dns", 1)}, {1, Bot, intended}, {2, Bot, StepFailed{Step: "dns", MayHaveHappened: true}}},
			Failed, 0, true,
		},
		{"failed as advice, it is only shown", []at{{0, Bot, started("dns", 1)}, {1, Bot, StepFailed{Step: "dns", Advice: true}}}, Advised, 0, false},
		{"skipped after it failed", []at{{0, Bot, started("dns", 1)}, {1, Bot, StepFailed{Step: "dns"}}, {2, "alice", StepSkipped{Step: "dns"}}}, Skipped, 0, false},
		{"skipped while it runs, it runs no more", []at{{0, Bot, started("dns", 1)}, {1, "alice", StepSkipped{Step: "dns"}}}, Skipped, 0, false},
		{"to be retried, it is to be begun", []at{{0, Bot, started("dns", 1)}, {1, Bot, StepFailed{Step: "dns"}}, {2, "alice", StepRetried{Step: "dns"}}}, Pending, 0, false},
		{"begun again, it runs once", []at{{0, Bot, started("dns", 1)}, {1, Bot, started("dns", 2)}}, Running, 1, false},
		{
			"begun, failed and begun again, it runs once",
			[]at{{0, Bot, started("dns", 1)}, {1, Bot, StepFailed{Step: "dns"}}, {2, "alice", StepRetried{Step: "dns"}}, {3, Bot, started("dns", 2)}},
			Running, 1, false,
		},
		{"put to people while it runs, it waits for them", []at{{0, Bot, started("dns", 1)}, {1, Bot, intended}, {2, Bot, asked("q3", AskApprove, "dns")}}, Pending, 0, true},
		{
			"put to people, approved and begun, it runs once",
			[]at{
				{0, Bot, started("dns", 1)},
				{1, Bot, asked("q2", AskApprove, "dns")},
				{2, "bob", given("q2", AskApprove, "dns", "approve")},
				{3, Bot, started("dns", 2)},
			},
			Running, 1, false,
		},
		{"declined, it has failed", []at{{0, Bot, asked("q1", AskApprove, "dns")}, {1, "bob", ApprovalDeclined{Question: "q1", Step: "dns"}}}, Failed, 0, false},
		{
			"declined after its change was sent, the change is remembered",
			[]at{
				{0, Bot, started("dns", 1)},
				{1, Bot, intended},
				{2, Bot, asked("q3", AskApprove, "dns")},
				{3, "bob", ApprovalDeclined{Question: "q3", Step: "dns"}},
			},
			Failed, 0, true,
		},
		{"a question what to do about its failure leaves it failed", []at{{0, Bot, StepFailed{Step: "dns"}}, {1, Bot, asked("q2", AskFailed, "dns")}}, Failed, 0, false},
		{"what happens to others does not move it", []at{{0, Bot, started("watch", 1)}, {1, Bot, StepFinished{Step: "watch"}}}, Pending, 0, false},
	} {
		t.Run(c.claim, func(t *testing.T) {
			s := story(c.happened...)
			st := s.Step("dns")
			if st.Status != c.want || st.ID != "dns" || (st.Intended != nil) != c.intended {
				t.Errorf("%q is %q, intended %v; want %q, %v", st.ID, st.Status, st.Intended, c.want, c.intended)
			}
			if s.running != c.running {
				t.Errorf("%d steps run, want %d", s.running, c.running)
			}
		})
	}
}

func TestWhatSettlesAStep(t *testing.T) {
	for status, want := range map[Status]bool{Pending: false, Running: false, Failed: false, Done: true, Advised: true, Skipped: true} {
		if status.Settled() != want {
			t.Errorf("%q settled: %v, want %v", status, status.Settled(), want)
		}
	}
}

func TestAStepKeepsItsTimesAndWhatCameOfIt(t *testing.T) {
	s := story(
		at{0, Bot, started("dns", 1)},
		at{1, Bot, ChangeIntended{Step: "dns", Action: "t.change", Attempt: 1}},
		at{2, Bot, StepFailed{Step: "dns", Attempt: 1, Error: "throttled", Hint: "wait"}},
		at{5, "alice", StepRetried{Step: "dns"}},
		at{6, Bot, started("dns", 2)},
	)
	st := s.Step("dns")
	if !st.First.Equal(noon) || !st.Started.Equal(noon.Add(6*time.Minute)) || !st.Ended.IsZero() || st.Attempt != 2 {
		t.Errorf("first %s, started %s, ended %s, attempt %d", st.First, st.Started, st.Ended, st.Attempt)
	}
	if st.Failure.Error != "throttled" || st.Failure.Hint != "wait" || st.Action != "t.change" || st.Changed {
		t.Errorf("%+v", st)
	}
	s.Apply(Event{Seq: 6, Time: noon.Add(8 * time.Minute), Actor: Bot, Body: StepFinished{Step: "dns", Attempt: 2, Summary: "moved", Changed: true}})
	s.Apply(Event{Seq: 7, Time: noon.Add(9 * time.Minute), Actor: "alice", Body: StepRetried{Step: "dns"}})
	s.Apply(Event{Seq: 8, Time: noon.Add(9 * time.Minute), Actor: Bot, Body: StepFinished{Step: "dns", Attempt: 3, Summary: "there", Already: true}})
	st = s.Step("dns")
	if !st.Changed || st.Finished.Summary != "there" || !st.Ended.Equal(noon.Add(9*time.Minute)) {
		t.Errorf("what this run once changed stays changed by it: %+v", st)
	}
}

func TestASkippedStepSaysWhoAndWhyAndKeepsWhenItStopped(t *testing.T) {
	s := story(
		at{0, Bot, started("dns", 1)}, at{2, Bot, StepFailed{Step: "dns", Error: "no"}},
		at{7, "alice", StepSkipped{Step: "dns", Reason: "done by hand"}},
		at{8, "alice", StepSkipped{Step: "watch", Reason: "no time"}},
	)
	if st := s.Step("dns"); st.SkippedBy != "alice" || st.SkipReason != "done by hand" || !st.Ended.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("%+v", st)
	}
	if st := s.Step("watch"); st.SkipReason != "no time" || !st.Ended.Equal(noon.Add(8*time.Minute)) {
		t.Errorf("%+v", st)
	}
}

func TestLookingAtAStepDoesNotBeginIt(t *testing.T) {
	s := NewState()
	st := s.Step("dns")
	st.Status = Done
	if s.Step("dns").Status != Pending || len(s.Steps) != 0 {
		t.Errorf("%+v", s.Steps)
	}
}

func TestHowAQuestionEnds(t *testing.T) {
	ask := at{0, Bot, asked("q1", AskApprove, "promote")}
	for _, c := range []struct {
		claim  string
		end    Body
		answer string
		reason string
	}{
		{"approved", given("q1", AskApprove, "promote", "approve"), "approve", ""},
		{
			"approved alone with the glass broken",
			ApprovalGiven{Question: "q1", Kind: AskApprove, Step: "promote", Choice: "approve", Reason: "nobody came", BrokeGlass: true},
			"approve", "nobody came",
		},
		{"declined", ApprovalDeclined{Question: "q1", Step: "promote", Reason: "lag too high"}, "declined", "lag too high"},
		{"expired", ApprovalExpired{Question: "q1", Step: "promote"}, "expired", ""},
		{"withdrawn", ApprovalWithdrawn{Question: "q1", Step: "promote", Why: "the run is aborted"}, "withdrawn", "the run is aborted"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			open := story(ask)
			if q := open.OpenQuestion("promote"); q == nil || !q.Open || q.Question != "q1" || !slices.Equal(open.Open, []string{"q1"}) {
				t.Fatalf("open before: %+v, %v", q, open.Open)
			}
			s := story(ask, at{3, "bob", c.end})
			q := s.Questions["q1"]
			if q.Open || len(s.Open) != 0 || s.OpenQuestion("promote") != nil {
				t.Errorf("still open: %+v, %v", q, s.Open)
			}
			if q.Answer != c.answer || q.By != "bob" || !q.At.Equal(noon.Add(3*time.Minute)) || !q.AskedAt.Equal(noon) || q.Reason != c.reason {
				t.Errorf("%+v", q)
			}
			if q.BrokeGlass != (c.claim == "approved alone with the glass broken") {
				t.Errorf("broke glass: %v", q.BrokeGlass)
			}
		})
	}
}

func TestGoIsRememberedWithWhoAndWhen(t *testing.T) {
	s := story(at{0, Bot, asked("q1", AskGo, "go")}, at{4, "alice", given("q1", AskGo, "go", "go")})
	if s.GoBy != "alice" || !s.GoAt.Equal(noon.Add(4*time.Minute)) || s.Step("go").ApprovedSeq != 0 {
		t.Errorf("go by %q at %s, step %+v", s.GoBy, s.GoAt, s.Step("go"))
	}
}

func TestTheNewestApprovalCounts(t *testing.T) {
	s := story(
		at{0, Bot, asked("q1", AskApprove, "promote")}, at{1, "bob", given("q1", AskApprove, "promote", "approve")},
		at{2, Bot, started("promote", 1)}, at{3, Bot, ChangeIntended{Step: "promote", Attempt: 1}},
		at{4, Bot, asked("q5", AskApprove, "promote")}, at{5, "carol", given("q5", AskApprove, "promote", "approve")},
	)
	if st := s.Step("promote"); st.ApprovedSeq != 6 || st.IntendedSeq != 4 || st.ApprovedBy != "carol" || st.Approved != "q5" {
		t.Errorf("%+v", st)
	}
}

func TestChoosingHowAFailureGoesOnApprovesNothing(t *testing.T) {
	s := story(
		at{0, Bot, StepFailed{Step: "promote"}}, at{0, Bot, asked("q2", AskFailed, "promote")},
		at{1, "alice", given("q2", AskFailed, "promote", "retry")}, at{1, "alice", StepRetried{Step: "promote"}},
	)
	if st := s.Step("promote"); st.ApprovedSeq != 0 || st.Approved != "" || st.ApprovedBy != "" || s.GoBy != "" {
		t.Errorf("%+v, go by %q", st, s.GoBy)
	}
}

func TestExpiriesAreCountedForEachStepAndShownWhenAskedAgain(t *testing.T) {
	s := story(
		at{0, Bot, asked("q1", AskApprove, "promote")}, at{15, Bot, ApprovalExpired{Question: "q1", Step: "promote"}},
		at{15, Bot, asked("q3", AskApprove, "promote")}, at{30, Bot, ApprovalExpired{Question: "q3", Step: "promote"}},
		at{30, Bot, asked("q5", AskApprove, "promote")}, at{30, Bot, asked("q6", AskApprove, "cache")},
	)
	got := map[string]int{}
	for id, q := range s.Questions {
		got[id] = q.Expired
	}
	if want := map[string]int{"q1": 0, "q3": 1, "q5": 2, "q6": 0}; !maps.Equal(got, want) {
		t.Errorf("asked with %v expiries before, want %v", got, want)
	}
	if s.Expiries["promote"] != 2 || s.Expiries["cache"] != 0 || !slices.Equal(s.Open, []string{"q5", "q6"}) {
		t.Errorf("expiries %v, open %v", s.Expiries, s.Open)
	}
}

func TestOpenQuestionsStayInTheOrderAsked(t *testing.T) {
	s := story(
		at{0, Bot, asked("q1", AskFailed, "a")}, at{0, Bot, asked("q2", AskFailed, "b")}, at{0, Bot, asked("q3", AskFailed, "c")},
		at{1, "alice", given("q2", AskFailed, "b", "retry")},
	)
	if !slices.Equal(s.Open, []string{"q1", "q3"}) || s.OpenQuestion("b") != nil || s.OpenQuestion("c").Question != "q3" {
		t.Errorf("open %v", s.Open)
	}
}

func TestAnAnswerToAQuestionThatNobodyAskedOpensNothing(t *testing.T) {
	s := story(at{0, "bob", ApprovalWithdrawn{Question: "q9", Step: "promote"}}, at{0, "bob", ApprovalExpired{Question: "q8", Step: "promote"}})
	if len(s.Questions) != 0 || len(s.Open) != 0 {
		t.Errorf("%v, open %v", s.Questions, s.Open)
	}
}

func TestWhoAskedForAStepMayNotApproveIt(t *testing.T) {
	s := story(
		at{0, "alice", IncidentDeclared{Incident: "INC-2026-0001", Commander: "alice"}},
		at{1, Bot, asked("q2", AskGo, "go")}, at{2, "dan", given("q2", AskGo, "go", "go")},
		at{3, Bot, StepFailed{Step: "promote"}}, at{4, "erin", StepRetried{Step: "promote"}},
		at{5, Bot, StepFailed{Step: "promote"}}, at{6, "frank", StepRetried{Step: "promote"}},
	)
	for _, c := range []struct {
		who, step string
		want      bool
	}{
		{"alice", "promote", true}, {"alice", "nobody-began-it", true}, // declared
		{"dan", "promote", true}, {"dan", "cache", true}, // pressed Go
		{"erin", "promote", true}, {"frank", "promote", true}, // retried
		{"erin", "cache", false}, {"bob", "promote", false}, {Bot, "promote", false},
	} {
		if got := s.Requested(c.who, c.step); got != c.want {
			t.Errorf("%s asked for %s: %v, want %v", c.who, c.step, got, c.want)
		}
	}
}

func TestHowLongOnlyAPersonWasWaitedFor(t *testing.T) {
	ask, yes := asked("q1", AskGo, "go"), given("q1", AskGo, "go", "go")
	beside := StepStarted{Step: "page", Attempt: 1, NonBlocking: true}
	for _, c := range []struct {
		claim    string
		happened []at
		minutes  int
	}{
		{"an open question counts until it is answered", []at{{0, Bot, ask}, {4, "alice", yes}, {9, Bot, started("dns", 1)}}, 4},
		{"nothing open counts nothing", []at{{0, Bot, started("dns", 1)}, {9, Bot, StepFinished{Step: "dns"}}, {12, Bot, NoteAdded{}}}, 0},
		{"while a step runs the question costs nothing", []at{{0, Bot, started("dns", 1)}, {1, Bot, ask}, {9, Bot, NoteAdded{}}}, 0},
		{"from the step's end the question counts", []at{{0, Bot, started("dns", 1)}, {1, Bot, ask}, {6, Bot, StepFinished{Step: "dns"}}, {9, "alice", yes}}, 3},
		{
			"of two steps the last to end counts",
			[]at{
				{0, Bot, started("a", 1)},
				{0, Bot, started("b", 1)},
				{1, Bot, ask},
				{2, Bot, StepFinished{Step: "a"}},
				{5, Bot, StepFailed{Step: "b"}},
				{9, "alice", yes},
			},
			4,
		},
		{"a step that blocks nothing does not hide that a person is waited for", []at{{0, Bot, ask}, {0, Bot, beside}, {4, Bot, StepFinished{Step: "page"}}, {7, "alice", yes}}, 7},
		{"a step begun again that blocks nothing no longer hides it", []at{{0, Bot, started("page", 1)}, {1, Bot, ask}, {2, Bot, beside}, {7, "alice", yes}}, 5},
		{
			"a step asked about while it ran hides nothing",
			[]at{{0, Bot, started("promote", 1)}, {1, Bot, asked("q2", AskApprove, "promote")}, {7, "bob", given("q2", AskApprove, "promote", "approve")}},
			6,
		},
		{
			"two open questions count once",
			[]at{{0, Bot, ask}, {2, Bot, asked("q2", AskFailed, "a")}, {4, "alice", given("q2", AskFailed, "a", "retry")}, {5, "alice", yes}},
			5,
		},
		{"what happens meanwhile does not end it", []at{{0, Bot, ask}, {3, "bob", NoteAdded{}}, {5, "alice", yes}}, 5},
		{"an expired question counts, and so does the next", []at{{0, Bot, ask}, {5, Bot, ApprovalExpired{Question: "q1", Step: "go"}}, {5, Bot, asked("q3", AskGo, "go")}, {8, "alice", given("q3", AskGo, "go", "go")}}, 8},
		{"a pause counts", []at{{0, "alice", RunPaused{}}, {6, "alice", RunResumed{}}, {9, Bot, started("dns", 1)}}, 6},
		{"a pause counts from when the last step has ended", []at{{0, Bot, started("dns", 1)}, {1, "alice", RunPaused{}}, {4, Bot, StepFinished{Step: "dns"}}, {6, "alice", RunResumed{}}}, 2},
		{"after the mitigation nobody is waited for", []at{{0, "alice", RunPaused{}}, {2, Bot, IncidentMitigated{}}, {9, "alice", RunResumed{}}}, 2},
		{"after an abort nobody is waited for", []at{{0, Bot, ask}, {2, "alice", RunAborted{}}, {9, Bot, ApprovalWithdrawn{Question: "q1"}}}, 2},
		{"a clock that goes back takes nothing away", []at{{5, Bot, ask}, {3, "alice", yes}, {9, Bot, NoteAdded{}}}, 0},
	} {
		t.Run(c.claim, func(t *testing.T) {
			if got, want := story(c.happened...).Waited, time.Duration(c.minutes)*time.Minute; got != want {
				t.Errorf("waited %s, want %s", got, want)
			}
		})
	}
}

func TestWhatTheRunChanged(t *testing.T) {
	s := story(
		at{0, Bot, started("scale-b", 1)}, at{0, Bot, started("scale-a", 1)}, at{0, Bot, started("gate", 1)},
		at{1, Bot, ChangeIntended{Step: "scale-b"}}, at{1, Bot, ChangeIntended{Step: "scale-a"}},
		at{2, Bot, StepFinished{Step: "gate"}},
		at{3, Bot, StepFinished{Step: "scale-b", Changed: true}}, at{3, Bot, StepFinished{Step: "scale-a", Changed: true}},
		at{4, Bot, started("there-already", 1)}, at{4, Bot, StepFinished{Step: "there-already", Already: true}},
		at{5, Bot, started("throttled", 1)}, at{5, Bot, ChangeIntended{Step: "throttled"}}, at{5, Bot, StepFailed{Step: "throttled"}},
		at{6, Bot, started("lost", 1)}, at{6, Bot, ChangeIntended{Step: "lost"}}, at{7, Bot, StepFailed{Step: "lost", MayHaveHappened: true}},
		at{8, Bot, started("cache", 1)}, at{8, Bot, ChangeIntended{Step: "cache"}},
	)
	var got []string
	for _, st := range s.Changed() {
		got = append(got, st.ID)
	}
	// Surely not changed: what was only looked at, was there, or was refused.
	if want := []string{"scale-a", "scale-b", "lost", "cache"}; !slices.Equal(got, want) {
		t.Errorf("changed %v, want %v", got, want)
	}
}

func TestThePhaseIsOneWord(t *testing.T) {
	ask, yes := at{1, Bot, asked("q1", AskGo, "go")}, at{2, "alice", given("q1", AskGo, "go", "go")}
	pause, resume := at{3, "alice", RunPaused{Reason: "wait"}}, at{4, "alice", RunResumed{}}
	abort, mitigated, resolved := at{5, "alice", RunAborted{Reason: "no"}}, at{6, Bot, IncidentMitigated{}}, at{7, "alice", IncidentResolved{}}
	for _, c := range []struct {
		happened []at
		want     string
		over     bool
	}{
		{nil, "readiness", false},
		{[]at{ask}, "readiness", false},
		{[]at{ask, yes}, "running", false},
		{[]at{ask, pause}, "paused", false},
		{[]at{ask, yes, pause}, "paused", false},
		{[]at{ask, yes, pause, resume}, "running", false},
		{[]at{ask, yes, mitigated}, "mitigated", false},
		{[]at{ask, yes, pause, mitigated}, "mitigated", false},
		{[]at{ask, yes, pause, abort}, "aborted", true},
		{[]at{ask, abort}, "aborted", true},
		{[]at{ask, yes, mitigated, resolved}, "resolved", true},
		{[]at{ask, yes, abort, resolved}, "resolved", true},
	} {
		s := story(c.happened...)
		if s.Phase() != c.want || s.Over() != c.over {
			t.Errorf("after %v it is %s, over %v; want %s, %v", c.happened, s.Phase(), s.Over(), c.want, c.over)
		}
	}
	if s := story(ask, yes, pause); s.PausedBy != "alice" || s.PauseReason != "wait" {
		t.Errorf("paused by %q: %q", s.PausedBy, s.PauseReason)
	}
	if s := story(ask, yes, pause, resume); s.PausedBy != "" || s.PauseReason != "" {
		t.Errorf("a pause that is over is still by %q: %q", s.PausedBy, s.PauseReason)
	}
	if s := story(abort, resolved); s.AbortedBy != "alice" || s.Aborted.Reason != "no" || s.ResolvedBy != "alice" || s.AbortedAt.Equal(s.ResolvedAt) {
		t.Errorf("%+v", s)
	}
}

func TestUsersAreServedSinceTheNameWasSeenToPointThere(t *testing.T) {
	finished := func(minute, attempt int) []at {
		return []at{
			{minute, Bot, StepStarted{Step: "traffic", Action: "probe.region", Attempt: attempt}},
			{minute, Bot, StepFinished{Step: "traffic", Action: "probe.region", Attempt: attempt}},
		}
	}
	failed := func(step string, advice bool) at {
		return at{4, Bot, StepFailed{Step: step, Action: "t.look", Advice: advice, Error: "8 of 10 came from us-east-1"}}
	}
	mitigated := at{9, Bot, IncidentMitigated{}}
	begun := at{0, "alice", RunBegun{Kind: Failover, Plan: json.RawMessage(`{"steps":[
		{"id":"traffic","proves":["users-served","as-users"]},{"id":"watch","proves":["as-users"]},{"id":"restart"}]}`)}}
	story := func(happened ...at) *State { return story(append([]at{begun}, happened...)...) }
	for name, c := range map[string]struct {
		what at
		want int
	}{
		"users were without it after that": {failed("watch", false), 9},
		"advice":                           {failed("watch", true), 3},
		"something else failed":            {failed("restart", false), 3},
	} {
		got := story(append(finished(3, 1), c.what, mitigated)...).ServedAt()
		if want := noon.Add(time.Duration(c.want) * time.Minute); !got.Equal(want) {
			t.Errorf("%s: served since %s, want %s", name, got, want)
		}
	}
	for minute, happened := range map[int][]at{
		-1: finished(3, 1),
		9:  {mitigated}, // a run that does not look
		3:  append(finished(3, 1), mitigated),
		5:  append(append(finished(3, 1), finished(5, 2)...), mitigated),
	} {
		want := noon.Add(time.Duration(minute) * time.Minute)
		if minute < 0 {
			want = time.Time{}
		}
		if got := story(happened...).ServedAt(); !got.Equal(want) {
			t.Errorf("after %v served since %s, want %s", happened, got, want)
		}
	}
}

func TestAnUnknownEventMovesNothingButSeqAndLast(t *testing.T) {
	unknown := Unknown{Name: "OrbitChanged", Raw: json.RawMessage(`{"step":"promote","question":"q3"}`)}
	want, with := NewState(), NewState()
	for _, e := range anything(rand.New(rand.NewPCG(7, 7)), 160) {
		want.Apply(e)
		with.Apply(e)
		later := Event{Seq: e.Seq + 1000, Time: with.Last.Add(time.Nanosecond), Actor: "mallory", Body: unknown}
		with.Apply(later)
		if with.Seq != later.Seq || !with.Last.Equal(later.Time) {
			t.Fatalf("after event %d: seq %d, last %s", e.Seq, with.Seq, with.Last)
		}
		with.Seq, with.Last = e.Seq, want.Last
		// The time until then is counted as it would be by any other event.
		if with.Waited > want.Waited {
			with.Waited -= time.Nanosecond
		}
		with.last = want.last
		if !reflect.DeepEqual(with, want) {
			t.Fatalf("after event %d an unknown event changed more: %+v, want %+v", e.Seq, with, want)
		}
	}
}

// anything is a timeline of events in any order at all, sensible or not.
func anything(r *rand.Rand, n int) []Event {
	steps, people := []string{"gate", "promote", "dns", "page"}, []string{Bot, "alice", "bob"}
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	kinds := []QuestionKind{AskGo, AskApprove, AskFailed}
	var out []Event
	now := noon
	for seq := 1; seq <= n; seq++ {
		now = now.Add(time.Duration(r.IntN(90)) * time.Second)
		step, question := pick(steps), fmt.Sprintf("q%d", 1+r.IntN(seq))
		all := []Body{
			StepStarted{Step: step, Action: "t.change", Attempt: 1 + r.IntN(3), NonBlocking: r.IntN(3) == 0},
			StepStarted{Step: step, Action: "t.change", Attempt: 1},
			ChangeIntended{Step: step, Action: "t.change", Attempt: 1, Until: now},
			StepFinished{Step: step, Changed: r.IntN(2) == 0, Evidence: map[string]string{"lag": "0.4 s"}},
			StepFailed{Step: step, Error: "no", MayHaveHappened: r.IntN(2) == 0, Advice: r.IntN(2) == 0},
			StepSkipped{Step: step, Reason: "by hand"},
			StepRetried{Step: step},
			ApprovalAsked{Question: fmt.Sprintf("q%d", seq), Kind: kinds[r.IntN(3)], Step: step, Failed: []string{step}},
			ApprovalAsked{Question: fmt.Sprintf("q%d", seq), Kind: AskApprove, Step: step},
			ApprovalGiven{Question: question, Kind: kinds[r.IntN(3)], Step: step, Choice: "approve"},
			ApprovalDeclined{Question: question, Step: step, Reason: "no"},
			ApprovalExpired{Question: question, Step: step},
			ApprovalWithdrawn{Question: question, Step: step, Why: "stale"},
			RunPaused{Reason: "wait"},
			RunResumed{},
			NoteAdded{Text: "hm"},
			JobProgressed{Step: step, Share: r.Float64()},
			TaskOpened{Task: step, Owner: "alice", Due: now.Add(time.Hour)},
			TaskClosed{Task: step, How: "done"},
			RunTaken{Holder: "one", Token: uint64(seq), Looking: []string{step}},
		}
		if seq > n-3 { // whatever follows is no longer waited for
			all = append(all, IncidentMitigated{Summary: "served"}, RunAborted{Reason: "no"}, IncidentResolved{})
		}
		out = append(out, Event{Seq: uint64(seq), Time: now, Actor: pick(people), Body: all[r.IntN(len(all))]})
	}
	return out
}

// again is the timeline as it comes out of a Log.
func again(t *testing.T, events []Event) []Event {
	t.Helper()
	data, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// look asks a State everything that can be asked.
func look(s *State) {
	for _, id := range []string{"gate", "promote", "dns", "page", "unheard-of"} {
		_, _, _ = s.Step(id), s.OpenQuestion(id), s.Requested("alice", id)
	}
	_, _, _ = s.Changed(), s.Phase(), s.Over()
}

func TestFoldingEventByEventIsFoldingAtOnce(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		events := anything(r, 1+r.IntN(120))
		whole := Fold(events)

		bit := NewState()
		for _, e := range again(t, events) {
			bit.Apply(e)
			look(bit)
		}
		if !reflect.DeepEqual(bit, whole) {
			t.Fatalf("seed %d: event by event it is\n%+v\nat once\n%+v", seed, bit, whole)
		}

		// A replica that came late folds the first part at once and the rest as it comes.
		part := r.IntN(len(events) + 1)
		late := Fold(again(t, events[:part]))
		look(late)
		for _, e := range events[part:] {
			late.Apply(e)
		}
		if !reflect.DeepEqual(late, whole) {
			t.Fatalf("seed %d: from event %d on it is\n%+v\nat once\n%+v", seed, part, late, whole)
		}
	}
}

func TestFoldingLeavesTheEventsAsTheyAre(t *testing.T) {
	for seed := range uint64(50) {
		events := again(t, anything(rand.New(rand.NewPCG(seed, 2)), 80))
		before := again(t, events)
		first, second := Fold(events), Fold(events)
		if !reflect.DeepEqual(events, again(t, before)) {
			t.Fatalf("seed %d: folding changed the events", seed)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("seed %d: the same events are two different incidents", seed)
		}
	}
}

func TestWhatHoldsAfterEveryEvent(t *testing.T) {
	for seed := range uint64(200) {
		s := NewState()
		for _, e := range anything(rand.New(rand.NewPCG(seed, 3)), 100) {
			s.Apply(e)
			running := 0
			for _, st := range s.Steps {
				if st.Status == Running && !st.nonBlocking {
					running++
				}
			}
			if s.running != running {
				t.Fatalf("seed %d, event %d (%s): %d steps are counted as running, %d run", seed, e.Seq, e.Body.Type(), s.running, running)
			}
			var open []string
			for id, q := range s.Questions {
				if q.Open {
					open = append(open, id)
				}
				if q.Open != (q.Answer == "") {
					t.Fatalf("seed %d, event %d: %s is open: %v, answered %q", seed, e.Seq, id, q.Open, q.Answer)
				}
			}
			slices.Sort(open)
			if listed := slices.Sorted(slices.Values(s.Open)); !slices.Equal(listed, open) {
				t.Fatalf("seed %d, event %d (%s): listed as open %v, open are %v", seed, e.Seq, e.Body.Type(), listed, open)
			}
			if s.Waited < 0 || s.Waited > s.Last.Sub(noon) {
				t.Fatalf("seed %d, event %d: waited %s of %s", seed, e.Seq, s.Waited, s.Last.Sub(noon))
			}
		}
	}
}
