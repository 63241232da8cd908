// Package slack is Slack, and the only package that speaks it: a socket through
// which people ask, and messages that follow the timeline.
//
// Inward, an envelope is acknowledged at once through the connection it came by,
// handed to a goroutine of its own, and becomes a commands.Ask that says who
// pressed what. Whether they may, and whether the question still stands, is
// decided there and not here: a button carries an incident and an id.
//
// Outward, the bot is a follower. Each open incident has one goroutine that looks
// at the State after every event and makes Slack show it: one card that is
// rendered and replaced, a message for each question, results in the card's
// thread, the regular update. Nothing calls the bot to announce anything, so the
// run never waits for Slack, and a bot that was killed makes up for what it has
// missed. What was said where is kept beside the timeline (Log.Remember); what a dying
// bot said and could not write down is found by the metadata that every message
// carries. So each thing is said once.
//
// Beside the messages the card is pinned, the channel's topic says where things
// stand, and App Home shows each person what waits for them. These have goroutines
// of their own, which nothing waits for; where Slack refuses them, for want of a
// scope or otherwise, that is logged once and the rest goes on.
//
// When Slack is down the follower tries again, ever more slowly, and then shows
// the present and not the past. When one message is refused it is said in plain
// text. When a token is no good, Run ends and says which.
package slack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/view"
	"github.com/failoverbot/failoverbot/templates"
)

// Commands answer what people ask.
type Commands interface {
	Do(ctx context.Context, ask commands.Ask) commands.Answer
}

// Options are what a Face needs.
type Options struct {
	Client *Client
	// Channel is the id of the channel in which incidents are followed.
	Channel  string
	Commands Commands
	Book     *incident.Book
	Clock    incident.Clock
	// Roster is who may answer, and so who is mentioned.
	Roster incident.Roster
	// OnCallGroup is the id of the user group that the first post of an incident mentions;
	// empty: none.
	OnCallGroup string
	// Support is the id of whoever of support is told of an incident: a person, a user
	// group or a channel; empty: nobody.
	Support string
	// Rehearsal begins every message with REHEARSAL.
	Rehearsal bool
	// Holds says whether this replica carries that run out: only it posts. Nil
	// means that there is only this one.
	Holds func(incident.ID) bool
	// Outages say when the record cannot be reached. Nil: nobody finds out, so nothing
	// is said about it.
	Outages *Outages
	// Review writes the review draft of a resolved incident. Nil: there is none.
	Review func(ctx context.Context, id incident.ID) (commands.File, error)
	// Command is what the app's slash command is called in this workspace; /failover
	// when empty.
	Command string
	// UpdateEvery is how often the regular update goes out when nothing changes;
	// 15 minutes when zero.
	UpdateEvery time.Duration
	// Templates has the folder message; nil means the ones in the binary.
	Templates fs.FS
}

// Face shows the incidents in Slack and hears what people ask there. Run runs it.
type Face struct {
	opt      Options
	client   *Client
	clock    incident.Clock
	log      zerolog.Logger
	words    words
	face     mrkdwn // how what commands say is shown
	requests *dedup

	workers sync.WaitGroup
	up      atomic.Int32
	app     atomic.Pointer[string] // as hello says it; nil before the first
	people  *people

	asking    sync.Mutex // by whoever shows what people are asked
	mu        sync.Mutex
	origins   map[string]place   // view id: where it was opened from
	later     map[question]place // where it was asked last
	plans     view.Plans
	planViews map[*runbook.Plan]*planView
	watched   map[incident.ID]bool
	follow    func(incident.ID) // nil before Run

	topics   map[string]string    // what was there before that incident
	without  map[string]bool      // parts of Slack that do not work
	shrugged map[string]bool      // what was logged about them
	swamped  map[string]time.Time // person: when they were told that answers are left out

	homes *homes
}

// New makes a Face, or says what is wrong with the options.
func New(o Options, log zerolog.Logger) (*Face, error) {
	var faults []error
	if o.Client == nil || o.Commands == nil || o.Book == nil || o.Clock == nil {
		faults = append(faults, errors.New("the bot needs a Slack client, commands, a book and a clock"))
	}
	if o.Channel == "" {
		faults = append(faults, errors.New("the bot needs the id of the incident channel (C…)"))
	}
	if o.UpdateEvery < 0 {
		faults = append(faults, fmt.Errorf("the time between updates cannot be %s: give 15m, or leave it out", o.UpdateEvery))
	}
	if o.UpdateEvery == 0 {
		o.UpdateEvery = 15 * time.Minute
	}
	if o.Templates == nil {
		o.Templates = templates.FS
	}
	if o.Outages == nil {
		o.Outages = NewOutages()
	}
	if o.Holds == nil {
		o.Holds = func(incident.ID) bool { return true }
	}
	w, err := loadWords(o.Templates, o.Command)
	if err = errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	b := &Face{
		opt: o, client: o.Client, clock: o.Clock, log: log, words: w, face: mrkdwn{command: o.Command, user: o.userOf, called: o.nameOf}, requests: newDedup(),
		origins: map[string]place{}, later: map[question]place{}, planViews: map[*runbook.Plan]*planView{}, watched: map[incident.ID]bool{},
		topics: map[string]string{}, without: map[string]bool{}, shrugged: map[string]bool{},
	}
	b.face.called = b.called
	b.people, b.swamped = newPeople(b), map[string]time.Time{}
	b.homes = newHomes(b)
	return b, nil
}

// Connections is how many Socket Mode connections are open.
func (b *Face) Connections() int { return int(b.up.Load()) }

// Watch follows an incident from now on. It may be called at any time, from
// anywhere and more than once; the bot also finds incidents by itself within two
// seconds.
func (b *Face) Watch(id incident.ID) {
	if id == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watched[id] {
		return
	}
	b.watched[id] = true
	b.homes.wakeUp.signal()
	if b.follow != nil {
		b.follow(id)
	}
}

// Run listens and follows until ctx ends or Slack says that a token is no good.
// It returns when all it started has ended.
func (b *Face) Run(ctx context.Context) error {
	defer b.clock.Busy()()
	outer := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	b.mu.Lock()
	b.follow = func(id incident.ID) {
		b.spawn(b.clock.Busy(), func() { b.shadow(ctx, id) })
	}
	for id := range b.watched {
		b.follow(id)
	}
	b.mu.Unlock()

	var sockets sync.WaitGroup
	for n := range connections {
		sockets.Go(func() { // waits for the socket only, so it is never busy
			if err := b.connect(ctx, n+1); err != nil {
				stop(err)
			}
		})
	}
	b.spawn(b.clock.Busy(), func() { b.discover(ctx) })
	b.spawn(b.clock.Busy(), func() { b.homes.run(ctx) })
	b.spawn(b.clock.Busy(), func() { b.people.keep(ctx) })
	b.spawn(b.clock.Busy(), func() { b.watchPlatform(ctx) })

	resume := b.clock.Idle()
	<-ctx.Done()
	// Nobody follows anything new from here, so waiting for the rest ends.
	b.mu.Lock()
	b.follow = nil
	b.mu.Unlock()
	sockets.Wait()
	b.workers.Wait()
	resume()
	if outer.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// lookout is how often the bot looks for an incident that it was not told of.
const lookout = 2 * time.Second

// discover follows the incidents that are open, and at first also the last ones
// before it: one may have been resolved while nobody was there to say so.
func (b *Face) discover(ctx context.Context) {
	for ctx.Err() == nil {
		ids, err := b.opt.Book.Log().Incidents(ctx, 2)
		if err == nil {
			for _, id := range ids {
				b.Watch(id)
			}
			break
		}
		b.log.Warn().Err(err).Msg("the record cannot be read")
		if b.clock.Sleep(ctx, lookout) != nil {
			return
		}
	}
	for ctx.Err() == nil {
		b.look(ctx)
		if b.clock.Sleep(ctx, lookout) != nil {
			return
		}
	}
}

func (b *Face) look(ctx context.Context) {
	open, err := b.opt.Book.Open(ctx)
	if err == nil && len(open) == 0 { // one may have begun and ended since the last look
		open, err = b.opt.Book.Log().Incidents(ctx, 1)
	}
	if err != nil {
		b.log.Debug().Err(err).Msg("the open incidents cannot be read")
		return
	}
	for _, id := range open {
		b.Watch(id)
	}
}

// shadow follows one incident to its end; if that breaks off, discover begins it
// again.
func (b *Face) shadow(ctx context.Context, id incident.ID) {
	ended := false
	defer func() {
		if !ended {
			b.mu.Lock()
			delete(b.watched, id)
			b.mu.Unlock()
		}
	}()
	newFollower(b, id).run(ctx)
	ended = true
}

// userOf is the Slack user id of whoever an event names, and nameOf their name.
func (o Options) userOf(actor string) string { return o.Roster.On(incident.FaceSlack, actor) }

func (o Options) nameOf(actor string) string {
	p, _ := o.Roster.ByID(actor)
	return p.Name
}

// plansKept bounds how many plans are kept arranged.
const plansKept = 16

// arranged is the plan of a State's newest run, worked out once.
func (b *Face) arranged(s *incident.State) *planView {
	p, err := b.plans.Of(s)
	if err != nil {
		b.log.Error().Err(err).Msg("the plan on the timeline cannot be read; the card shows no sections")
		return arrange(&runbook.Plan{})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.planViews[p]; f != nil {
		return f
	}
	if len(b.planViews) >= plansKept {
		clear(b.planViews)
	}
	f := arrange(p)
	b.planViews[p] = f
	return f
}

// viewOf is what there is to see now. s is shown by Book.View and not kept.
func (b *Face) viewOf(s *incident.State) incidentView {
	plan := b.arranged(s)
	return incidentView{View: view.New(s, plan.Plan, b.opt.Roster, b.clock.Now()), plan: plan, practice: b.opt.Rehearsal || s.Declared.Rehearsal}
}

// ofRun is the view of a former run of the same incident: its questions are shown as
// they stand in it.
func (b *Face) ofRun(v incidentView, run incident.RunID) incidentView {
	former := v.RunOf(run)
	if former == nil || former == v.Run {
		return v
	}
	s := *v.State
	s.Run = former
	return b.viewOf(&s)
}
