package bot

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// watchers are replicas that make assessments on one record.
type watchers struct {
	t   *testing.T
	log *cut
	all sync.WaitGroup

	mu    sync.Mutex
	made  []string // by whom
	told  int
	fails map[string]error // of what: assess, tell
	takes time.Duration
	lacks *incident.Wanted // whose word every assessment lacks
}

func (w *watchers) findings() []incident.Finding {
	out := []incident.Finding{{Step: "nodes", Measured: incident.Measured{Verdict: incident.Pass}, Evidence: map[string]string{"arn": "a"}}}
	if w.lacks != nil {
		out = append(out, incident.Finding{Step: "on-call", Measured: incident.Measured{Verdict: incident.Fail}, Asks: w.lacks})
	}
	return out
}

// cut is a Log that cannot be reached while it is away.
type cut struct {
	incident.Log
	mu   sync.Mutex
	away bool
}

var errAway = errors.New("connection refused")

func (c *cut) set(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
}

func (c *cut) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return errAway
	}
	return nil
}

// Read is that of the Log, if it is there.
func (c *cut) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.Log.Read(ctx, id, after, limit)
}

func newWatchers(t *testing.T) *watchers {
	return &watchers{t: t, log: &cut{Log: enginetest.NewMemory()}, fails: map[string]error{}, takes: 5 * time.Second}
}

// start begins a replica; stop ends it, as a process ends that gives nothing back, where
// it is in the middle of an assessment.
func (w *watchers) start(name string) (stop func()) {
	book := incident.NewBook(w.log)
	ctx, cancel := context.WithCancel(w.t.Context())
	s := schedule{
		every: 30 * time.Minute, book: book, clock: incident.RealClock{}, holder: name, gone: func(string) bool { return false },
		assess: func(ctx context.Context) (incident.Assessment, error) {
			if err := (incident.RealClock{}).Sleep(ctx, w.takes); err != nil {
				return incident.Assessment{}, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if err := w.fails["assess"]; err != nil {
				return incident.Assessment{}, err
			}
			w.made = append(w.made, name)
			return incident.Assessment{At: time.Now(), By: incident.Bot, AssessmentMade: incident.AssessmentMade{
				Why: incident.WhySchedule, Target: "us-west-2", Mode: "planned",
				Findings: w.findings(),
			}}, nil
		},
		tell: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told++
			return w.fails["tell"]
		},
		failed: func(error, string) {},
	}
	w.all.Go(func() { _ = s.run(ctx) })
	return func() { cancel(); synctest.Wait() }
}

// after lets time pass and says how many assessments are on the record then.
func (w *watchers) after(d time.Duration) (kept int) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.log.set(false)
	events, err := w.log.Log.Read(w.t.Context(), incident.PlatformLog, 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(events)
}

func (w *watchers) fail(what string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[what] = err
}

func watched(t *testing.T, f func(t *testing.T, w *watchers)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatchers(t)
		defer w.all.Wait()
		f(t, w)
	})
}

// However many replicas there are, one assessment is made in each span, the first one soon
// after the start. A replica that begins later makes one, too, unless the newest is fresh.
func TestOneReplicaAssessesTheReadinessWhenItIsDue(t *testing.T) {
	watched(t, func(t *testing.T, w *watchers) {
		stopA, stopB := w.start("a"), w.start("b")
		if n := w.after(time.Minute); n != 1 {
			t.Errorf("%d assessments in the first minute", n)
		}
		time.Sleep(2 * time.Minute)
		stopC := w.start("c")
		if n := w.after(8 * time.Minute); n != 1 {
			t.Errorf("%d assessments although the newest was fresh", n)
		}
		stopC()
		stopC = w.start("c")
		if n := w.after(18 * time.Minute); n != 2 {
			t.Errorf("%d assessments within 29 minutes, one of them by whoever began anew", n)
		}
		if n := w.after(3 * time.Hour); n != 8 {
			t.Errorf("%d assessments in three hours and 29 minutes", n)
		}
		if w.told < 8 || w.told > 8+4 { // each, and what an earlier process may have left
			t.Errorf("told %d times", w.told)
		}
		events, _ := w.log.Read(t.Context(), incident.PlatformLog, 0, 1)
		if f := events[0].Body.(incident.AssessmentMade).Findings[0]; f.Evidence != nil {
			t.Errorf("the evidence of what is well is kept for ever: %v", f.Evidence)
		}
		for _, stop := range []func(){stopA, stopB, stopC} {
			stop()
		}
	})
}

// While a run changes things nothing is assessed; soon after it has ended something is.
func TestNothingIsAssessedWhileARunChangesThings(t *testing.T) {
	watched(t, func(t *testing.T, w *watchers) {
		stop := w.start("a")
		defer stop()
		book := incident.NewBook(w.log)
		const id = incident.ID("INC-2026-0001-abcd")
		write := func(bodies ...incident.Body) {
			t.Helper()
			_, err := book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
				var w incident.Write
				for _, b := range bodies {
					w.Events = append(w.Events, incident.Event{Time: time.Now(), Actor: "alice", Body: b})
				}
				return w, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := w.after(time.Minute); n != 1 {
			t.Fatalf("%d assessments before the run", n)
		}
		raw, err := json.Marshal(runbook.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		write(incident.IncidentDeclared{Incident: id, Commander: "alice"}, incident.RunBegun{Kind: incident.Failover, Mode: "planned", Plan: raw})
		if n := w.after(2 * time.Hour); n != 1 {
			t.Errorf("%d assessments during the run", n-1)
		}
		write(incident.IncidentResolved{})
		if n := w.after(2 * time.Minute); n != 2 {
			t.Errorf("%d assessments after the run", n-1)
		}
	})
}

// What goes wrong is tried again, and what was not told is told without another
// assessment.
func TestAnAssessmentThatGoesWrongIsTriedAgain(t *testing.T) {
	watched(t, func(t *testing.T, w *watchers) {
		w.log.set(true)
		stop := w.start("a")
		defer stop()
		time.Sleep(10 * time.Minute)
		w.fail("assess", errors.New("the runbook cannot be carried out"))
		if n := w.after(5 * time.Minute); n != 0 {
			t.Fatalf("%d assessments of a record that is away", n)
		}
		time.Sleep(10 * time.Minute)
		w.fail("assess", nil)
		w.fail("tell", errors.New("Slack is away"))
		if n := w.after(2 * time.Minute); n != 1 {
			t.Fatalf("%d assessments after it was put right", n)
		}
		if n, told := w.after(5*time.Minute), w.told; n != 1 || told < 4 {
			t.Errorf("%d assessments, told %d times while Slack is away", n, told)
		}
		w.fail("tell", nil)
		w.after(2 * time.Minute)
		told := w.told
		if n := w.after(15 * time.Minute); n != 1 || w.told != told {
			t.Errorf("%d assessments, told %d times more although Slack is back", n, w.told-told)
		}
	})
}

// A replica that dies in the middle of an assessment keeps the others waiting for some
// minutes and no longer, and what it may still write does not count.
func TestAnotherReplicaGoesOnAssessing(t *testing.T) {
	watched(t, func(t *testing.T, w *watchers) {
		token, err := w.log.Acquire(t.Context(), incident.PlatformLog, incident.Bid{Holder: "dead", Now: time.Now(), TTL: assessLease})
		if err != nil {
			t.Fatal(err)
		}
		stop := w.start("b")
		defer stop()
		if n := w.after(assessLease); n != 0 {
			t.Errorf("%d assessments beside the one that has the lease", n)
		}
		if n := w.after(assessSkew + 2*time.Minute); n != 1 {
			t.Errorf("%d assessments after its lease has run out", n)
		}
		late := incident.Assessment{At: time.Now(), By: incident.Bot, AssessmentMade: incident.AssessmentMade{Why: incident.WhySchedule}}
		if err := incident.NewBook(w.log).KeepAssessment(t.Context(), late, nil, token); !errors.Is(err, incident.ErrFenced) {
			t.Errorf("the one that came back could write: %v", err)
		}
	})
}

// Whose word the assessments lack is asked of them once a day, however many replicas
// there are and however often they assess.
func TestWhoseWordIsLackingIsAskedOnceADay(t *testing.T) {
	watched(t, func(t *testing.T, w *watchers) {
		w.lacks = &incident.Wanted{Subject: incident.Access, Of: []string{"alice"}, Question: "Can you?", Yes: "I can", No: "I cannot"}
		stopA, stopB := w.start("a"), w.start("b")
		asked := func() (n int) {
			t.Helper()
			events, err := w.log.Log.Read(t.Context(), incident.PlatformLog, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				switch b := e.Body.(type) {
				case incident.ConfirmationAsked:
					n++
				case incident.AssessmentMade:
					if b.Findings[1].Asks != nil {
						t.Error("what is asked is kept with every assessment")
					}
				}
			}
			return n
		}
		if w.after(time.Minute); asked() != 1 {
			t.Errorf("asked %d times in the first minute", asked())
		}
		if w.after(23 * time.Hour); asked() != 1 {
			t.Errorf("asked %d times on the first day", asked())
		}
		if w.after(2 * time.Hour); asked() != 2 {
			t.Errorf("asked %d times after a day", asked())
		}
		stopA()
		stopB()
	})
}
