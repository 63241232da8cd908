package slack

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
)

// Keys of what is said.
const (
	keyCard       = "card"
	keyQuestion   = "question/"
	keyUpdate     = "update/"
	keyThread     = "thread/"
	keyBack       = "back/"
	keyBreakGlass = "break-glass/"
	keyVolatile   = "volatile"
	keyGoneBack   = "gone-back/"
	keyDiverged   = "diverged/"
	keyLost       = "lost/"
	keyReview     = "review"
	keyFile       = "review-file"
)

// ReviewFile is the key under which it is remembered where the uploaded review draft
// is: the last thing that is said about an incident.
const ReviewFile = keyFile

// blockBelow begins the block ids of the buttons below an update.
const blockBelow = "below/"

const (
	// replaceEvery is the least time between two states of the card, and between
	// two batches in its thread.
	replaceEvery = 2 * time.Second
	// refreshEvery keeps the durations on the card true while nothing happens.
	refreshEvery = 30 * time.Second
	// updateApart is the least time between two updates while the run goes on:
	// steps that end within it are told together.
	updateApart = 10 * time.Second
	// slowApart is the least time between an update and one that only says what
	// takes longer than usual: what becomes slow within it is told together.
	slowApart = 2 * time.Minute
	// orphan is how long a finished incident that nobody carries has to be left
	// alone before this replica says what is missing.
	orphan = 10 * time.Second
	// slowest is how long the follower waits at most before it tries Slack again.
	slowest = 30 * time.Second
)

// follower makes Slack show one incident. All it knows can be worked out again
// from the timeline and the channel.
type follower struct {
	b   *Face
	id  incident.ID
	log zerolog.Logger

	ownership   ownership
	pinAndTopic *pinAndTopic
	wakeUp      wakeUp

	// What is in the channel.
	begun    bool
	searched bool // the channel was searched since something may have been posted unseen
	posted   map[string]string
	rendered map[string]string
	refused  map[string]bool // refused for good
	unlogged map[string]post
	files    map[string]bool

	// What is still to be shown.
	read     uint64
	lines    []detail
	dirty    bool
	cardAt   time.Time
	threadAt time.Time
	phases   int // the update that was last posted: update/<phases>.<again>
	again    int
	next     time.Time
	updateAt time.Time       // when that was, in this process
	updates  map[string]post // those that have buttons
	newest   string          // of all, by timestamp: the only one that should
	newestTS string
	uploads  int
	fails    int

	// What was said about a record that could not be reached: since when, by what its
	// key says; which of those were answered; and what the card says of it.
	aways    map[string]time.Time
	answered map[string]bool
	stale    time.Time
	since    time.Time // of the declaration
}

func newFollower(b *Face, id incident.ID) *follower {
	f := &follower{
		b: b, id: id, log: b.log.With().Str("incident", string(id)).Logger(),
		ownership: ownership{b: b, id: id}, wakeUp: wakeUp{clock: b.clock},
	}
	f.pinAndTopic = newMarks(b, id, f.log, f.wakeUp.signal)
	return f
}

var errDue = errors.New("something is due")

// run follows until the incident is resolved and all is said, or ctx ends.
func (f *follower) run(ctx context.Context) {
	beside, stop := context.WithCancel(ctx)
	marked := make(chan struct{})
	f.b.spawn(f.b.clock.Busy(), func() {
		defer close(marked)
		f.pinAndTopic.run(beside)
	})
	done := false
	defer func() {
		if !done {
			stop()
		}
		resume := f.b.clock.Idle()
		<-marked
		resume()
		stop()
	}()
	defer f.b.opt.Outages.watch(f.id, f.wakeUp.signal)()
	f.follow(ctx)
	done = true
}

func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		seq, wait, done, err := f.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case done:
			f.log.Debug().Msg("all is said")
			f.finish(ctx)
			return
		case err != nil:
			// Slack, or the record, is out of reach. The run goes on without us.
			f.fails++
			wait = min(slowest, time.Second<<min(f.fails-1, 5))
			f.log.Warn().Err(err).Dur("again_in", wait).Msg("the channel does not show the newest state")
			if f.wakeUp.sleep(ctx, wait, nil) != nil {
				return
			}
			continue
		}
		f.fails = 0
		f.wait(ctx, seq, wait)
	}
}

// wait returns when there are events after seq, or when wait is over.
func (f *follower) wait(ctx context.Context, seq uint64, wait time.Duration) {
	if !f.b.opt.Outages.of(f.id).IsZero() {
		_ = f.wakeUp.sleep(ctx, wait, nil)
		return
	}
	err := f.wakeUp.sleep(ctx, wait, func(ctx context.Context) error { return f.b.opt.Book.Log().Wait(ctx, f.id, seq) })
	if err != nil {
		f.log.Debug().Err(err).Msg("the record cannot be waited for")
		_ = f.wakeUp.sleep(ctx, time.Second, nil)
	}
}

// pass does what is to be done now. It says up to which event that is, and how long
// nothing else is to be done before there is a later one.
func (f *follower) pass(ctx context.Context) (seq uint64, wait time.Duration, done bool, err error) {
	if since := f.b.opt.Outages.of(f.id); !since.IsZero() && f.begun {
		return 0, slowest, false, f.outage(ctx, since)
	} else if since.IsZero() && f.begun {
		if err := f.back(ctx); err != nil {
			return 0, 0, false, err
		}
	}
	var o outlook
	err = f.b.opt.Book.View(ctx, f.id, func(s *incident.State) {
		o.seq, o.declared, o.resolved = s.Seq, !s.DeclaredAt.IsZero() || s.Gone(), !s.ResolvedAt.IsZero()
		o.ours = f.ownership.ours(s)
	})
	switch {
	case err != nil:
		return 0, 0, false, err
	case !o.declared:
		return o.seq, lookout, false, nil
	case !o.ours:
		f.begun = false
		f.pinAndTopic.wish(desired{})
		return o.seq, lookout, f.saidByOthers(ctx), nil
	}
	if !f.begun {
		if err := f.begin(ctx); err != nil {
			return 0, 0, false, err
		}
	}
	if o.seq < f.read { // the record was set back
		f.read, f.dirty = o.seq, true
	}
	if err := f.catchUp(ctx); err != nil {
		return 0, 0, false, err
	}
	if err := f.b.opt.Book.View(ctx, f.id, func(s *incident.State) { f.look(s, &o) }); err != nil {
		return 0, 0, false, err
	}
	if err := f.recordAll(ctx); err != nil {
		return 0, 0, false, err
	}
	for _, j := range o.jobs {
		if err := f.say(ctx, j); err != nil {
			return 0, 0, false, err
		}
		f.said(j)
	}
	if err := f.details(ctx, &o); err != nil {
		return 0, 0, false, err
	}
	f.pinAndTopic.wish(desired{ours: true, card: f.posted[keyCard], head: o.head, topic: o.topic})
	// The State may be newer than what was read for the thread: that is read first.
	newest := f.read >= o.seq
	if o.review != nil && newest && !f.dirty && len(f.lines) == 0 {
		if err := f.review(ctx, o); err != nil {
			return 0, 0, false, err
		}
	}
	return f.read, o.wait, o.resolved && newest && f.complete(), nil
}

// longOver is after what time nobody looks any more whether the pin and topic of a resolved
// incident were taken away: what is pinned there later a person has pinned.
const longOver = time.Hour

// finish takes the pin and topic away. It does so too for an incident about which another
// replica said the last word, in case that one died right after it; but leaves it
// the time to do so itself.
func (f *follower) finish(ctx context.Context) {
	if !f.begun && f.b.clock.Sleep(ctx, orphan) != nil {
		return
	}
	for {
		w := desired{ours: true, last: true}
		places, err := f.b.opt.Book.Log().Remembered(ctx, f.id)
		if err == nil {
			err = f.b.opt.Book.View(ctx, f.id, func(s *incident.State) {
				w.card, w.head = places[keyCard].TS, f.b.viewOf(s).topicHead()
				if !s.ResolvedAt.IsZero() && f.b.clock.Now().Sub(s.ResolvedAt) > longOver && !f.begun {
					w.card = ""
				}
			})
		}
		if err == nil {
			f.pinAndTopic.wish(w)
			return
		}
		f.log.Debug().Err(err).Msg("the record cannot be read, so the pin and the topic stay as they are")
		if f.b.clock.Sleep(ctx, slowest) != nil {
			return
		}
	}
}

// saidByOthers says that another replica has said the last there is to say.
func (f *follower) saidByOthers(ctx context.Context) (said bool) {
	places, err := f.b.opt.Book.Log().Remembered(ctx, f.id)
	if err != nil {
		return false
	}
	_, said = places[keyFile]
	return said
}

// complete says that a resolved incident has nothing more to show.
func (f *follower) complete() bool {
	if f.dirty || len(f.lines) > 0 || len(f.unlogged) > 0 {
		return false
	}
	gone := false
	f.b.opt.Book.Known(f.id, func(s *incident.State) { gone = s.Gone() })
	return f.b.opt.Review == nil || gone || f.posted[keyFile] != "" || f.refused[keyFile]
}
