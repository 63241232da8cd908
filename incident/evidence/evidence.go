// Package evidence answers an auditor: which runs and drills there were, what each
// achieved, and what of the failback control that proves, bullet by bullet, with the
// events that it stands on.
//
// Everything is worked out from timelines, whose chains are checked first: same events,
// same report. What no event shows is said to be not tested; nothing is assumed.
package evidence

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// Timeline is the timeline of an incident, as it was read.
type Timeline struct {
	ID     incident.ID
	Events []incident.Event
	// Unread says why not all of it could be read; nil if it was.
	Unread error
}

// Options are what a report needs besides timelines.
type Options struct {
	// Since leaves out what was declared before; zero leaves out nothing.
	Since time.Time
	// Made is when the report is made.
	Made time.Time
	// Name turns an actor's id into the name people know; nil leaves ids as they are.
	Name func(id string) string
}

// Report is all of it. Its JSON is stable: fields are added and keep their meaning.
type Report struct {
	Platform string    `json:"platform,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Made     time.Time `json:"made"`
	// Runs, the newest first.
	Runs []Run `json:"runs"`
	// Drills are those that changed nothing, the newest first: no figure of a run is made
	// of them, and they prove no bullet.
	Drills []Held `json:"drills"`
	// Control are the bullets of the failback control, in its order.
	Control []Bullet `json:"control"`
	// Timelines are the records that it was made from.
	Timelines []Checked `json:"timelines"`
}

// Held is a drill that stands on the platform log.
type Held struct {
	Time  time.Time `json:"time"`
	By    string    `json:"by"`
	Scope string    `json:"scope"`
	// Says is what it came to.
	Says string `json:"says"`
	// Plan is the digest of the plan that was foreseen; empty where none was.
	Plan string `json:"plan,omitempty"`
	Seq  uint64 `json:"seq"`
}

// Checked is a timeline whose chain was verified.
type Checked struct {
	Incident incident.ID `json:"incident"`
	Events   int         `json:"events"`
	// Whole: each event follows the one before it, from the first.
	Whole bool `json:"whole"`
	// Head is the digest of the newest event: who keeps it can tell later that nothing
	// before it was changed.
	Head incident.Digest `json:"head,omitempty"`
	// Says is what is the matter with it, empty where nothing is.
	Says string `json:"says,omitempty"`
}

// Record is one event that proves something.
type Record struct {
	Incident incident.ID    `json:"incident"`
	Run      incident.RunID `json:"run,omitempty"`
	Seq      uint64         `json:"seq"`
	Time     time.Time      `json:"time"`
	Says     string         `json:"says"`
}

// Collector makes a report of timelines that come one after another, and keeps of each
// only what is told. It is safe for concurrent use.
type Collector struct {
	o Options

	mu        sync.Mutex
	runs      []*run
	drills    []Held
	timelines []Checked
}

// New begins a report.
func New(o Options) *Collector {
	if o.Name == nil {
		o.Name = func(id string) string { return id }
	}
	return &Collector{o: o}
}

// Add takes in one timeline. Of one whose chain is broken nothing is taken for proof; that
// it is broken is told. One that was declared before Since is left out.
func (c *Collector) Add(t Timeline) {
	if t.ID == incident.PlatformLog {
		c.addPlatform(t)
		return
	}
	checked, runs, ok := c.read(t)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timelines = append(c.timelines, checked)
	c.runs = append(c.runs, runs...)
}

// addPlatform takes in the drills of the platform log. Without any nothing is told of it,
// for what else it holds proves nothing here.
func (c *Collector) addPlatform(t Timeline) {
	checked, _ := check(t)
	var drills []Held
	for _, e := range t.Events {
		b, ok := e.Body.(incident.DrillHeld)
		if !ok || e.Time.Before(c.o.Since) {
			continue
		}
		h := Held{Time: e.Time, By: c.o.Name(e.Actor), Scope: b.Scope, Says: b.Result, Seq: e.Seq}
		if b.Foreseen != nil {
			h.Plan = b.Foreseen.Digest
		}
		drills = append(drills, h)
	}
	if len(drills) == 0 && t.Unread == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timelines = append(c.timelines, checked)
	if checked.Whole {
		c.drills = append(c.drills, drills...)
	}
}

// AddAll adds every incident that the log has, several at once, and the platform log. One that cannot be read is
// told in the report. An error means that the list of them could not be read, or that ctx
// ended.
func (c *Collector) AddAll(ctx context.Context, clock incident.Clock, log incident.Log) error {
	ids, err := log.Incidents(ctx, 0)
	if err != nil {
		return err
	}
	ids = append(ids, incident.PlatformLog)
	var next atomic.Int64
	incident.Together(clock, runtime.GOMAXPROCS(0), func(int) {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(ids) {
				return
			}
			events, err := log.Read(ctx, ids[i], 0, 0)
			c.Add(Timeline{ID: ids[i], Events: events, Unread: err})
		}
	})
	return context.Cause(ctx)
}

// Check verifies the chain of a timeline, from its first event.
func Check(t Timeline) Checked {
	checked, _ := check(t)
	return checked
}

func check(t Timeline) (Checked, *incident.State) {
	out := Checked{Incident: t.ID, Events: len(t.Events)}
	err := t.Unread
	if err == nil {
		err = incident.Verify(t.Events)
	}
	s := incident.Fold(t.Events)
	switch {
	case err != nil:
		out.Says = text.Bare(err)
	case s.Damage != "":
		out.Says = s.Damage
	case len(t.Events) == 0:
		out.Says = "it has no events"
	default:
		out.Whole, out.Head = true, t.Events[len(t.Events)-1].Position().Digest
	}
	if out.Whole && s.Diverged != nil {
		out.Says = "events that it had acknowledged were lost, and nobody has decided how to go on"
	}
	return out, s
}

func (c *Collector) read(t Timeline) (checked Checked, runs []*run, ok bool) {
	checked, s := check(t)
	switch {
	case !checked.Whole:
		return checked, nil, true
	case s.DeclaredAt.IsZero():
		checked.Whole, checked.Says = false, "it does not say that an incident was declared"
		return checked, nil, true
	case s.DeclaredAt.Before(c.o.Since):
		return checked, nil, false
	}
	index := indexed(t.Events)
	for _, r := range s.Runs {
		plan, err := view.Plan(r)
		if err != nil {
			checked.Says = fmt.Sprintf("the plan of %s cannot be read: %s", r.Name, text.Bare(err))
			continue
		}
		runs = append(runs, c.run(s, r, plan, index))
	}
	return checked, runs, true
}

// Report is what the timelines so far prove.
func (c *Collector) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &Report{Since: c.o.Since, Made: c.o.Made, Runs: make([]Run, len(c.runs)), Timelines: slices.Clone(c.timelines)}
	out.Drills = append([]Held{}, c.drills...)
	slices.SortFunc(out.Drills, func(a, b Held) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Seq, a.Seq)) })
	slices.SortFunc(out.Timelines, func(a, b Checked) int { return cmp.Compare(a.Incident, b.Incident) })
	runs := slices.SortedFunc(slices.Values(c.runs), func(a, b *run) int {
		return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(b.Incident, a.Incident), cmp.Compare(b.Run.Run, a.Run.Run))
	})
	for i, r := range runs {
		out.Platform = cmp.Or(out.Platform, r.platform)
		out.Runs[i] = r.Run
	}
	out.Control = answers(runs)
	return out
}
