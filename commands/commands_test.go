package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// stoppedClock is a clock that a test turns by hand.
type stoppedClock struct {
	incident.RealClock
	mu  sync.Mutex
	now time.Time
}

func (c *stoppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stoppedClock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fakeEngine answers what the test sets.
type fakeEngine struct {
	mu          sync.Mutex
	adopted     []incident.ID
	effects     []incident.Effect
	fingerprint string
	err         error
	during      func() // runs while the effects are read
	reads       int
	findings    []incident.Finding
	other       engine.Takeover
	plan        *runbook.Plan
	foreseen    incident.Foreseen
}

func (e *fakeEngine) Adopt(id incident.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.adopted = append(e.adopted, id)
}

func (e *fakeEngine) Awaits(incident.ID) (engine.Takeover, bool) {
	return e.other, !e.other.At.IsZero()
}

func (e *fakeEngine) Effects(context.Context, incident.ID, string) ([]incident.Effect, string, error) {
	e.mu.Lock()
	e.reads++
	during := e.during
	effects, fingerprint, err := e.effects, e.fingerprint, e.err
	e.mu.Unlock()
	if during != nil {
		during()
	}
	return effects, fingerprint, err
}

func (e *fakeEngine) Readiness(_ context.Context, p *runbook.Plan, why string) incident.AssessmentMade {
	e.plan = p
	return incident.AssessmentMade{Why: why, Source: p.Source.Name, Target: p.Target.Name, Mode: p.Mode, Digest: p.Digest, Findings: e.findings}
}

// Foresee foresees what the test sets, with the facts of the plan.
func (e *fakeEngine) Foresee(_ context.Context, p *runbook.Plan) *incident.Foreseen {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plan = p
	f := e.foreseen
	f.Kind, f.Source, f.Target, f.Mode, f.Digest = p.Kind, p.Source.Name, p.Target.Name, p.Mode, p.Digest
	return &f
}

// brokenLog fails the calls that a test names.
type brokenLog struct {
	incident.Log
	fail   map[string]bool
	why    error  // errDown if nil
	sooner func() // somebody else is quicker than the next Append
}

var errDown = errors.New("dial tcp 127.0.0.1:6379: connection refused")

func (l *brokenLog) Open(ctx context.Context) ([]incident.ID, error) {
	if l.fail["Open"] {
		return nil, errDown
	}
	return l.Log.Open(ctx)
}

func (l *brokenLog) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if l.fail["Read"] {
		return nil, errDown
	}
	return l.Log.Read(ctx, id, after, limit)
}

func (l *brokenLog) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	if l.fail["Append"] {
		return incident.Written{}, cmp.Or(l.why, errDown)
	}
	if sooner := l.sooner; sooner != nil {
		l.sooner = nil
		sooner()
	}
	return l.Log.Append(ctx, w)
}

func (l *brokenLog) Reserve(ctx context.Context, now time.Time, request string) (incident.ID, error) {
	if l.fail["Reserve"] {
		return "", errDown
	}
	return l.Log.Reserve(ctx, now, request)
}

// The people of the tests.
const (
	alice   = "alice"          // commander
	bob     = "bob"            // approver
	carol   = "carol"          // approver, on the break-glass list
	dave    = "dave"           // responder
	mallory = "slack:UMALLORY" // not on the roster
	erin    = "erin"           // commander and approver, on the break-glass list
)

// by is how that person comes from Slack.
func by(id string) incident.Via {
	if id == mallory {
		return incident.Via{Face: incident.FaceSlack, ID: "UMALLORY"}
	}
	return incident.Via{Face: incident.FaceSlack, ID: "U" + strings.ToUpper(id)}
}

func person(id, name string, glass bool, roles ...string) Person {
	return Person{ID: id, Name: name, Roles: roles, BreakGlass: glass, Faces: map[string]string{incident.FaceSlack: by(id).ID}}
}

// room is everything that a test of commands needs.
type room struct {
	*Commands
	t      *testing.T
	clock  *stoppedClock
	engine *fakeEngine
	log    *brokenLog
	active string
	down   error // why Active fails
	faults error // why Compile fails
	n      int
}

func newRoom(t *testing.T) *room {
	t.Helper()
	memory := enginetest.NewMemory()
	memory.Ending = func() string { return "" } // so that ids can be written down here
	r := &room{
		t:      t,
		clock:  &stoppedClock{now: time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC)},
		engine: &fakeEngine{},
		log:    &brokenLog{Log: memory, fail: map[string]bool{}},
		active: "us-east-1",
	}
	r.Commands = New(Options{
		Book: incident.NewBook(r.log), Engine: r.engine, Clock: r.clock,
		Roster: incident.Roster{
			person(alice, "Alice", false, Commander), person(bob, "Bob", false, Approver), person(carol, "Carol", true, Approver),
			person(dave, "Dave", false, Responder), person(erin, "Erin", true, Commander, Approver),
		},
		Topology: runbook.RepresentativeFacts(unplanned).Topology,
		Compile: func(f runbook.Facts) (*runbook.Plan, error) {
			if r.faults != nil {
				return nil, r.faults
			}
			return testPlan(f)
		},
		Active: func(context.Context) (string, string, error) { return r.active, "asked the public address", r.down },
	}, zerolog.Nop())
	return r
}

// testPlan is a small failover: two checks, Go, and the changes in the order
// that matters.
func testPlan(f runbook.Facts) (*runbook.Plan, error) {
	p := &runbook.Plan{
		Runbook: "failover", Mode: f.Mode, Topology: f.Topology, Source: f.Source, Target: f.Target,
		Sections: []runbook.Section{{ID: "ready", Title: "Readiness"}, {ID: "move", Title: "Move"}},
		Steps: []runbook.Step{
			{ID: "outage-seen", Section: "ready", Title: "See the outage from two views", Kind: runbook.Check, Gate: runbook.Required, Locked: true},
			{ID: "lag-low", Section: "ready", Title: "Lag is low", Kind: runbook.Check, Gate: runbook.Required, Without: "Writes may be lost."},
			{ID: "backup-fresh", Section: "ready", Title: "Backup is fresh", Kind: runbook.Check, Gate: runbook.Required},
			{ID: "begin", Section: "ready", Title: "Begin", Kind: runbook.Go, Needs: []string{"outage-seen", "lag-low", "backup-fresh"}},
			{ID: "scale-up", Section: "move", Title: "Scale up", Kind: runbook.Change, Needs: []string{"begin"}, Undo: "scale down again"},
			{
				ID: "promote-database", Section: "move", Title: "Promote the database", Kind: runbook.Change, Needs: []string{"scale-up"}, NoReturn: true, Undo: "fail back once the other Region stands",
				Approval: &runbook.Approval{By: Approver, Confirm: "region", Expires: 15 * time.Minute},
			},
			{ID: "targets-healthy", Section: "move", Title: "Target groups are healthy", Kind: runbook.Wait, Needs: []string{"scale-up"}, Locked: true},
			{ID: "warm-cache", Section: "move", Title: "Warm the cache", Kind: runbook.Change, Needs: []string{"begin"}, Undo: "nothing to undo"},
			{ID: "move-dns", Section: "move", Title: "Move DNS", Kind: runbook.Change, Needs: []string{"promote-database", "targets-healthy", "warm-cache"}, Undo: "move it back"},
		},
	}
	if f.Mode == planned {
		p.Steps = append(p.Steps, runbook.Step{ID: "source-answers", Section: "ready", Title: "It answers", Kind: runbook.Watch, Proves: []incident.Trait{incident.SourceAnswers}})
	}
	var err error
	p.Digest, err = p.Sum()
	return p, err
}

// ask puts one thing to the commands, as a new click unless Request is set.
func (r *room) ask(ask Ask) Answer {
	r.t.Helper()
	if ask.Request == "" {
		r.n++
		ask.Request = fmt.Sprintf("click-%d", r.n)
	}
	return r.Do(r.t.Context(), ask)
}

// say is what that person types.
func (r *room) say(person, text string) Answer {
	r.t.Helper()
	verb, rest := Parse(text)
	return r.ask(Ask{Via: by(person), Verb: verb, Text: rest})
}

func (r *room) current() incident.ID {
	r.t.Helper()
	open, err := r.log.Log.Open(r.t.Context())
	if err != nil || len(open) != 1 {
		r.t.Fatalf("open incidents: %q, %v", open, err)
	}
	return open[0]
}

// bot appends what the engine would.
func (r *room) bot(bodies ...incident.Body) {
	r.t.Helper()
	_, err := r.Book.Decide(r.t.Context(), r.current(), func(*incident.State) (incident.Write, error) {
		w := incident.Write{}
		for _, b := range bodies {
			w.Events = append(w.Events, incident.Event{Time: r.clock.Now(), Actor: incident.Bot, Body: b})
		}
		return w, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// events of the newest incident.
func (r *room) events() []incident.Event {
	r.t.Helper()
	ids, err := r.log.Log.Incidents(r.t.Context(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(ids) == 0 {
		return nil
	}
	events, err := r.log.Log.Read(r.t.Context(), ids[len(ids)-1], 0, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return events
}

func (r *room) state() *incident.State { return incident.Fold(r.events()) }

// added are the types of the events that do adds.
func (r *room) added(do func()) string {
	r.t.Helper()
	before := len(r.events())
	do()
	var names []string
	for _, e := range r.events()[before:] {
		names = append(names, e.Body.Type())
	}
	return strings.Join(names, " ")
}

// refusedWith asserts a refusal that appends nothing and says all of that.
func (r *room) refusedWith(do func() Answer, says ...string) Answer {
	r.t.Helper()
	var a Answer
	if added := r.added(func() { a = do() }); added != "" {
		r.t.Errorf("a refusal appended %s", added)
	}
	if !a.Refused || a.Public {
		r.t.Errorf("not refused privately: %+v", a)
	}
	contains(r.t, a.Text, says...)
	return a
}

// contains asserts what a text says, or a Text as it is shown.
func contains(t *testing.T, said any, says ...string) {
	t.Helper()
	all, ok := said.(string)
	if !ok {
		all = shown(said.(text.Text))
	}
	for _, s := range says {
		if !strings.Contains(all, s) {
			t.Errorf("%q is not in:\n%s", s, all)
		}
	}
}

// started is a room in which Alice has started an unplanned failover.
func started(t *testing.T) *room {
	t.Helper()
	r := newRoom(t)
	if a := r.say(alice, "start us-west-2 unplanned elevated 5xx"); a.Refused {
		t.Fatal(a.Text)
	}
	return r
}

func finished(steps ...string) []incident.Body {
	var out []incident.Body
	for _, s := range steps {
		out = append(out, incident.StepStarted{Step: s, Attempt: 1}, incident.StepFinished{Step: s, Attempt: 1, Summary: "it is so"})
	}
	return out
}

func failed(step string) []incident.Body {
	return []incident.Body{
		incident.StepStarted{Step: step, Attempt: 1},
		incident.StepFailed{Step: step, Attempt: 1, Error: step + " is not so", Hint: "look at it"},
	}
}

func (r *room) askGo() {
	r.t.Helper()
	r.bot(incident.ApprovalAsked{Question: "qgo", Kind: incident.AskGo, Step: "begin", Title: "Begin", Role: Commander, Digest: r.state().Plan.Digest})
}

// gone is a room in which Alice has pressed Go and the checks were well.
func gone(t *testing.T) *room {
	t.Helper()
	r := started(t)
	r.bot(finished("outage-seen", "lag-low", "backup-fresh")...)
	r.askGo()
	if a := r.say(alice, "go"); a.Refused {
		t.Fatal(a.Text)
	}
	r.bot(finished("begin")...)
	return r
}

var lowLag = []incident.Effect{{
	Step: "promote-database", What: "FailoverGlobalCluster to ecommerce-secondary", Lost: "about 1.8 s of writes",
	Undo: "not at once", Bound: "ecommerce-secondary, lag 1 s to 5 s",
}}

// promoting is gone, with the approval of the promotion asked for.
func promoting(t *testing.T) *room {
	t.Helper()
	r := gone(t)
	r.bot(incident.StepStarted{Step: "scale-up", Attempt: 1}, incident.StepFinished{Step: "scale-up", Attempt: 1, Changed: true})
	r.askPromotion("q1")
	r.engine.effects, r.engine.fingerprint = lowLag, "low"
	return r
}

func (r *room) askPromotion(id string) {
	r.t.Helper()
	r.bot(incident.ApprovalAsked{
		Question: id, Kind: incident.AskApprove, Step: "promote-database", Title: "Promote the database",
		Role: Approver, Confirm: "us-west-2", Expires: r.clock.Now().Add(15 * time.Minute),
		Effects: lowLag, Fingerprint: "low", Digest: r.state().Plan.Digest,
	})
}

func (r *room) expire(id string) {
	r.t.Helper()
	r.clock.turn(15 * time.Minute)
	r.bot(incident.ApprovalExpired{Question: id, Step: "promote-database"})
}

func TestEachRoleMayAskWhatItShould(t *testing.T) {
	may := map[string]map[string]bool{}
	allow := func(role string, names ...string) {
		may[role] = map[string]bool{}
		for _, n := range names {
			may[role][n] = true
		}
	}
	allow(mallory, "status", "help", "here")
	allow(dave, "confirm", "deny", "here", "answer", "status", "help", "check", "readiness", "details", "timeline", "review", "evidence", "drill", "note", "pause", "remind", "impact")
	leading := []string{"confirm", "deny", "here", "answer", "status", "help", "check", "readiness", "details", "timeline", "review", "evidence", "drill", "note", "pause", "failback", "restore", "servers", "rebuild", "remind", "start", "go", "go_override", "retry", "skip", "go_on", "resume", "abort", "abort_back", "abort_leave", "take_back", "overwrite", "switch", "repair", "impact", "close_point", "start_proposed", "not_now"}
	allow(alice, append(leading, "resolve")...)
	allow(bob, leading...)
	for _, person := range []string{mallory, dave, alice, bob} {
		for _, v := range verbs() {
			switch v.name {
			case "approve", "decline", "break_glass":
				continue // by the question's role: tested with questions
			case "resolve":
				if person == bob {
					continue // by the incident's commander: tested there
				}
			}
			t.Run(person+"/"+v.name, func(t *testing.T) {
				r := started(t)
				a := r.ask(Ask{Via: by(person), Verb: v.name})
				denied := strings.Contains(shown(a.Text), "not on the roster of this bot") || strings.Contains(shown(a.Text), "To '"+spoken(v.name)+"' takes")
				if denied == may[person][v.name] {
					t.Errorf("may = %v, but the answer is %q", may[person][v.name], a.Text)
				}
				if denied && !strings.Contains(shown(a.Text), "Alice (commander)") {
					t.Errorf("it is not said who can: %q", a.Text)
				}
				if denied && len(r.events()) != 2 {
					t.Errorf("something was appended")
				}
			})
		}
	}
}

func TestTwoEntriesOfOnePersonMeanNo(t *testing.T) {
	r := newRoom(t)
	r.Roster = append(r.Roster, person(alice, "Alice", false, Commander))
	r.refusedWith(func() Answer { return r.say(alice, "start us-west-2 unplanned x") }, "on the roster 2 times", "Erin")
}

func TestAnUnknownVerbIsAnsweredWithWhatWasMeant(t *testing.T) {
	for typed, want := range map[string]string{
		"strat":                      "'/failover strat' is not a command. Did you mean '/failover start us-west-2'?",
		"strat us-wst-2 unplanned x": "Did you mean '/failover start us-west-2 unplanned x'?",
		"satus":                      "Did you mean '/failover status'?",
		"aprove us-west-2":           "Did you mean '/failover approve us-west-2'?",
		"us-west-2":                  "Did you mean '/failover start us-west-2'?",
		"break-glas us-west-2 x":     "'/failover break-glas' is not a command. Did you mean '/failover break-glass us-west-2 x'?",
		"go_overide it burns":        "'/failover go-overide' is not a command. Did you mean '/failover go-override it burns'?",
		"xylophone":                  "These are: start, check, status",
		"<!channel>":                 "'/failover <!channel>' is not a command",
	} {
		r := newRoom(t)
		r.refusedWith(func() Answer { return r.say(alice, typed) }, want)
	}
}

func TestParse(t *testing.T) {
	for typed, want := range map[string][2]string{
		"":                        {"help", ""},
		"  START  us-west-2  x y": {"start", "us-west-2  x y"},
		"/failover status":        {"status", ""},
		"go":                      {"go", ""},
		"go override it burns":    {"go_override", "it burns"},
		"go-override it burns":    {"go_override", "it burns"},
		"break-glass us-west-2 x": {"break_glass", "us-west-2 x"},
		"Break_Glass us-west-2 x": {"break_glass", "us-west-2 x"},
		"go_override it burns":    {"go_override", "it burns"},
		"note\tline one\nline":    {"note", "line one\nline"},
	} {
		if name, rest := Parse(typed); name != want[0] || rest != want[1] {
			t.Errorf("Parse(%q) = %q, %q; want %q", typed, name, rest, want)
		}
	}
}

func TestAnUnreachableRecordIsSaidAndNothingDone(t *testing.T) {
	for _, call := range []string{"Open", "Read"} {
		for _, text := range []string{"pause", "go", "approve us-west-2", "abort leave it is over", "note x", "status", "timeline", "resolve"} {
			t.Run(call+"/"+text, func(t *testing.T) {
				r := promoting(t)
				who := alice
				if strings.HasPrefix(text, "approve") {
					who = bob
				}
				r.refusedWith(func() Answer {
					r.log.fail[call] = true
					defer delete(r.log.fail, call)
					return r.say(who, text)
				}, "The record (Redis) cannot be reached, so nothing was done", "the connection was refused")
			})
		}
	}
	r := promoting(t)
	r.refusedWith(func() Answer {
		r.log.fail["Append"] = true
		defer delete(r.log.fail, "Append")
		return r.say(alice, "pause")
	}, "it is not certain that this was written down")
	if a := r.say(alice, "pause"); a.Refused {
		t.Errorf("once the record is back: %q", a.Text)
	}
}

func TestTheSameClickGetsTheSameAnswer(t *testing.T) {
	r := promoting(t)
	for _, ask := range []Ask{
		{Via: by(bob), Verb: "approve", On: "q1", Values: map[string]string{"confirm": "us-west-2"}, Request: "r1"},
		{Via: by(dave), Verb: "note", Text: "support case opened", Request: "r2"},
		{Via: by(dave), Verb: "pause", Request: "r3"},
	} {
		first := r.ask(ask)
		if first.Refused {
			t.Fatal(first.Text)
		}
		if added := r.added(func() {
			if again := r.ask(ask); shown(again.Text) != shown(first.Text) || again.Refused {
				t.Errorf("first %q, then %q", first.Text, again.Text)
			}
		}); added != "" {
			t.Errorf("the second click appended %s", added)
		}
		// Another replica has not seen the first one.
		other := New(r.Options, zerolog.Nop())
		if added := r.added(func() {
			if a := other.Do(t.Context(), ask); a.Text.Empty() {
				t.Error("no answer from the other replica")
			}
		}); added != "" {
			t.Errorf("another replica appended %s", added)
		}
	}
}

func TestHelpNamesWhatWorksNowFirst(t *testing.T) {
	r := newRoom(t)
	first := func(a Answer) string { now, _, _ := strings.Cut(shown(a.Text), "\nAlso\n"); return now }
	contains(t, first(r.say(mallory, "help")), "no incident open", "/failover start REGION")
	r = promoting(t)
	now := first(r.say(bob, ""))
	contains(t, now, "INC-2026-0001 running", "/failover approve REGION", "/failover abort [take-back|leave] REASON")
	if strings.Contains(now, "/failover start") || strings.Contains(now, "/failover break-glass") {
		t.Errorf("this does not work now:\n%s", now)
	}
}

// What a person reads can be typed as it stands, and has one spelling.
func TestVerbsAreReadWithHyphens(t *testing.T) {
	r := promoting(t)
	r.expire("q1")
	r.askPromotion("q2")
	for name, a := range map[string]Answer{
		"help":             r.say(erin, "help"),
		"unknown":          r.say(erin, "xylophone"),
		"not on it":        r.say(mallory, "break_glass us-west-2 x"),
		"no role":          r.say(dave, "go_override x"),
		"no Region":        r.say(erin, "break_glass"),
		"no reason":        r.say(erin, "break_glass us-west-2"),
		"not on the list":  r.say(bob, "break-glass us-west-2 x"),
		"as a button's":    r.ask(Ask{Via: by(erin), Verb: "break-glass", Text: "us-east-1 x"}),
		"no reason for Go": started(t).say(alice, "go-override"),
	} {
		if strings.Contains(shown(a.Text), "break_glass") || strings.Contains(shown(a.Text), "go_override") || a.Text.Empty() {
			t.Errorf("%s: %q", name, a.Text)
		}
	}
	contains(t, r.say(erin, "break_glass us-west-2").Text, "'/failover break-glass us-west-2 REASON'")
	contains(t, r.say(mallory, "go_override x").Text, "so you cannot 'go-override'")
}

// A record that lost what it had acknowledged is no record to try again on.
func TestALostRecordIsSaidInItsOwnWords(t *testing.T) {
	r := promoting(t)
	r.log.why = incident.ErrMoved // though nothing came: the events before are gone
	a := r.refusedWith(func() Answer {
		r.log.fail["Append"] = true
		defer delete(r.log.fail, "Append")
		return r.say(alice, "pause")
	}, "has lost events that it had acknowledged, so nothing was done", "Whoever keeps Redis has to look", "Whoever commands has to compare")
	if strings.Contains(shown(a.Text), "safe") || strings.Contains(shown(a.Text), "Try again") {
		t.Errorf("it is told to try again: %s", a.Text)
	}
}
