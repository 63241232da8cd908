package redis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// copyOf is all that a server holds, as a backup has it.
type copyOf map[string]string

func backup(t *testing.T, c *goredis.Client) copyOf {
	t.Helper()
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := copyOf{}
	for _, key := range keys {
		dump, err := c.Dump(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		out[key] = dump
	}
	return out
}

// restore makes the server hold that and nothing else, at once.
func (old copyOf) restore(t *testing.T, c *goredis.Client) {
	t.Helper()
	if _, err := c.TxPipelined(t.Context(), func(p goredis.Pipeliner) error {
		p.FlushDB(t.Context())
		for key, dump := range old {
			p.Restore(t.Context(), key, 0, dump)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// row is a platform of switches that a run turns on one after another.
type row struct {
	mu      sync.Mutex
	on      map[string]bool
	applied map[string]int
	order   []string
	// during is told of each change while it is on its way.
	during func(step string)
}

func (r *row) catalog() engine.Catalog {
	return engine.Catalog{"t.switch": {
		Action: runbook.Action{Kind: runbook.Change},
		Look: func(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return engine.Outcome{}, r.on[c.Step.ID], nil
		},
		Do: func(_ context.Context, c engine.Call) (engine.Outcome, error) {
			r.mu.Lock()
			during := r.during
			r.on[c.Step.ID] = true
			r.applied[c.Step.ID]++
			r.order = append(r.order, c.Step.ID)
			r.mu.Unlock()
			if during != nil {
				during(c.Step.ID)
			}
			return engine.Outcome{}, nil
		},
	}}
}

func (r *row) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.order)
}

// Two replicas carry out a run on a Redis that is replaced by an older copy of itself
// behind their backs. At most one more change leaves; then it is on the record what
// was lost, and nothing changes, whichever replica holds the lease, until a person
// has decided.
func TestTwoReplicasOnARedisThatIsSetBack(t *testing.T) {
	const steps, copied, setBack = 12, 4, 8
	for name, meanwhile := range map[string]func(*testing.T, string){
		"and nobody writes meanwhile": func(*testing.T, string) {},
		"and a replica that knows of nothing writes first": func(t *testing.T, url string) {
			book := incident.NewBook(open(t, redis.Options{URL: url}))
			_, err := book.Decide(t.Context(), inc, func(*incident.State) (incident.Write, error) {
				return incident.Write{Events: []incident.Event{{Time: noon, Actor: "dave", Body: incident.NoteAdded{Text: "what happened?"}}}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := redistest.Server(t)
			server := client(t, url)
			world := &row{on: map[string]bool{}, applied: map[string]int{}}
			p := runbook.Plan{Mode: "planned", Digest: "d", Target: runbook.Region{Name: "us-west-2"}}
			for n := range steps {
				st := runbook.Step{ID: fmt.Sprintf("switch-%02d", n+1), Uses: "t.switch", Kind: runbook.Change, Gate: runbook.Required, Timeout: time.Minute}
				if n > 0 {
					st.Needs = []string{p.Steps[n-1].ID}
				}
				p.Steps = append(p.Steps, st)
			}
			plan, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}

			// The copy is from when switch-04 was on its way, and comes back while switch-08 is.
			var old copyOf
			var kept, held uint64
			var before int
			set := make(chan struct{})
			world.during = func(step string) {
				switch step {
				case p.Steps[copied-1].ID:
					old, kept = backup(t, server), last(t, server)
				case p.Steps[setBack-1].ID:
					held = last(t, server)
					old.restore(t, server)
					meanwhile(t, url)
					before = world.count()
					close(set)
				}
			}

			ctx, stop := context.WithCancel(t.Context())
			var replicas sync.WaitGroup
			defer replicas.Wait()
			defer stop()
			begin := func(holder string) {
				e := engine.New(engine.Options{Book: incident.NewBook(open(t, redis.Options{URL: url})), Catalog: world.catalog(), Clock: incident.RealClock{}, Holder: holder}, zerolog.Nop())
				replicas.Go(func() { _ = e.Run(ctx) })
			}
			people := incident.NewBook(open(t, redis.Options{URL: url}))
			decide := func(who string, bodies ...incident.Body) {
				t.Helper()
				_, err := people.Decide(ctx, inc, func(*incident.State) (incident.Write, error) {
					var w incident.Write
					for _, b := range bodies {
						w.Events = append(w.Events, incident.Event{Time: time.Now().UTC(), Actor: who, Body: b})
					}
					return w, nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			decide("alice", incident.IncidentDeclared{Incident: inc, Commander: "alice"}, incident.RunBegun{Kind: incident.Failover, Target: "us-west-2", Mode: "planned", Digest: p.Digest, Plan: plan})
			begin("a")
			begin("b")

			await(t, set)
			log := open(t, redis.Options{URL: url})
			for {
				seen := last(t, server) // before it is read: what comes in between is waited for in vain otherwise
				if len(diverged(t, log)) > 0 {
					break
				}
				if err := log.Wait(ctx, inc, seen); err != nil {
					t.Fatal(err)
				}
			}
			left := world.count()
			if left > before+1 {
				t.Errorf("%d changes left between the set-back and the event that tells of it", left-before)
			}
			// A third replica has nothing to compare with, and has to be told by the record.
			begin("c")
			time.Sleep(1500 * time.Millisecond) // nothing tells of a change that does not leave
			if n := world.count(); n != left {
				t.Errorf("changed before anybody decided: %v", world.order[left:])
			}
			most := slices.MaxFunc(diverged(t, log), func(a, b incident.HistoryDiverged) int { return int(a.Held) - int(b.Held) })
			if most.Common != kept || most.Held < held || len(most.Lost) != int(most.Held-most.Common) {
				t.Errorf("told that of %d events %d are left and %d are known, want %d of at least %d", most.Held, most.Common, len(most.Lost), kept, held)
			}

			decide("alice", incident.HistoryRepaired{Choice: incident.GoOn, Reason: "compared with the account"})
			for {
				seen := last(t, server)
				if world.count() >= steps {
					break
				}
				if err := log.Wait(ctx, inc, seen); err != nil {
					t.Fatal(err)
				}
			}
			for step, n := range world.applied {
				if n != 1 {
					t.Errorf("%s was done %d times", step, n)
				}
			}
			events, err := log.Read(ctx, inc, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := incident.Verify(events); err != nil {
				t.Error(err)
			}
		})
	}
}

// last is the number of the newest event.
func last(t *testing.T, c *goredis.Client) uint64 {
	t.Helper()
	n, err := c.XLen(t.Context(), "{fb}:"+string(inc)+":log").Result()
	if err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}

func diverged(t *testing.T, l *redis.Log) (out []incident.HistoryDiverged) {
	t.Helper()
	events, err := l.Read(t.Context(), inc, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if b, ok := e.Body.(incident.HistoryDiverged); ok {
			out = append(out, b)
		}
	}
	return out
}

func await(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the run did not come so far in a minute")
	}
}
