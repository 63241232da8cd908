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
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// eyes are replicas that watch one pretend platform, and what they did.
type eyes struct {
	t   *testing.T
	log *cut
	all sync.WaitGroup

	mu      sync.Mutex
	verdict map[detect.Kind]incident.Verdict // of the Region that serves; none: silent
	writer  string
	answers bool
	reads   map[string]int // by replica
	shown   []string       // what stood on the record when it was told
	fails   error
	cut     map[string]string // by replica
}

func newEyes(t *testing.T) *eyes {
	return &eyes{
		t: t, log: &cut{Log: enginetest.NewMemory()}, writer: "us-east-1", answers: true, reads: map[string]int{}, cut: map[string]string{},
		verdict: map[detect.Kind]incident.Verdict{detect.Pages: incident.Pass, detect.DNS: incident.Pass, detect.Control: incident.Pass, detect.Replication: incident.Pass},
	}
}

var twoRegions = runbook.Topology{Home: "us-east-1", Regions: map[string]runbook.Region{"us-east-1": {Name: "us-east-1"}, "us-west-2": {Name: "us-west-2"}}}

func (e *eyes) set(v incident.Verdict, kinds ...detect.Kind) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range kinds {
		if e.verdict[k] = v; v == "" {
			delete(e.verdict, k)
		}
	}
}

// now changes what is so, while nobody looks.
func (e *eyes) now(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *eyes) readers(name string) (out []detect.Reader) {
	for _, kind := range []detect.Kind{detect.Pages, detect.DNS, detect.Control, detect.Replication, detect.Writer} {
		out = append(out, detect.Reader{Kind: kind, Read: func(_ context.Context, p detect.Pair) []detect.Signal {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.reads[name]++
			s := detect.Signal{Kind: kind, Region: p.Source.Name, Measured: incident.Measured{Verdict: e.verdict[kind], AsOf: time.Now()}}
			switch kind {
			case detect.Writer:
				s.Region, s.Verdict = e.writer, incident.Pass
			case detect.Control:
				s.Region = ""
			case detect.Pages:
				other := s
				other.Region, other.Verdict = p.Target.Name, e.verdict[detect.Control]
				return []detect.Signal{s, other}
			default:
			}
			return []detect.Signal{s}
		}})
	}
	return out
}

// start begins a replica; stop ends it, giving its lease back, kill does not.
func (e *eyes) start(name string) (stop func()) {
	ctx, cancel := context.WithCancel(e.t.Context())
	d := &detection{
		topology: twoRegions, readers: e.readers(name), book: incident.NewBook(e.log), clock: incident.RealClock{}, holder: name,
		gone: func(string) bool { return false },
		answers: func(context.Context, detect.Pair) bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.answers
		},
		tell: func(context.Context) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.fails != nil {
				return e.fails
			}
			e.shown = append(e.shown, name)
			return nil
		},
		failed: func(error, string) {},
		cutOff: func(why string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.cut[name] = why
		},
	}
	e.all.Go(func() { _ = d.run(ctx) })
	return func() { cancel(); synctest.Wait() }
}

func (e *eyes) bodies() (out []incident.Event) {
	e.t.Helper()
	events, err := e.log.Log.Read(e.t.Context(), incident.PlatformLog, 0, 0)
	if err != nil {
		e.t.Fatal(err)
	}
	return events
}

// proposals are those that were made, and what became of them.
func (e *eyes) proposals(d time.Duration) (all []*incident.Proposal) {
	e.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	return incident.Fold(e.bodies()).Platform.Latest(100)
}

func watching(t *testing.T, f func(t *testing.T, e *eyes)) {
	synctest.Test(t, func(t *testing.T) {
		e := newEyes(t)
		defer e.all.Wait()
		f(t, e)
	})
}

// Of two replicas one watches. Signals that agree are proposed once, in the mode that is
// possible; it is told, and withdrawn when they are well again.
func TestOneReplicaProposesOnce(t *testing.T) {
	watching(t, func(t *testing.T, e *eyes) {
		stopA := e.start("a")
		time.Sleep(time.Second)
		stopB := e.start("b")
		if all := e.proposals(5 * time.Minute); len(all) != 0 || e.reads["a"] == 0 || e.reads["b"] != 0 {
			t.Fatalf("%d proposals, read %v", len(all), e.reads)
		}
		quiet := len(e.bodies())
		if time.Sleep(time.Hour); len(e.bodies()) != quiet {
			t.Errorf("%d events of an hour in which nothing changed", len(e.bodies())-quiet)
		}
		e.set(incident.Fail, detect.Pages, detect.DNS)
		e.now(func() { e.answers = false })
		all := e.proposals(2 * time.Minute)
		if len(all) != 1 || all[0].Mode != "unplanned" || !all[0].Moved || all[0].Answer != "" || len(all[0].Signals) != 2 || len(e.shown) == 0 {
			t.Fatalf("proposed %+v, told %v", all, e.shown)
		}
		// The one that watches ends: the other goes on, and proposes nothing anew.
		stopA()
		if all = e.proposals(10 * time.Minute); len(all) != 1 || e.reads["b"] == 0 {
			t.Errorf("%d proposals, read %v", len(all), e.reads)
		}
		e.set(incident.Pass, detect.Pages, detect.DNS)
		if all = e.proposals(time.Minute); len(all) != 1 || all[0].Answer != incident.ProposalWithdrawn || all[0].AnsweredBy != incident.Bot {
			t.Errorf("withdrawn: %+v", all[0])
		}
		// It is proposed anew once some time has passed, if it is so again.
		e.set(incident.Fail, detect.Pages, detect.DNS)
		if all = e.proposals(5 * time.Minute); len(all) != 1 {
			t.Errorf("%d proposals right after one was withdrawn", len(all))
		}
		if all = e.proposals(15 * time.Minute); len(all) != 2 {
			t.Errorf("%d proposals after a while", len(all))
		}
		stopB()
	})
}

// Who said "not now" hears of it again only after some time.
func TestWhatWasTurnedDownIsProposedLater(t *testing.T) {
	watching(t, func(t *testing.T, e *eyes) {
		defer e.start("a")()
		time.Sleep(2 * time.Minute)
		e.set(incident.Fail, detect.Pages, detect.DNS)
		all := e.proposals(2 * time.Minute)
		if len(all) != 1 || all[0].Mode != "planned" {
			t.Fatalf("proposed %+v", all)
		}
		_, err := incident.NewBook(e.log).Decide(t.Context(), incident.PlatformLog, func(*incident.State) (incident.Write, error) {
			return incident.Write{Events: []incident.Event{{Time: time.Now(), Actor: "alice", Body: incident.ProposalAnswered{Proposal: all[0].Proposal, Answer: incident.ProposalDismissed}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if all = e.proposals(14 * time.Minute); len(all) != 1 {
			t.Errorf("%d proposals within the cool-down", len(all))
		}
		if all = e.proposals(2 * time.Minute); len(all) != 2 || all[1].Answer != "" {
			t.Errorf("%d proposals after it", len(all))
		}
	})
}

// While a run changes things nothing is read, and what stands is taken up by it.
func TestNothingIsProposedWhileARunChangesThings(t *testing.T) {
	watching(t, func(t *testing.T, e *eyes) {
		defer e.start("a")()
		time.Sleep(2 * time.Minute)
		e.set(incident.Fail, detect.Pages, detect.DNS)
		e.proposals(2 * time.Minute)
		book := incident.NewBook(e.log)
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
		raw, err := json.Marshal(runbook.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		write(incident.IncidentDeclared{Incident: id, Commander: "alice"}, incident.RunBegun{Kind: incident.Failover, Mode: "unplanned", Plan: raw})
		all := e.proposals(time.Minute)
		if len(all) != 1 || all[0].Answer != incident.ProposalStarted || all[0].Incident != id {
			t.Fatalf("taken up: %+v", all[0])
		}
		before := e.reads["a"]
		if e.proposals(time.Hour); e.reads["a"] != before {
			t.Errorf("read %d times during the run", e.reads["a"]-before)
		}
		// The run has moved the writer, and users: the other Region serves and is well.
		e.now(func() { e.writer = "us-west-2" })
		e.set(incident.Pass, detect.Pages, detect.DNS)
		write(incident.IncidentResolved{})
		if all = e.proposals(time.Hour); len(all) != 1 || e.reads["a"] == before {
			t.Errorf("%d proposals after the run, read %d times", len(all), e.reads["a"]-before)
		}
	})
}

// A replica from which nothing is reached says so of itself and proposes nothing.
func TestAReplicaThatIsCutOffSaysSo(t *testing.T) {
	watching(t, func(t *testing.T, e *eyes) {
		defer e.start("a")()
		time.Sleep(2 * time.Minute)
		e.set(incident.Fail, detect.Pages, detect.Control)
		e.set("", detect.DNS, detect.Replication)
		if all := e.proposals(10 * time.Minute); len(all) != 0 || e.cut["a"] == "" {
			t.Errorf("%d proposals, cut off: %q", len(all), e.cut["a"])
		}
		e.set(incident.Pass, detect.Pages, detect.Control, detect.DNS, detect.Replication)
		if all := e.proposals(time.Minute); len(all) != 0 || e.cut["a"] != "" {
			t.Errorf("%d proposals, cut off: %q", len(all), e.cut["a"])
		}
	})
}

// A record that is away, and a Slack that is, delay what is proposed and double nothing.
func TestWhatCannotBeToldIsToldLater(t *testing.T) {
	watching(t, func(t *testing.T, e *eyes) {
		defer e.start("a")()
		time.Sleep(2 * time.Minute)
		e.log.set(true)
		e.set(incident.Fail, detect.Pages, detect.DNS)
		time.Sleep(5 * time.Minute)
		e.now(func() { e.fails = errors.New("Slack is away") })
		e.log.set(false)
		if all := e.proposals(2 * time.Minute); len(all) != 1 || len(e.shown) != 0 {
			t.Fatalf("%d proposals, told %v", len(all), e.shown)
		}
		e.now(func() { e.fails = nil })
		if all := e.proposals(time.Minute); len(all) != 1 || len(e.shown) != 1 {
			t.Errorf("%d proposals, told %v", len(all), e.shown)
		}
	})
}
