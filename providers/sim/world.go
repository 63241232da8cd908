// Package sim is a pretend platform in two AWS Regions, good enough that the code
// above the vendors' own client libraries cannot tell the difference.
//
// It stands behind every seam of the program: the AWS SDK (answered inside the
// SDK's middleware, so that input checks, signing, retries and typed errors are
// the real ones), client-go's dynamic client, DNS and HTTP servers on loopback,
// and the [Clock]. Behind them is one [State], plain data that evolves with time
// by itself: a switchover that was asked for is done 75 seconds later, whoever
// looks. Nothing runs in the background, so a state that is loaded from a file
// simply goes on.
//
// A [Scenario] says how the world is at the start, what breaks when, and how it
// has to be at the end; [World.Check] compares.
//
// Each service has a file: its state, how it begins, what it does by itself as time
// goes on, the operations of its API, and what a scenario may expect of it. The
// clusters have two, since their API is client-go's fake and knows nothing of pods:
// cluster.go and kube.go.
//
// What holds:
//   - a change is in the state, and in the state's file, before its answer leaves;
//   - the same scenario, seed and calls give the same world;
//   - nothing here reaches a real network: only loopback is listened on and dialled.
package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failoverbot/failoverbot/incident"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Options of a world. The zero value keeps everything in memory.
type Options struct {
	// Dir is where the state is kept: state.json is replaced after each change,
	// before the answer goes out, and is read when it is there. Empty: nowhere.
	Dir string
	// Calls gets a line of JSON for each call; see [Call]. Nil: none.
	Calls io.Writer
	// Seed of latencies and start times. 0 is a seed like any other.
	Seed uint64
}

// World is the pretend platform.
type World struct {
	scn   *Scenario
	clock incident.Clock
	dir   string
	rec   *Recorder

	mu     sync.Mutex // guards what follows; see lock
	state  *State
	folder *folder // where the state is kept; nil in memory
	lost   error   // why the newest state of another process could not be read

	// called is what the settings call the database; nil: as in the beginning. It is there
	// without the state's lock.
	called atomic.Pointer[DatabaseNames]

	hookMu sync.Mutex
	hooks  []func(Call, bool) error

	servers servers
	kubes   map[string]*kube
}

// New starts the world of a scenario, or goes on with the one in opts.Dir, and
// listens on loopback. Close it.
func New(scn *Scenario, clock incident.Clock, opts Options) (*World, error) {
	w := &World{scn: scn, clock: clock, dir: opts.Dir, rec: NewRecorder(opts.Calls), kubes: map[string]*kube{}}
	if err := w.open(opts.Seed); err != nil {
		return nil, err
	}
	for _, r := range regionNames {
		w.kubes[r] = newKube(w, r)
	}
	if err := w.listen(); err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}

// open finds the state, or begins with a new one.
func (w *World) open(seed uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir != "" {
		if err := os.MkdirAll(w.dir, 0o755); err != nil {
			return fmt.Errorf("make the folder of the pretend world: %w", err)
		}
		var err error
		if w.folder, err = openFolder(w.dir); err != nil {
			return fmt.Errorf("open the folder of the pretend world: %w", err)
		}
		w.folder.lock()
		defer w.folder.unlock()
	}
	if err := w.load(seed); err != nil {
		_ = w.folder.close()
		return err
	}
	return nil
}

// lock locks the state, against other processes too, and makes sure that it is the
// newest.
func (w *World) lock() {
	w.mu.Lock()
	if w.folder != nil && w.folder.lock() || w.lost != nil {
		// One that was counted and never saved is not there.
		if w.lost = w.read(); errors.Is(w.lost, fs.ErrNotExist) {
			w.lost = nil
		}
	}
}

func (w *World) unlock() {
	w.called.Store(w.state.Database.Called)
	if w.folder != nil {
		w.folder.unlock()
	}
	w.mu.Unlock()
}

// Close stops the servers and waits for what they have in hand.
func (w *World) Close() error {
	w.closeServers()
	return errors.Join(w.rec.Err(), w.folder.close())
}

// Scenario is the story that this world plays.
func (w *World) Scenario() *Scenario { return w.scn }

// Calls is every call so far, in order.
func (w *World) Calls() []Call { return w.rec.Calls() }

// Applied is how often an operation changed the world, counted since the world
// began, also across processes.
func (w *World) Applied(operation string) int {
	w.lock()
	defer w.unlock()
	return w.state.Applied[operation]
}

// Snapshot is a copy of the world as it is now.
func (w *World) Snapshot() *State {
	w.lock()
	defer w.unlock()
	w.state.advance(w.scn, w.clock.Now())
	return w.state.clone()
}

// Do changes the world behind everybody's back, as an operator at a console does.
func (w *World) Do(change func(s *State)) error {
	w.lock()
	defer w.unlock()
	w.state.advance(w.scn, w.clock.Now())
	change(w.state)
	for _, r := range w.state.Regions {
		r.hashes = nil // a template may have changed without a new generation
	}
	w.state.step(w.scn)
	return w.save()
}

// Cues are what the scenario has had in store for the rehearsal itself since they
// were last asked for.
func (w *World) Cues() ([]Cue, error) {
	w.lock()
	defer w.unlock()
	w.state.advance(w.scn, w.clock.Now())
	cues := w.state.Cues
	if len(cues) == 0 {
		return nil, nil
	}
	w.state.Cues = nil
	return cues, w.save()
}

// Happen makes an event of a scenario happen now.
func (w *World) Happen(e Event) error {
	return w.Do(func(s *State) { s.happen(e) })
}

// Fault breaks the calls that match f from now on.
func (w *World) Fault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("fault kind %q is not known: use one of %v", f.Kind, faultKinds)
	}
	return w.Do(func(s *State) { s.Faults = append(s.Faults, f) })
}

// OnCall adds a hook that is asked before each call and again after it reached
// the world. An error before: the call fails and never reaches the world, nor is
// it recorded. An error after: the answer is lost; what it did stays done.
func (w *World) OnCall(hook func(c Call, before bool) error) {
	w.hookMu.Lock()
	defer w.hookMu.Unlock()
	w.hooks = append(w.hooks, hook)
}

func (w *World) asked(c Call, before bool) error {
	w.hookMu.Lock()
	hooks := slices.Clone(w.hooks)
	w.hookMu.Unlock()
	if c.Time.IsZero() {
		c.Time = w.clock.Now()
	}
	for _, h := range hooks {
		if err := h(c, before); err != nil {
			return err
		}
	}
	return nil
}

// call carries out one call: latency, faults, the world itself, the record. do
// runs with the state up to date and says whether it changed something.
func (w *World) call(ctx context.Context, c Call, low, high time.Duration, do func(s *State) (changed bool, err error)) error {
	if err := w.asked(c, true); err != nil {
		return &failure{Refuse, err}
	}
	if high > 0 {
		key := c.System + " " + c.Operation + " " + c.Region + " " + c.Target
		w.lock()
		latency := w.state.span(low, high, key, w.state.turn(key, w.clock.Now()))
		w.unlock()
		if err := w.clock.Sleep(ctx, latency); err != nil {
			return &failure{Hang, err} // given up before it got there
		}
	}
	kind, err := w.arrive(&c, do)
	if kind == Hang {
		return &failure{Hang, w.hang(ctx)}
	}
	if kind != "" && kind != LostAnswer {
		return &failure{kind, nil}
	}
	if lost := w.asked(c, false); lost != nil && err == nil {
		return &failure{LostAnswer, lost}
	}
	if kind == LostAnswer && err == nil {
		return &failure{LostAnswer, nil}
	}
	return err
}

// arrive is the moment at which a call reaches the world.
func (w *World) arrive(c *Call, do func(s *State) (bool, error)) (kind string, err error) {
	w.lock()
	defer w.unlock()
	s := w.state
	now := w.clock.Now()
	s.advance(w.scn, now)
	c.Time = now
	kind, keep := s.broken(*c)
	if kind == "" || kind == LostAnswer {
		var changed bool
		if changed, err = do(s); changed {
			keep = true
			c.Applied = c.Mutating
			if c.Applied {
				s.Applied[c.Operation]++
			}
			s.step(w.scn)
		}
	}
	if keep {
		if saveErr := w.save(); saveErr != nil && err == nil {
			err = saveErr
		}
	}
	switch {
	case kind != "":
		c.Error = (&failure{kind, nil}).Error()
	case err != nil:
		c.Error = err.Error()
	}
	w.rec.Add(*c)
	return kind, err
}

// clone is a copy that shares nothing.
func (s *State) clone() *State {
	data, err := json.Marshal(s)
	if err == nil {
		out := &State{}
		if err = json.Unmarshal(data, out); err == nil {
			return out
		}
	}
	panic(fmt.Sprintf("the pretend world does not survive JSON: %v", err)) // plain data; a test holds it to that
}

func (w *World) stateFile() string { return filepath.Join(w.dir, "state.json") }

// load goes on with the state that is kept, or begins with a new one.
func (w *World) load(seed uint64) error {
	if w.folder != nil {
		if err := w.read(); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	w.state = begin(w.scn, seed, w.clock.Now())
	return nil
}

// stateMost is the most bytes that a state may have: many times that of a long rehearsal.
const stateMost = 64 << 20

// read takes over the state that is kept.
func (w *World) read() error {
	data, err := strict.ReadUpTo(w.stateFile(), stateMost)
	if err != nil {
		return fmt.Errorf("read the pretend world: %w", err)
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return fmt.Errorf("read the pretend world in %s: %w", w.stateFile(), err)
	}
	if s.Scenario != w.scn.Name || len(s.Happened) != len(w.scn.Events) {
		return fmt.Errorf("the pretend world in %s plays the scenario %q, not %q: use an empty folder", w.dir, s.Scenario, w.scn.Name)
	}
	w.state = s
	return nil
}

// save replaces the state's file. The state is locked.
func (w *World) save() error {
	if w.folder == nil || w.lost != nil {
		return w.lost
	}
	if err := w.folder.changes(); err != nil {
		return fmt.Errorf("save the pretend world: %w", err)
	}
	data, err := json.Marshal(w.state)
	if err != nil {
		return fmt.Errorf("save the pretend world: %w", err)
	}
	temp := w.stateFile() + ".new"
	if err := strict.WriteFile(temp, data, 0o644); err != nil {
		return fmt.Errorf("save the pretend world: %w", err)
	}
	if err := strict.Writable(w.stateFile()); err != nil {
		return fmt.Errorf("save the pretend world: %w", err)
	}
	if err := os.Rename(temp, w.stateFile()); err != nil {
		return fmt.Errorf("save the pretend world: %w", err)
	}
	return nil
}
