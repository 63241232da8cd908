package view

import (
	"cmp"
	"fmt"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Impact is what users get, from when on, as far as anybody has seen it or said it.
type Impact struct {
	// Began is since when users have been hurt; zero: nobody knows. Then Seen is when it
	// was seen first.
	Began time.Time
	Seen  time.Time
	// End is since when all of them have been served again; zero while some are not.
	End time.Time
	// Hurt says that users are hurt now, as far as is known.
	Hurt bool
	// Failing is the share of requests without a good answer, 0 to 1, as it was told
	// last; negative if it is not known.
	Failing float64
	// ByUs is since when orders have been stopped by this incident's own runs; zero if
	// they are not. ByUsEnd is when an order was seen to be taken again.
	ByUs, ByUsEnd time.Time
}

// Known says that there was an impact.
func (i Impact) Known() bool { return !i.Began.IsZero() || !i.Seen.IsZero() }

// From is since when users have been hurt as far as is known: what was said, or else
// when it was seen first. Zero if neither is.
func (i Impact) From() time.Time {
	if i.Began.IsZero() {
		return i.Seen
	}
	return i.Began
}

// For is how long users have been hurt, up to now; if nobody knows since when, at the
// least, for then it is counted from when it was seen. 0 if nobody saw or said it.
func (i Impact) For(now time.Time) time.Duration {
	from := i.From()
	if from.IsZero() {
		return 0
	}
	if !i.End.IsZero() {
		now = i.End
	}
	return max(0, now.Sub(from))
}

// Stopped says that orders are stopped by us now.
func (i Impact) Stopped() bool { return !i.ByUs.IsZero() && i.ByUsEnd.IsZero() }

// hurts says what a sighting shows; ok is false if it shows nothing.
func hurts(o incident.Sighting) (hurt, ok bool) {
	switch o.Verdict {
	case incident.Pass:
		return false, true
	case incident.Warn, incident.Fail:
		return true, true
	case incident.Unsure, incident.NotApplicable:
	}
	return false, false
}

// Users is what the watch of users told last, and of which run; nil if nothing is
// known: it told nothing yet, cannot find out any more, or the run that goes on has
// none.
func (v View) Users() *incident.Sighting {
	if len(v.Sightings) == 0 {
		return nil
	}
	last := &v.Sightings[len(v.Sightings)-1]
	if last.Run != v.Run.Name || last.Users == nil {
		return nil
	}
	return last
}

// Impact is what users get: from what people said, from what the watch of users sees,
// and from the moment at which we stopped those who take orders. Card, status, updates,
// App Home, review and results take it from here.
func (v View) Impact() Impact {
	i := Impact{Began: v.Began(), Failing: -1}
	i.ByUs, i.ByUsEnd = v.stopped()
	// What was seen: when it was not well first, and since when it has been as it is now.
	var known, hurt bool
	var since time.Time
	for _, o := range v.Sightings {
		h, ok := hurts(o)
		switch {
		case !ok:
			continue
		case h && i.Seen.IsZero():
			i.Seen = o.At
			if known && i.Began.IsZero() && !v.unsaid() {
				i.Began = o.At // all was well before, so this is when it began
			}
		}
		if !known || h != hurt {
			since = o.At
		}
		known, hurt = true, h
	}
	if o := v.Users(); o != nil {
		i.Failing = o.Users.Failing()
	}
	if !i.ByUs.IsZero() && (i.Seen.IsZero() || i.ByUs.Before(i.Seen)) {
		i.Seen = i.ByUs
		if known && i.Began.IsZero() && !v.unsaid() || i.ByUs.Before(i.Began) {
			i.Began = i.ByUs
		}
	}
	served := v.ServedAt()
	switch {
	case i.Stopped(), known && hurt:
		i.Hurt = i.Known()
	case known && served.IsZero():
		i.End = latest(since, i.ByUsEnd)
	case known:
		i.End = latest(served, i.ByUsEnd)
		if !i.Seen.IsZero() && since.After(i.End) { // they arrive by parts
			i.End = since
		}
	case !served.IsZero():
		i.End = latest(served, i.ByUsEnd)
	default:
		i.Hurt = i.Known()
	}
	if i.Hurt && !v.ResolvedAt.IsZero() {
		i.End = v.ResolvedAt // nobody looks any more
	}
	if !i.Known() || !i.End.IsZero() && !i.Began.IsZero() && i.End.Before(i.Began) {
		i.End = time.Time{}
	}
	return i
}

// unsaid says that a person said that nobody knows since when.
func (v View) unsaid() bool { return v.Corrected != nil && v.Corrected.Unknown }

func latest(times ...time.Time) (out time.Time) {
	for _, t := range times {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// stopped is since when orders have been stopped by a run that stopped those who write,
// from the call on, for who is told to stop takes no more. And when an order of users was
// first seen to be taken after the last of these calls, or those who write were started
// again.
func (v View) stopped() (from, until time.Time) {
	var last time.Time
	var again []time.Time
	for _, r := range v.Runs {
		if r.Kind.Apart() { // what it stops, it stops where no users are
			continue
		}
		for id, st := range r.Steps {
			switch writers := r.Shows(id, incident.WritersStopped); {
			case writers && r.Kind == incident.Undo && st.Status == incident.Done:
				again = append(again, st.Ended)
			case writers && r.Kind != incident.Undo && (st.Changed || st.Intended != nil):
				left := cmp.Or(st.Left, st.Started)
				if from.IsZero() || left.Before(from) {
					from = left
				}
				last = latest(last, left)
			case r.Shows(id, incident.OrdersFlow) && st.Status == incident.Done,
				r.Shows(id, incident.UsersServed) && st.Status == incident.Done && !orders(r): // a runbook that tries no order
				again = append(again, st.Ended)
			}
		}
	}
	for _, t := range again {
		if t.After(last) && (until.IsZero() || t.Before(until)) {
			until = t
		}
	}
	if from.IsZero() {
		until = time.Time{}
	}
	return from, until
}

// orders says that a step of the run tries an order of users.
func orders(r *incident.Run) bool { return r.Proves(incident.OrdersFlow) }

// apart is the newest run that moves no user of the platform, where the incident's newest
// run is that, or takes it back; nil otherwise.
func (v View) apart() *incident.Run {
	r := v.Run
	if r.Kind == incident.Undo {
		r = v.RunOf(v.Follows)
	}
	if r == nil || !r.Kind.Apart() {
		return nil
	}
	return r
}

// serversOut says that a run took servers from their users, and neither it nor one that
// takes it back has led users to them again.
func (v View) serversOut(r *incident.Run) bool {
	shown := func(t incident.Trait) bool {
		for _, st := range r.Steps {
			if r.Shows(st.ID, t) && st.Status == incident.Done {
				return true
			}
		}
		return false
	}
	if !shown(incident.ServersOut) || shown(incident.ServersLed) {
		return false
	}
	if v.Run == r || v.Ended.How != "done" {
		return true
	}
	for _, st := range v.Steps { // of the run that took it back
		if st.Status == incident.Skipped {
			return true
		}
	}
	return false
}

// Served says whether users were seen to be served, and if not, why not, as a clause.
// An incident whose runs watch nobody is taken to be served once it is mitigated.
func (v View) Served() (ok bool, why string) {
	apart := v.apart()
	switch {
	case apart != nil && v.serversOut(apart):
		return false, "the servers were taken out of their target groups by us, and were not led to again"
	case apart != nil:
		return true, "" // users of the platform stay where they are
	case v.Impact().Stopped():
		return false, "orders are stopped by us, and none was seen to be taken since"
	case v.Users() != nil:
		o := v.Users()
		switch o.Verdict {
		case incident.Pass, incident.Warn:
			return true, ""
		case incident.Fail, incident.Unsure, incident.NotApplicable:
		}
		return false, o.Summary
	case v.Proves(incident.UsersWatched):
		return false, "it is not known what users get"
	case !v.MitigatedAt.IsZero():
		return true, ""
	}
	return false, "nobody has seen that users are served"
}

// GoneBack are those who sent users to the target and send them to the Region that was
// left again, as the watch of users told last.
func (v View) GoneBack() []string {
	if o := v.Users(); o != nil && v.ResolvedAt.IsZero() {
		return o.Users.Back
	}
	return nil
}

// GoneBackSince is since when it has been so; zero if it is not.
func (v View) GoneBackSince() (since time.Time) {
	for _, o := range v.Sightings {
		switch {
		case o.Users == nil:
		case o.Run != v.Run.Name, len(o.Users.Back) == 0:
			since = time.Time{}
		case since.IsZero():
			since = o.At
		}
	}
	return since
}

// Percent is a share as people read it.
func Percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
