package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
)

const (
	// detectWithin bounds the reads of one pass, so that the next one is not late.
	detectWithin = 8 * time.Second
	// detectLease is for how long the lease of who watches is taken; each pass renews it.
	detectLease = 45 * time.Second
)

// Detection says whether and how the bot watches by itself whether a failover is to be
// proposed.
type Detection struct {
	// Off: it does not.
	Off bool
	detect.Settings
	// Control are addresses, host:port, that lie in neither Region: while none of them can be
	// reached, nor either Region, the bot itself is cut off. Empty: the resolvers and the
	// name servers of the settings.
	Control []string
}

// detection watches, on one replica at a time and while no run changes anything. What it
// finds is on the platform log; what it keeps in memory is found again within half a minute.
type detection struct {
	settings detect.Settings
	topology runbook.Topology
	readers  []detect.Reader
	book     *incident.Book
	clock    incident.Clock
	holder   string
	gone     func(holder string) bool
	// answers says whether the source can still be asked for a planned failover.
	answers func(ctx context.Context, p detect.Pair) bool
	// tell shows in the channel what stands on the platform log, once however often it is
	// called.
	tell   func(ctx context.Context) error
	failed func(err error, doing string)
	// cutOff is told whether the bot is cut off, and by what that is known.
	cutOff func(why string)

	detector detect.Detector
	due      map[detect.Kind]time.Time
	token    uint64
	recalled bool
	told     uint64 // what was shown up to
	source   string // the Region that was taken to serve last
	wasOff   bool
}

func (b *Bot) watching() *detection {
	return &detection{
		settings: b.Detection.Settings, topology: b.Topology, readers: providers.Signals(b.Connections, b.Detection.Control),
		book: b.Book, clock: b.Clock, holder: b.Engine.Holder, gone: gone, answers: b.sourceAnswers,
		tell: func(ctx context.Context) error {
			if f := b.talks.Load(); f != nil {
				return f.TellProposals(ctx)
			}
			return errors.New("Slack has not been reached yet")
		},
		failed: func(err error, doing string) { b.log.Warn().Err(err).Msg(doing) },
		cutOff: func(why string) {
			b.cutOff.Store(&why)
			if why != "" {
				b.log.Warn().Msg(why)
				return
			}
			b.log.Info().Msg("the platform is seen from here again")
		},
	}
}

// sourceAnswers says whether a planned failover away from a Region is possible as far as that
// one has to answer: what watches it in a planned run is asked.
func (o Options) sourceAnswers(catalog engine.Catalog) func(ctx context.Context, p detect.Pair) bool {
	return func(ctx context.Context, p detect.Pair) bool {
		call := engine.Call{
			Plan:  &runbook.Plan{Mode: "planned", Topology: o.Topology, Source: p.Source, Target: p.Target},
			Began: o.Clock.Now(), Clock: o.Clock,
		}
		for _, a := range catalog.Showing(incident.SourceAnswers) {
			if _, answers, err := a.Look(ctx, call); err != nil || !answers {
				return false
			}
		}
		return true
	}
}

// run returns when ctx ends.
func (d *detection) run(ctx context.Context) error {
	defer d.clock.Busy()()
	defer d.giveBack(ctx)
	for {
		began := d.clock.Now()
		if err := d.pass(ctx); err != nil && ctx.Err() == nil {
			d.failed(err, "what is watched is not on the record or not told; it is tried again")
		}
		if err := d.clock.Sleep(ctx, max(time.Second, detect.Often-d.clock.Now().Sub(began))); err != nil {
			return err
		}
	}
}

// giveBack lets another replica watch at once.
func (d *detection) giveBack(ctx context.Context) {
	if d.token == 0 {
		return
	}
	if err := d.book.Log().Release(context.WithoutCancel(ctx), incident.DetectionLease, d.token); err != nil {
		d.failed(err, "the lease of who watches was not given back; it runs out")
	}
}

// pass is one look at all that is due.
func (d *detection) pass(ctx context.Context) error {
	if ours, err := d.leads(ctx); err != nil || !ours {
		return err
	}
	holder, err := d.book.Log().Holder(ctx)
	if err != nil {
		return err
	}
	if holder != (incident.Holder{}) {
		// What a run moves is watched by its own steps, and is no outage.
		d.detector.Forget()
		d.due = nil
		return errors.Join(d.takenUp(ctx, holder.Incident), d.show(ctx))
	}
	if err := d.recall(ctx); err != nil {
		return err
	}
	pair, ok := d.pair()
	if !ok {
		return nil
	}
	d.read(ctx, pair)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // told to stop: what was not found out says nothing
	}
	now := d.clock.Now()
	if pair, ok = d.pair(); !ok {
		return nil
	}
	s := d.detector.Assess(now, pair.Source.Name, pair.Target.Name)
	d.say(s)
	if err := d.keep(ctx, pair, s); err != nil {
		return err
	}
	return d.show(ctx)
}

// leads takes or renews the lease of who watches. That of a replica that is gone, or that
// has run out by any clock, is taken over.
func (d *detection) leads(ctx context.Context) (bool, error) {
	log, now := d.book.Log(), d.clock.Now()
	if d.token != 0 {
		err := log.Renew(ctx, incident.DetectionLease, d.token, now, detectLease)
		if err == nil || !errors.Is(err, incident.ErrFenced) {
			return err == nil, err
		}
		d.token = 0 // another replica has it
	}
	bid := incident.Bid{Holder: d.holder, Now: now, TTL: detectLease}
	token, err := log.Acquire(ctx, incident.DetectionLease, bid)
	if held, isHeld := errors.AsType[*incident.LeaseHeldError](err); isHeld {
		if now.Before(held.Lease.Until.Add(assessSkew)) && !d.gone(held.Lease.Holder) {
			return false, nil
		}
		bid.Over, bid.Above = held.Lease, held.Lease.Token
		token, err = log.Acquire(ctx, incident.DetectionLease, bid)
	}
	if errors.Is(err, incident.ErrLeaseHeld) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d.token, d.recalled, d.told = token, false, 0
	d.detector, d.due = detect.Detector{Settings: d.settings}, nil
	return true, nil
}

// recall takes over what the record has of the signals.
func (d *detection) recall(ctx context.Context) error {
	if d.recalled {
		return nil
	}
	err := d.book.View(ctx, incident.PlatformLog, func(st *incident.State) {
		if st.Platform == nil {
			return
		}
		for _, seen := range st.Platform.Signals {
			last := seen[len(seen)-1]
			if last.Kind == string(detect.Writer) && last.Region != "" {
				d.source = last.Region
			}
			d.detector.Recall(detect.Signal{Kind: detect.Kind(last.Kind), Region: last.Region, Measured: last.Measured})
		}
	})
	d.recalled = err == nil
	return err
}

// pair is the Region that serves and the one that would take over. The one that writes
// serves; while nobody tells, the one that did last, and home at the beginning.
func (d *detection) pair() (detect.Pair, bool) {
	if writes := d.detector.Writes(d.clock.Now()); writes != "" {
		d.source = writes
	}
	if _, there := d.topology.Regions[d.source]; !there {
		d.source = d.topology.Home
	}
	p := detect.Pair{Topology: d.topology}
	for name, r := range d.topology.Regions {
		r.Name = name
		if name == d.source {
			p.Source = r
		} else {
			p.Target = r
		}
	}
	return p, p.Source.Name != "" && p.Target.Name != "" && len(d.topology.Regions) == 2
}

// read reads what is due, all at once.
func (d *detection) read(ctx context.Context, pair detect.Pair) {
	now := d.clock.Now()
	if d.due == nil {
		d.due = map[detect.Kind]time.Time{}
	}
	var due []detect.Reader
	for _, r := range d.readers {
		if now.Before(d.due[r.Kind]) {
			continue
		}
		// A pass that begins a moment early is the pass of that moment.
		d.due[r.Kind] = now.Add(r.Kind.Every() - time.Second)
		due = append(due, r)
	}
	bounded, stop := d.clock.WithTimeout(ctx, detectWithin, fmt.Errorf("no answer within %s", detectWithin))
	defer stop()
	found := make([][]detect.Signal, len(due))
	incident.Together(d.clock, len(due), func(i int) { found[i] = due[i].Read(bounded, pair) })
	now = d.clock.Now()
	for _, s := range slices.Concat(found...) {
		d.detector.Observe(now, s)
	}
}

// say tells this replica's own health.
func (d *detection) say(s detect.Situation) {
	if s.CutOff == d.wasOff {
		return
	}
	d.wasOff = s.CutOff
	why := ""
	if s.CutOff {
		why = "neither Region is reached from here, nor anything outside them: the bot itself is cut off, so nothing is proposed from what it sees; look at its network"
	}
	d.cutOff(why)
}

// keep puts on the record what has changed: verdicts, and what is proposed.
func (d *detection) keep(ctx context.Context, pair detect.Pair, s detect.Situation) error {
	now := d.clock.Now()
	turned := d.detector.Changed(now)
	var changed []incident.Body
	for _, one := range turned {
		changed = append(changed, incident.SignalObserved{
			Signal: one.Name(), Kind: string(one.Kind), Region: one.Region, Summary: one.Summary, Measured: one.Measured,
		})
	}
	var stands *incident.Proposal
	var last time.Time
	err := d.book.View(ctx, incident.PlatformLog, func(st *incident.State) {
		for _, q := range st.Platform.Latest(1) {
			copied := *q
			if stands = &copied; q.Answer != "" {
				stands, last = nil, q.AnsweredAt
			}
		}
	})
	if err != nil {
		return err
	}
	cooled := last.IsZero() || now.Sub(last) >= d.settings.Full().CoolDown
	var next incident.Body
	switch {
	case stands == nil && s.Propose && cooled:
		next = d.proposal(ctx, pair, s)
	case stands != nil && stands.Source != pair.Source.Name:
		next = incident.ProposalAnswered{Proposal: stands.Proposal, Answer: incident.ProposalWithdrawn, Reason: "the writer of the database is in " + pair.Source.Name + " by now"}
	case stands != nil && s.Well:
		next = incident.ProposalAnswered{Proposal: stands.Proposal, Answer: incident.ProposalWithdrawn, Reason: "the signals are well again"}
	case stands != nil && s.Propose && (s.Moved && !stands.Moved || more(s, stands)):
		anew := d.proposal(ctx, pair, s)
		anew.Proposal, anew.Began = stands.Proposal, stands.Began
		next = anew
	}
	if err := d.write(ctx, changed, next); err != nil {
		return err
	}
	d.detector.Kept(turned)
	return nil
}

// more says that a signal agrees that did not when it was proposed.
func more(s detect.Situation, stands *incident.Proposal) bool {
	return slices.ContainsFunc(s.Bad, func(b detect.Standing) bool { return !slices.Contains(stands.Signals, b.Name()) })
}

// write appends what has changed, and what follows for a proposal unless another replica, or
// a person, was first.
func (d *detection) write(ctx context.Context, changed []incident.Body, next incident.Body) error {
	if len(changed) == 0 && next == nil {
		return nil
	}
	_, err := d.book.Decide(ctx, incident.PlatformLog, func(st *incident.State) (incident.Write, error) {
		bodies := slices.Clone(changed)
		stands := st.Platform.Proposed()
		switch b := next.(type) {
		case incident.FailoverProposed:
			if b.Proposal == "" && stands == nil {
				b.Proposal = fmt.Sprintf("p%d", st.Seq+1)
				bodies = append(bodies, b)
			} else if stands != nil && stands.Proposal == b.Proposal {
				bodies = append(bodies, b)
			}
		case incident.ProposalAnswered:
			if stands != nil && stands.Proposal == b.Proposal {
				bodies = append(bodies, b)
			}
		}
		var w incident.Write
		for _, b := range bodies {
			w.Events = append(w.Events, incident.Event{Time: d.clock.Now(), Actor: incident.Bot, Body: b})
		}
		return w, nil
	})
	return err
}

// proposal is what the signals have a failover proposed as: planned where the source still
// answers.
func (d *detection) proposal(ctx context.Context, pair detect.Pair, s detect.Situation) incident.FailoverProposed {
	bounded, stop := d.clock.WithTimeout(ctx, detectWithin, fmt.Errorf("no answer within %s", detectWithin))
	defer stop()
	out := incident.FailoverProposed{Source: pair.Source.Name, Target: pair.Target.Name, Mode: "unplanned", Moved: s.Moved, Began: s.Began}
	if d.answers(bounded, pair) {
		out.Mode = "planned"
	}
	for i, one := range slices.Concat(s.Bad, s.Others) {
		if i < len(s.Bad) {
			out.Signals = append(out.Signals, one.Name())
		}
		out.Seen = append(out.Seen, incident.SignalSeen{Signal: one.Name(), Summary: one.Summary, Verdict: one.Verdict, AsOf: one.AsOf, Since: one.Since})
	}
	out.Summary = fmt.Sprintf("%s is not well by %s: %s", out.Source, text.Count(len(out.Signals), "signal"), strings.Join(out.Signals, ", "))
	if s.Moved {
		out.Summary = fmt.Sprintf("Route 53 has moved users to %s, and the database writes in %s: orders fail until it is promoted", out.Target, out.Source)
	}
	return out
}

// takenUp answers what stands: a run has begun.
func (d *detection) takenUp(ctx context.Context, id incident.ID) error {
	var stands string
	if err := d.book.View(ctx, incident.PlatformLog, func(st *incident.State) {
		if q := st.Platform.Proposed(); q != nil {
			stands = q.Proposal
		}
	}); err != nil || stands == "" {
		return err
	}
	return d.write(ctx, nil, incident.ProposalAnswered{Proposal: stands, Answer: incident.ProposalStarted, Incident: id})
}

// show tells in the channel what is new on the platform log.
func (d *detection) show(ctx context.Context) error {
	var seq uint64
	var made bool
	if err := d.book.View(ctx, incident.PlatformLog, func(st *incident.State) { seq, made = st.Seq, len(st.Platform.Latest(1)) > 0 }); err != nil {
		return err
	}
	if !made || seq == d.told {
		return nil
	}
	if err := d.tell(ctx); err != nil {
		return fmt.Errorf("tell what is proposed: %w", err)
	}
	d.told = seq
	return nil
}
