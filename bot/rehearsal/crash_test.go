package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// The crash test kills the bot at every moment of a rehearsal at which it can
// matter, and starts it again. What survives is what survives in life: the bytes
// in Redis, the world, and Slack with the people in it.
//
// A moment has a name that means the same in every run, whatever came before:
// "append StepStarted promote-database, before". So one run can die at several.

// reaper ends the present life of the bot at the moments it is told.
type reaper struct {
	mu      sync.Mutex
	wanted  map[string]bool
	seen    map[string]int
	story   []string // every moment that came, in order
	died    []string
	dead    bool
	killing func() // ends the present life
}

// moment says whether the bot is dead from here on. The n-th moment of a name is
// told apart from the first.
func (r *reaper) moment(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return errKilled
	}
	if r.seen[name]++; r.seen[name] > 1 {
		name = fmt.Sprintf("%s #%d", name, r.seen[name])
	}
	r.story = append(r.story, name)
	if !r.wanted[name] {
		return nil
	}
	delete(r.wanted, name)
	r.died = append(r.died, name)
	r.dead = true
	r.killing()
	return errKilled
}

// first is a moment that counts only once.
func (r *reaper) first(name string) error {
	r.mu.Lock()
	seen, dead := r.seen[name] > 0, r.dead
	r.mu.Unlock()
	if seen && !dead {
		return nil
	}
	return r.moment(name)
}

func (r *reaper) gone() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return errKilled
	}
	return nil
}

// eventful is a Log in which every append is two moments.
type eventful struct {
	incident.Log
	reaper *reaper
}

func (m eventful) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	var what []string
	for _, e := range w.Events {
		what = append(what, naming(e))
	}
	name := "append " + strings.Join(what, " + ")
	if err := m.reaper.moment(name + ", before"); err != nil {
		return incident.Written{}, err
	}
	done, err := m.Log.Append(ctx, w)
	if err != nil {
		return done, err
	}
	if err := m.reaper.moment(name + ", after"); err != nil {
		return incident.Written{}, err
	}
	return done, nil
}

// Remember is two moments too: the bot's own bookkeeping.
func (m eventful) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	kind, _, _ := strings.Cut(key, "/")
	if err := m.reaper.moment("keep " + kind + ", before"); err != nil {
		return err
	}
	if err := m.Log.Remember(ctx, id, key, p); err != nil {
		return err
	}
	return m.reaper.moment("keep " + kind + ", after")
}

// naming is an event's type and what it is about, without what differs from run
// to run.
func naming(e incident.Event) string {
	data, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	var b struct{ Type, Step string }
	if err := json.Unmarshal(data, &b); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.Type + " " + b.Step)
}

// call is asked by the world before each call and after it was applied.
func (r *reaper) call(c sim.Call, before bool) error {
	name := c.System + " " + c.Operation
	switch {
	case c.Mutating && before:
		return r.moment("call " + name + ", before")
	case c.Mutating:
		return r.moment("call " + name + ", answer lost")
	case before:
		return r.first("read " + name)
	}
	return r.gone()
}

// coveredBy are the steps that the approval of another one stands for, where the people of a
// scenario name that one.
var coveredBy = map[string][]string{"orphan-fence": {
	"orphan-release", "orphan-stop", "new-global", "new-cluster", "new-instance/ecommerce-primary-1", "new-instance/ecommerce-primary-2",
}}

// dying plays a scenario and dies at the wanted moments. It returns the reaper,
// the world and the timeline at the end.
func dying(t *testing.T, scenario string, wanted []string) (*reaper, *sim.World, []incident.Event) {
	t.Helper()
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS},
	}
	end := &reaper{wanted: map[string]bool{}, seen: map[string]int{}}
	for _, w := range wanted {
		end.wanted[w] = true
	}
	var printed bytes.Buffer
	r.Stdout = &printed
	var err error
	if r.scn, err = sim.Load(scenario); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, f := range slices.Backward(r.closes) {
			f()
		}
	}()
	for i, e := range r.scn.Events {
		if e.DropPromotion != nil {
			// Whoever dies with the call on its way is back before Aurora takes it back.
			r.scn.Events[i].DropPromotion.After = 70 * time.Second
		}
	}
	for i, p := range r.scn.People {
		// A call that may have left is asked about again, whichever step's it is.
		for _, d := range p.Does {
			for _, step := range coveredBy[d.Step] {
				d.Step = step
				r.scn.People[i].Does = append(r.scn.People[i].Does, d)
			}
		}
	}
	if err := r.startStage(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.world.OnCall(end.call)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return lives(ctx, r, end) })
	var played error
	all.Go(func() error {
		defer stop()
		played = r.playPeople(ctx)
		return nil
	})

	if err := errors.Join(all.Wait(), played, r.verify()); err != nil {
		t.Errorf("died at %q: %v\n%s", end.died, err, tail(printed.String(), 40))
	}
	return end, r.world, r.seen
}

// lives starts the bot again whenever it was killed.
func lives(ctx context.Context, r *rehearsal, end *reaper) error {
	before := func() {}
	for ctx.Err() == nil {
		living, l, err := r.newBotProcess(ctx)
		if err != nil {
			return err
		}
		end.mu.Lock()
		end.dead, end.killing = false, l.kill
		end.mu.Unlock()
		r.panel.mu.Lock()
		r.panel.running = &runningBot{process: l} // which the scenario may kill, too
		r.panel.mu.Unlock()
		one := l.replica()
		one.Record = eventful{one.Record, end}
		begun := r.clock.Busy()
		before() // from here on the clock waits for this process
		p, err := bot.New(living, one, r.Log)
		if err == nil {
			ended := make(chan error, 1)
			go func() { ended <- p.Run(living) }()
			p.Connected(living)
			begun()
			err = <-ended
		}
		begun()
		before = l.wait
		if l.killed() == nil && ctx.Err() == nil {
			l.wait()
			return fmt.Errorf("the bot ended by itself: %w", err)
		}
	}
	before()
	return nil
}

func tail(s string, n int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// once says that every change that the undisturbed run applied was applied as
// often now. While the bot is dead an autoscaler whose minimum was raised goes on
// to scale by itself; then there is less left for the bot to send, never more.
func once(t *testing.T, world *sim.World, died []string, want map[string]int) {
	t.Helper()
	for operation, n := range want {
		got := world.Applied(operation)
		if got < n && operation == "patch deployments/scale" {
			continue // and world.Check found the replicas there
		}
		if got < n && operation == "patch cronjobs" && gone(world) {
			continue // the Region that was left was gone before: world.Check looks at the other one
		}
		if got != n {
			t.Errorf("died at %q: %s was applied %d times, want %d", died, operation, got, n)
		}
	}
}

// gone says that a Region is lost.
func gone(world *sim.World) bool {
	for _, r := range world.Snapshot().Regions {
		if r.Lost {
			return true
		}
	}
	return false
}

// applied counts the changes by operation. A synthetic order is no change of a
// step but a question, and may be asked again.
func applied(world *sim.World) map[string]int {
	out := map[string]int{}
	for _, c := range world.Calls() {
		if c.Applied && c.System != "http" {
			out[c.Operation] = world.Applied(c.Operation)
		}
	}
	return out
}

// crash is what of a scenario the crash tests die at.
type crash struct {
	// deaths is how often the bot may die in one run of it.
	deaths int
	// of are the moments of a story that others have not; nil: all.
	of func(story []string) []string
}

var crashes = map[string]crash{
	"region-loss":            {deaths: 8},
	"region-degraded":        {deaths: 6, of: about("switch-database", "fence-writers", "shift-dns")},
	"lost-while-planned":     {deaths: 6, of: about("switch-database", "fence-", "promote-database", "source-answers", "RunEnded", "RunBegun", "RunTaken")},
	"switchover-dropped":     {deaths: 2, of: askingAgain},
	"abort-before-promotion": {deaths: 5, of: whileTakingBack},
	"failover-then-failback": {deaths: 6, of: goingHome},
	"database-detached":      {deaths: 6, of: about("detach-database", "database-host", "database-writable")},
	"detach-then-rebuild":    {deaths: 9, of: rebuilding},
	"velero-restore":         {deaths: 6, of: about("restore", "RunEnded")},
}

// about are the calls, and the moments that name one of these. The bot's own bookkeeping
// is the same in all scenarios.
func about(parts ...string) func(story []string) []string {
	return func(story []string) []string {
		return slices.DeleteFunc(slices.Clone(story), func(m string) bool {
			return !strings.HasPrefix(m, "call ") && !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(m, part) })
		})
	}
}

// rebuilding are the moments of what a rebuild alone does.
func rebuilding(story []string) []string {
	return slices.DeleteFunc(slices.Clone(story), func(m string) bool {
		return !slices.ContainsFunc([]string{"orphan-", "new-global", "new-cluster", "new-instance", "new-host/order-service", "call StopDBCluster", "call Create"}, func(part string) bool {
			return strings.Contains(m, part)
		})
	})
}

// goingHome are the moments of what a failback alone does, and of its calls that move users.
func goingHome(story []string) []string {
	return slices.DeleteFunc(slices.Clone(story), func(m string) bool {
		return !slices.ContainsFunc([]string{"takeover-removed", "restore-dns", "quiet", "rest/", "rested/", "call UpdateHealthCheck"}, func(part string) bool {
			return strings.Contains(m, part)
		})
	})
}

// askingAgain are the moments of what was taken back, and asked for again.
func askingAgain(story []string) []string {
	return slices.DeleteFunc(slices.Clone(story), func(m string) bool {
		return !strings.Contains(m, "database-writable") && (!strings.Contains(m, "#2") ||
			!strings.Contains(m, "switch-database") && !strings.Contains(m, "SwitchoverGlobalCluster"))
	})
}

// momentsOf plays a scenario undisturbed.
func momentsOf(t *testing.T, scenario string) (story []string, world *sim.World) {
	t.Helper()
	whole, world, _ := dying(t, scenario, nil)
	if want := applied(world); len(want) == 0 {
		t.Fatal("the undisturbed run applied nothing")
	}
	story = whole.story
	if only := crashes[scenario].of; only != nil {
		story = only(story)
	}
	return story, world
}

// One moment of each kind; all of them are tried where there is time for it.
func TestDyingAtEachKindOfMomentAppliesEachChangeOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for scenario := range crashes {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			all, world := momentsOf(t, scenario)
			story := oneOfEachKind(all, seed)
			if len(story) < 6 {
				t.Fatalf("of %d moments these are one of each kind: %q", len(all), story)
			}
			diesAt(t, scenario, story, applied(world))
		})
	}
}

// diesAt plays a scenario until the bot has died at each of these moments, so many of
// them in one run, and says that every change was made once in each.
func diesAt(t *testing.T, scenario string, story []string, want map[string]int) {
	t.Helper()
	deaths := crashes[scenario].deaths
	t.Logf("%d moments", len(story))
	runs := (len(story) + deaths - 1) / deaths
	for i := range runs {
		var wanted []string
		for m := i; m < len(story); m += runs {
			wanted = append(wanted, story[m])
		}
		end, world, _ := dying(t, scenario, wanted)
		once(t, world, end.died, want)
		if t.Failed() {
			return
		}
		// An earlier death may keep a later moment from coming; it gets a run
		// of its own.
		for missed := range end.wanted {
			end, world, _ := dying(t, scenario, []string{missed})
			once(t, world, end.died, want)
			if len(end.wanted) > 0 && !strings.HasPrefix(missed, "keep ") && !strings.Contains(missed, "#") {
				t.Errorf("the moment %q did not come", missed)
			}
		}
	}
}

// whileTakingBack are the moments of a run that takes back, and of the append that begins
// it. What comes before them other tests have.
func whileTakingBack(story []string) []string {
	from := slices.IndexFunc(story, func(m string) bool { return strings.Contains(m, "RunAborted") })
	if from < 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(story[from:]), func(m string) bool {
		return strings.HasPrefix(m, "keep ") || strings.Contains(m, "#")
	})
}

// kindOf is a moment without the steps that it is about, and without how many.
func kindOf(moment string) string {
	what, when, _ := strings.Cut(moment, ", ")
	when, _, _ = strings.Cut(when, " #")
	how, of, _ := strings.Cut(what, " ") // append, call, read or keep
	var words []string
	for part := range strings.SplitSeq(of, " + ") {
		word, _, _ := strings.Cut(part, " ")
		words = append(words, word)
	}
	slices.Sort(words)
	return how + " " + strings.Join(slices.Compact(words), " + ") + ", " + when
}

// oneOfEachKind draws one moment of each kind.
func oneOfEachKind(story []string, seed uint64) []string {
	kinds := map[string][]string{}
	for _, m := range story {
		kinds[kindOf(m)] = append(kinds[kindOf(m)], m)
	}
	draw := rand.New(rand.NewPCG(seed, 0))
	chosen := map[string]bool{}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		chosen[kinds[kind][draw.IntN(len(kinds[kind]))]] = true
	}
	return slices.DeleteFunc(slices.Clone(story), func(m string) bool { return !chosen[m] })
}
