package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
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

// asReplica makes the test binary be a replica of that name; its Redis is named
// beside it.
const (
	asReplica = "FAILOVERBOT_TEST_REPLICA"
	atRedis   = "FAILOVERBOT_TEST_REDIS"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(asReplica); name != "" {
		if err := replica(name, os.Getenv(atRedis)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// replica carries runs out until it is killed. A change of its world is a counter
// beside the record, so that what is done twice is seen.
func replica(name, url string) error {
	ctx := context.Background()
	log, err := redis.Open(ctx, redis.Options{URL: url}, zerolog.Nop())
	if err != nil {
		return err
	}
	opt, err := goredis.ParseURL(url)
	if err != nil {
		return err
	}
	opt.MaxRetries, opt.ContextTimeoutEnabled = -1, true // a change leaves once, in its time
	world := goredis.NewClient(opt)
	there := engine.Action{
		Action:      runbook.Action{Kind: runbook.Change},
		CallTimeout: 3 * time.Second,
		Look: func(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
			n, err := world.Exists(ctx, applied(c.Incident, c.Step.ID)).Result()
			return engine.Outcome{Summary: "looked"}, n > 0, err
		},
		Do: func(ctx context.Context, c engine.Call) (engine.Outcome, error) {
			if err := (incident.RealClock{}).Sleep(ctx, 200*time.Millisecond); err != nil {
				return engine.Outcome{}, err
			}
			// As the clients of the outside do: what has been looked for by others does
			// not leave any more.
			if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
				return engine.Outcome{}, context.DeadlineExceeded
			}
			return engine.Outcome{Summary: "done"}, world.Incr(ctx, applied(c.Incident, c.Step.ID)).Err()
		},
	}
	return engine.New(engine.Options{
		Book: incident.NewBook(log), Catalog: engine.Catalog{"t.change": there}, Clock: incident.RealClock{}, Holder: name,
	}, zerolog.Nop()).Run(ctx)
}

func applied(id incident.ID, step string) string { return "applied:" + string(id) + ":" + step }

// replicas are two processes at one Redis.
type replicas struct {
	t    *testing.T
	url  string
	book *incident.Book
	n    int
	live map[string]*exec.Cmd
}

func (r *replicas) start() {
	r.t.Helper()
	r.n++
	name := fmt.Sprint("replica-", r.n)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asReplica+"="+name, atRedis+"="+r.url)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.live[name] = cmd
	var once sync.Once
	r.t.Cleanup(func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended
			_ = cmd.Wait()
		})
	})
}

// await returns when the timeline has come to that.
func (r *replicas) await(id incident.ID, what string, so func(*incident.State) bool) {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer stop()
	for {
		var seq uint64
		over := false
		if err := r.book.View(ctx, id, func(s *incident.State) { seq, over = s.Seq, so(s) }); err != nil {
			r.t.Fatal(err)
		}
		if over {
			return
		}
		if err := r.book.Log().Wait(ctx, id, seq); err != nil {
			r.t.Fatalf("it never came to this: %s: %v", what, err)
		}
	}
}

var sixChanges = []string{"one", "two", "three", "four", "five", "six"}

// hit begins a run, hits its holder with that signal after a while, and returns how
// long it took until another replica had taken over.
func (r *replicas) hit(n int, with syscall.Signal, after time.Duration) time.Duration {
	t := r.t
	t.Helper()
	id := incident.NewID(2026, n, incident.Ending())
	plan := runbook.Plan{Mode: "planned", Digest: "7f3a9c000000", Target: runbook.Region{Name: "us-west-2"}}
	for i, name := range sixChanges {
		s := runbook.Step{ID: name, Title: name, Uses: "t.change", Kind: runbook.Change, Gate: runbook.Required, Timeout: 2 * time.Minute}
		if i > 0 {
			s.Needs = sixChanges[i-1 : i]
		}
		plan.Steps = append(plan.Steps, s)
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	say := func(bodies ...incident.Body) {
		t.Helper()
		if _, err := r.book.Decide(t.Context(), id, func(*incident.State) (incident.Write, error) {
			var w incident.Write
			for _, b := range bodies {
				w.Events = append(w.Events, incident.Event{Time: time.Now().UTC(), Actor: "alice", Body: b})
			}
			return w, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	say(incident.IncidentDeclared{Incident: id, Commander: "alice"},
		incident.RunBegun{Kind: incident.Failover, Source: "us-east-1", Target: "us-west-2", Mode: "planned", Digest: plan.Digest, Plan: raw})
	var holder string
	r.await(id, "somebody carries it out", func(s *incident.State) bool { holder = s.Taken.Holder; return holder != "" })
	if err := (incident.RealClock{}).Sleep(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	hit := r.live[holder]
	if hit == nil {
		t.Fatalf("it is carried out by %q", holder)
	}
	if err := hit.Process.Signal(with); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	r.await(id, "another one has taken over", func(s *incident.State) bool { return s.Taken.Holder != holder })
	took := time.Since(at)
	r.await(id, "all is done", func(s *incident.State) bool {
		return !slices.ContainsFunc(sixChanges, func(step string) bool { return s.Step(step).Status != incident.Done })
	})
	if with == syscall.SIGSTOP {
		// It goes on in the middle of what it was at.
		if err := hit.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	} else {
		_ = hit.Wait() // killed
		delete(r.live, holder)
		r.start()
	}
	say(incident.IncidentResolved{})
	return took
}

// takenOver hits the holder that many times each way. Whatever was begun, each change
// is made once.
func takenOver(t *testing.T, times int) (took []time.Duration) {
	t.Helper()
	url := redistest.Server(t, redistest.Fsync("always"))
	r := &replicas{t: t, url: url, book: incident.NewBook(open(t, redis.Options{URL: url})), live: map[string]*exec.Cmd{}}
	r.start()
	r.start()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	n := 0
	for range times {
		for _, with := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
			n++
			took = append(took, r.hit(n, with, time.Duration(chance.IntN(1500))*time.Millisecond))
		}
	}
	ids, err := r.book.Log().Incidents(t.Context(), 0)
	if err != nil || len(ids) != n {
		t.Fatalf("%d incidents, %v", len(ids), err)
	}
	world := client(t, url)
	for _, id := range ids {
		for _, step := range sixChanges {
			if got, err := world.Get(t.Context(), applied(id, step)).Int(); err != nil || got != 1 {
				t.Errorf("%s: %s was done %d times, %v", id, step, got, err)
			}
		}
		events, err := r.book.Log().Read(t.Context(), id, 0, 0)
		if err != nil || incident.Verify(events) != nil {
			t.Errorf("%s: %v", id, errors.Join(err, incident.Verify(events)))
		}
	}
	return took
}

func TestAnotherProcessTakesOverFromOneThatIsKilledOrFrozen(t *testing.T) { takenOver(t, 1) }
