package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// Point is something that is not as it should be. It follows from the record, so it is
// gone as soon as it is put right, or once somebody has closed it.
type Point struct {
	// ID is what a person types to close it.
	ID    string
	Title string
	// Since when it has been so.
	Since time.Time
	// Resolver that still sends users to the Region that was left; of such a point.
	Resolver string
	// Owner of what is to be done about it, a roster id or a role, until Due, and How; of
	// a task. All may be empty.
	Owner string
	Due   time.Time
	How   string
}

// Points are what is open: who is still sent to the Region that was left, services that
// may still write there, that there is no standby, and what people were left to do. One that somebody closed is not
// among them unless it came about anew after that.
func (v View) Points() []Point {
	var out []Point
	for _, p := range v.facts() {
		if closed, ok := v.Closed[p.ID]; !ok || p.Since.After(closed.At) {
			out = append(out, p)
		}
	}
	return out
}

func (v View) facts() []Point {
	var out []Point
	if o := v.Users(); o != nil {
		for _, r := range o.Users.Stale {
			out = append(out, Point{
				ID: pointID("resolver", r), Since: v.staleSince(r), Resolver: r,
				Title: fmt.Sprintf("%s still sends users to %s", r, v.Source),
			})
		}
	}
	out = append(out, v.writers()...)
	if p, open := v.standby(); open {
		out = append(out, p)
	}
	for _, id := range v.TaskOrder {
		if t := v.Tasks[id]; t.Open() {
			out = append(out, Point{ID: id, Title: t.Title, Since: t.OpenedAt, Owner: t.Owner, Due: t.Due, How: t.Why})
		}
	}
	// Timelines of before watches left tasks.
	if o, at := v.seen(incident.LostWritesWatched); o != nil && o.Verdict == incident.Fail && v.Tasks["lost-writes"] == nil {
		out = append(out, Point{ID: "lost-writes", Title: o.Summary, Since: at})
	}
	if o, at := v.seen(incident.TakeoverWatched); o != nil && o.Verdict == incident.Fail {
		out = append(out, Point{ID: "takeover", Title: o.Summary, Since: at})
	}
	if p, open := v.strategy(); open {
		out = append(out, p)
	}
	return out
}

// StrategyPoint is open once a failback that had begun to change things was stopped, until
// somebody says what of the strategy is changed for the next one.
const StrategyPoint = "failback-strategy"

// strategy is open after the newest failback of the incident was stopped behind its Go.
func (v View) strategy() (Point, bool) {
	for _, r := range slices.Backward(v.Runs) {
		if r.Kind != incident.Failback {
			continue
		}
		return Point{
			ID: StrategyPoint, Since: r.AbortedAt,
			Title: "The failback was stopped: what of the strategy is changed before the next one?",
		}, !r.AbortedAt.IsZero() && !r.GoAt.IsZero()
	}
	return Point{}, false
}

// seen is what the run's watch of that told last, and when; nil where it told nothing.
func (v View) seen(t incident.Trait) (o *incident.WatchObserved, at time.Time) {
	for _, s := range v.Showing(t) {
		if st := v.Step(s.ID); st.Observed != nil {
			return st.Observed, st.ObservedAt
		}
	}
	return nil, time.Time{}
}

// SplitBrain is what is known of an old writer that may still accept writes; empty where
// nothing is.
func (v View) SplitBrain() string {
	if o, _ := v.seen(incident.SplitBrainWatched); o != nil && o.Verdict == incident.Fail && v.ResolvedAt.IsZero() {
		return o.Summary
	}
	return ""
}

// pointID is a name of several words in one.
func pointID(kind, name string) string {
	return kind + "-" + strings.ToLower(strings.Join(strings.Fields(name), "-"))
}

// staleSince is when the watch first told of a resolver without its having been well
// since.
func (v View) staleSince(resolver string) (since time.Time) {
	for _, o := range v.Sightings {
		if o.Users == nil {
			continue
		}
		stale := false
		for _, r := range o.Users.Stale {
			stale = stale || r == resolver
		}
		switch {
		case !stale:
			since = time.Time{}
		case since.IsZero():
			since = o.At
		}
	}
	return since
}

// writers are services that may write in the Region that was left: as the watch of them
// sees it, or else because stopping them failed or was left out.
func (v View) writers() []Point {
	if !v.moved() {
		return nil
	}
	open := Point{ID: "writers", Title: fmt.Sprintf("services that write in %s are not known to be stopped", v.Source)}
	for _, s := range v.Showing(incident.WritersWatched) {
		if st := v.Step(s.ID); st.Observed != nil {
			switch st.Observed.Verdict {
			case incident.Pass:
				return nil
			case incident.Fail, incident.Warn:
				open.Title = st.Observed.Summary
			case incident.Unsure, incident.NotApplicable:
			}
			open.Since = st.ObservedAt
			return []Point{open}
		}
	}
	for _, s := range v.Showing(incident.WritersStopped) {
		switch st := v.Step(s.ID); st.Status {
		case incident.Advised, incident.Failed, incident.Skipped:
			open.Since = st.Ended
			return []Point{open}
		case incident.Pending, incident.Running, incident.Done:
		}
	}
	return nil
}

// moved says that the writer of the database was moved.
func (v View) moved() bool {
	return v.Promoted() || len(v.Showing(incident.WriterMoved)) > 0 && v.Shown(incident.WriterMoved)
}

// standby says that there is no Region to fail over to: the writer was moved away from
// one that was down, or the services that write there are stopped.
func (v View) standby() (Point, bool) {
	if !v.moved() {
		return Point{}, false
	}
	p := Point{ID: "standby", Title: fmt.Sprintf("Not protected: no standby until %s rejoins", v.Source)}
	for _, s := range v.Plan.Steps {
		if (s.NoReturn || v.Shows(s.ID, incident.WriterMoved)) && v.Step(s.ID).Status == incident.Done {
			p.Since = v.Step(s.ID).Ended
		}
	}
	if o, _ := v.seen(incident.StandbyWatched); o != nil && v.Mode == "unplanned" {
		switch o.Verdict {
		case incident.Pass:
			return Point{}, false
		case incident.Fail:
			p.Title = "Not protected: " + o.Summary
		case incident.Warn, incident.Unsure, incident.NotApplicable:
		}
	}
	if v.Mode == "unplanned" {
		return p, true
	}
	if len(v.Showing(incident.StandbyAgain)) > 0 && v.Shown(incident.StandbyAgain) {
		return Point{}, false
	}
	for _, s := range v.Showing(incident.WritersStopped) {
		if st := v.Step(s.ID); st.Status == incident.Done {
			p.Title = fmt.Sprintf("Not protected: services in %s are stopped", v.Source)
			return p, true
		}
	}
	return Point{}, false
}

// Unprotected says that there is nothing to fail over to, and nobody said that this is
// as it should be.
func (v View) Unprotected() bool {
	for _, p := range v.Points() {
		if p.ID == "standby" {
			return true
		}
	}
	return false
}
