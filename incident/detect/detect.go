// Package detect decides, from signals over time, whether a failover is to be proposed. It
// asks nobody and has no clock: whoever reads the signals hands them in with the time.
//
// What holds:
//   - a signal turns only after several observations in a row that say the same, so one that
//     flaps about a border turns nothing;
//   - silence is unknown, never bad and never well, and so is what is old, or is said to be
//     of the future;
//   - signals that look through the same eyes are one view; a proposal wants several views
//     that agree, so a checker that errs, or a bot that is cut off, proposes nothing.
package detect

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Kind is what a signal is about.
type Kind string

// The kinds.
const (
	// Pages are health pages at a Region's own address, asked for from here.
	Pages Kind = "pages"
	// DNS is which Region the zone's own servers give out.
	DNS Kind = "dns"
	// HealthCheck is Route 53's health check of a Region's record, and Alarm the CloudWatch
	// alarm on it. Both live in one Region, whichever is asked about.
	HealthCheck Kind = "health check"
	Alarm       Kind = "alarm"
	// Requests is where the load balancers receive the requests of users, and Errors how
	// many of those of a Region are answered with an error.
	Requests Kind = "requests"
	Errors   Kind = "errors"
	// Replication is whether the standby still hears from the Region that writes, and Writer
	// which Region that is.
	Replication Kind = "replication"
	Writer      Kind = "writer"
	// Pager is whether PagerDuty has an incident open of the service that is paged.
	Pager Kind = "pagerduty"
	// Control is whether anything at all is reached from here that lies in neither Region.
	Control Kind = "control"
)

// nature is how signals of a kind are taken.
type nature struct {
	// view is through whose eyes it looks; empty: it is shown and does not count.
	view string
	// slow ones are read once a minute, of figures that are themselves of minutes.
	slow bool
	// fresh is how old the newest observation may be; older is unknown.
	fresh time.Duration
}

var natures = map[Kind]nature{
	Pages:       {view: "from here", fresh: 45 * time.Second},
	DNS:         {view: "Route 53", fresh: 45 * time.Second},
	HealthCheck: {view: "Route 53", slow: true, fresh: 5 * time.Minute},
	Alarm:       {view: "Route 53", slow: true, fresh: 3 * time.Minute},
	Requests:    {view: "Route 53", slow: true, fresh: 5 * time.Minute}, // users are where it sends them
	Errors:      {view: "load balancer", slow: true, fresh: 5 * time.Minute},
	Replication: {view: "standby", slow: true, fresh: 5 * time.Minute},
	Writer:      {slow: true, fresh: 5 * time.Minute},
	Pager:       {slow: true, fresh: 3 * time.Minute}, // people are paged by other signals, too
	Control:     {fresh: 45 * time.Second},
}

// skew is by how much the clock of whoever measured may be ahead.
const skew = time.Minute

// Signal is one observation.
type Signal struct {
	Kind Kind
	// Region that it is of: of [Writer] the one that writes; empty for [Control] and [Pager].
	Region string
	// Summary is a sentence for people, without the Region where that is plain.
	Summary string
	// Verdict is Pass, Fail or Unsure; anything else counts as Unsure. AsOf is when the other
	// side measured it.
	incident.Measured
}

// Name is what the signal is called on the record: "pages of us-east-1".
func (s Signal) Name() string {
	if s.Region == "" || s.Kind == Writer {
		return string(s.Kind)
	}
	return string(s.Kind) + " of " + s.Region
}

// Pair is the Region that serves and the one that would take over.
type Pair struct {
	Topology       runbook.Topology
	Source, Target runbook.Region
}

// Reader reads the signals of a kind. Read has no error: what cannot be found out is a
// signal that is Unsure and says why. It returns when ctx ends at the latest and may be
// called by one at a time.
type Reader struct {
	Kind Kind
	Read func(ctx context.Context, p Pair) []Signal
}

// The time between two observations of a kind.
const (
	Often  = 10 * time.Second
	Seldom = time.Minute
)

// Every is the time between two observations of that kind.
func (k Kind) Every() time.Duration {
	if natures[k].slow {
		return Seldom
	}
	return Often
}

// Settings are the thresholds. Zero values mean the defaults.
type Settings struct {
	// Views is how many different views have to agree; 0 means 2.
	Views int
	// Observations is how many in a row turn a signal that is read every ten seconds; 0 means
	// 3. One that is read once a minute takes two.
	Observations int
	// CoolDown is how long nothing is proposed after a proposal was turned down, withdrawn or
	// taken up; 0 means 15 min.
	CoolDown time.Duration
}

// Full is with what it means where it says nothing.
func (s Settings) Full() Settings {
	s.Views, s.Observations, s.CoolDown = cmp.Or(s.Views, 2), cmp.Or(s.Observations, 3), cmp.Or(s.CoolDown, 15*time.Minute)
	return s
}

// track is what is known of one signal.
type track struct {
	// last is the newest observation that told something; said is what the newest one said if
	// it told nothing.
	last, said Signal
	// verdict is what enough observations in a row agreed on, and since is the first of them.
	verdict incident.Verdict
	since   time.Time
	// row is what the last n observations said, the first of them at first.
	row   incident.Verdict
	n     int
	first time.Time
	// logged is the verdict that the record has.
	logged incident.Verdict
}

// Detector follows signals. The zero value with its Settings is ready. It is not safe for
// concurrent use.
type Detector struct {
	Settings
	tracks map[string]*track
	began  time.Time
	// agreed is since when, at each look, enough of them have agreed; zero: they do not.
	agreed time.Time
}

func (d *Detector) track(s Signal) *track {
	if d.tracks == nil {
		d.tracks = map[string]*track{}
	}
	t := d.tracks[s.Name()]
	if t == nil {
		t = &track{verdict: incident.Unsure, logged: incident.Unsure, last: Signal{Kind: s.Kind, Region: s.Region}}
		d.tracks[s.Name()] = t
	}
	return t
}

// Recall tells what the record has of a signal, so that an observation is not told anew as a
// change by a process that has just begun. It is no observation.
func (d *Detector) Recall(s Signal) { d.track(s).logged = verdictOf(s.Verdict) }

func verdictOf(v incident.Verdict) incident.Verdict {
	if v == incident.Pass || v == incident.Fail {
		return v
	}
	return incident.Unsure
}

// Observe takes an observation in. One that is no newer than the last, or unknown, moves
// nothing; the signal is unknown once its last observation is too old.
func (d *Detector) Observe(now time.Time, s Signal) {
	if d.began.IsZero() {
		d.began = now
	}
	n, t := natures[s.Kind], d.track(s)
	if s.AsOf.IsZero() {
		s.AsOf = now
	}
	t.said = s
	if verdictOf(s.Verdict) == incident.Unsure || now.Sub(s.AsOf) > n.fresh || s.AsOf.Sub(now) > skew {
		return
	}
	if !s.AsOf.After(t.last.AsOf) {
		return // the same again, or one that comes late
	}
	if !t.last.AsOf.IsZero() && now.Sub(t.last.AsOf) > n.fresh { // what was before says nothing now
		t.verdict, t.n = incident.Unsure, 0
	}
	if s.Kind == Writer && t.last.Region != s.Region {
		t.since = s.AsOf
	}
	t.last = s
	if t.n == 0 || t.row != s.Verdict {
		t.row, t.n, t.first = s.Verdict, 0, s.AsOf
	}
	t.n++
	if t.n >= d.turns(s.Kind) && t.verdict != s.Verdict {
		t.verdict, t.since = s.Verdict, t.first
	}
}

// turns is how many observations in a row turn a signal.
func (d *Detector) turns(k Kind) int {
	switch {
	case k == Writer || k == Pager: // there is nothing to flap
		return 1
	case natures[k].slow:
		return 2
	}
	return d.Full().Observations
}

// stands is the verdict of a signal now.
func (t *track) stands(now time.Time) incident.Verdict {
	if t == nil || t.last.AsOf.IsZero() || now.Sub(t.last.AsOf) > natures[t.last.Kind].fresh {
		return incident.Unsure
	}
	return t.verdict
}

func (d *Detector) of(k Kind, region string) *track {
	return d.tracks[Signal{Kind: k, Region: region}.Name()]
}

// Writes is the Region that writes, as it was told last; empty if nobody has told lately.
func (d *Detector) Writes(now time.Time) string {
	if t := d.of(Writer, ""); t.stands(now) == incident.Pass {
		return t.last.Region
	}
	return ""
}

// Standing is a signal as it stands.
type Standing struct {
	Signal
	// Verdict is what enough observations agreed on; Since the first of these.
	Since time.Time
	View  string
}

// Situation is what the signals come to.
type Situation struct {
	// CutOff: nothing at all is reached from here, so nothing that fails from here says
	// anything.
	CutOff bool
	// Moved: the zone's servers give out the other Region than the one that writes. Users
	// are sent to where nobody can order.
	Moved bool
	// Propose: a failover is to be proposed. Well: what would have it proposed is well again.
	Propose, Well bool
	// Views are those that agree on the Region being bad, in order.
	Views []string
	// Bad are the signals that say so, and Others all the rest of that Region's; of both
	// Regions only what is read of both stands there.
	Bad, Others []Standing
	// Began is the first observation of those.
	Began time.Time
}

// heard says that from here something is reached that does not lie in the source.
func (d *Detector) heard(now time.Time, target string) bool {
	for _, t := range []*track{d.of(Pages, target), d.of(Control, "")} {
		if t != nil && t.row == incident.Pass && now.Sub(t.last.AsOf) <= natures[t.last.Kind].fresh {
			return true
		}
	}
	return false
}

// Assess is what the signals come to now, for a failover from one Region to the other. What
// is to be proposed has to be so at each look for as long as turns a signal: what fails first
// and what fails next are no outage because one is told late.
func (d *Detector) Assess(now time.Time, source, target string) Situation {
	var s Situation
	heard := d.heard(now, target)
	failing := func(k Kind, region string) bool { return d.of(k, region).stands(now) == incident.Fail }
	s.CutOff = !heard && failing(Pages, source) && failing(Pages, target) && failing(Control, "")
	for _, name := range slices.Sorted(maps.Keys(d.tracks)) {
		t := d.tracks[name]
		if t.last.Region != source && t.last.Region != "" && t.last.Kind != Writer && t.last.Kind != Pages {
			continue // of the other Region
		}
		one := Standing{Signal: t.last, Since: t.since, View: natures[t.last.Kind].view}
		one.Verdict = t.stands(now)
		if one.Verdict == incident.Unsure && t.said.Summary != "" {
			one.Summary = t.said.Summary
		}
		if one.Verdict != incident.Fail || t.last.Region == target || t.last.Kind == Control {
			s.Others = append(s.Others, one)
			continue
		}
		s.Bad = append(s.Bad, one)
		if one.Kind == Pages && !heard || one.View == "" || t.row != incident.Fail {
			continue // it says nothing, or is on its way to be well
		}
		if !slices.Contains(s.Views, one.View) {
			s.Views = append(s.Views, one.View)
		}
		if s.Began.IsZero() || one.Since.Before(s.Began) {
			s.Began = one.Since
		}
	}
	slices.Sort(s.Views)
	s.Moved = failing(DNS, source) && d.Writes(now) == source
	fit := !s.CutOff && !failing(Pages, target) // nobody is to be moved to where it looks worse
	switch {
	case !fit || together(s.Bad, s.Views) < d.Full().Views && !s.Moved:
		d.agreed = time.Time{}
	case d.agreed.IsZero():
		d.agreed = now
	}
	s.Propose = !d.agreed.IsZero() && now.Sub(d.agreed) >= time.Duration(d.Full().Observations-1)*Often
	s.Well = len(s.Views) == 0 && d.of(Pages, source).stands(now) == incident.Pass && d.of(DNS, source).stands(now) == incident.Pass
	return s
}

// together is how many of the views saw it bad at one moment: what failed right after
// something else was well again does not agree with that.
func together(bad []Standing, views []string) (most int) {
	for _, moment := range bad {
		var agree []string
		for _, b := range bad {
			if slices.Contains(views, b.View) && !slices.Contains(agree, b.View) && !b.Since.After(moment.Since) && !b.AsOf.Before(moment.Since) {
				agree = append(agree, b.View)
			}
		}
		most = max(most, len(agree))
	}
	return most
}

// Changed are the signals whose verdict is another than the record has. One that was never observed for as long as an observation holds is
// not unknown yet.
func (d *Detector) Changed(now time.Time) []Standing {
	var out []Standing
	for _, name := range slices.Sorted(maps.Keys(d.tracks)) {
		t := d.tracks[name]
		v := t.stands(now)
		if v == t.logged || v == incident.Unsure && now.Sub(d.began) <= natures[t.last.Kind].fresh {
			continue
		}
		one := Standing{Signal: t.last, Since: t.since, View: natures[t.last.Kind].view}
		one.Verdict = v
		if v == incident.Unsure && t.said.Summary != "" {
			one.Summary, one.AsOf, one.Figures = t.said.Summary, t.said.AsOf, nil
		}
		out = append(out, one)
	}
	return out
}

// Kept takes it that the record has these verdicts by now.
func (d *Detector) Kept(changed []Standing) {
	for _, one := range changed {
		d.track(one.Signal).logged = verdictOf(one.Verdict)
	}
}

// Forget begins anew: what was observed before a run says nothing after it. What the record
// has stays known.
func (d *Detector) Forget() {
	for name, t := range d.tracks {
		d.tracks[name] = &track{verdict: incident.Unsure, logged: t.logged, last: Signal{Kind: t.last.Kind, Region: t.last.Region}}
	}
	d.began, d.agreed = time.Time{}, time.Time{}
}
