package incident

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// PlatformLog is the timeline of what belongs to no single incident: assessments,
// signals, proposals, the standby, drills, open points. It lives in the same Log,
// with the same chain and lease.
const PlatformLog ID = "platform"

// DetectionLease is under what the lease stands of the replica that watches whether a
// failover is to be proposed. It has no timeline: what is found is on the platform log.
const DetectionLease ID = "detection"

// signalsKept bounds what is kept of each signal, assessmentsKept of assessments:
// the timeline has them all.
const (
	signalsKept     = 20
	assessmentsKept = 20
)

// Platform is what follows from the platform log.
type Platform struct {
	// Assessments are the newest, oldest first.
	Assessments []Assessment
	// Known is what was last known of each check, by the Region that would take over and
	// the step. Ask [Platform.Last].
	Known map[string]Known
	// Signals by name, each with its newest observations, oldest first.
	Signals map[string][]Signal
	// Proposals by id.
	Proposals map[string]*Proposal
	// Standby is whether each Region could take over, by Region.
	Standby map[string]Standby
	Drills  []Held
	// Points are the open ones, by id, in the order of Order.
	Points map[string]Point
	Order  []string

	told          map[string]*told // by Region and mode
	confirmations confirmations
}

// Assessment is one that was made, and when.
type Assessment struct {
	AssessmentMade
	At time.Time
	By string
	// Seq is its event. Changed is what was new in it, of one that the schedule made.
	Seq     uint64
	Changed []Change
}

// Signal is one observation.
type Signal struct {
	SignalObserved
	At time.Time
}

// Proposal is a failover that was proposed; Answer is empty while it stands.
type Proposal struct {
	FailoverProposed
	// At is when it was first proposed and Changed when it last said something new; Seq is
	// its first event.
	At, Changed time.Time
	Seq         uint64
	Answer      string
	// Incident was begun upon it; Reason is why it was answered so.
	Incident   ID
	Reason     string
	AnsweredBy string
	AnsweredAt time.Time
}

// Standby is how a Region stands, since when.
type Standby struct {
	StandbyChanged
	Since time.Time
}

// Held is a drill, who held it, and when it was over.
type Held struct {
	DrillHeld
	By string
	At time.Time
}

// Point is an open point, since when.
type Point struct {
	PointOpened
	Since time.Time
}

func newPlatform() *Platform {
	return &Platform{
		Signals: map[string][]Signal{}, Proposals: map[string]*Proposal{},
		Standby: map[string]Standby{}, Points: map[string]Point{}, Known: map[string]Known{},
		told: map[string]*told{},
	}
}

func (p *Platform) apply(e Event) {
	switch b := e.Body.(type) {
	case AssessmentMade:
		made := Assessment{AssessmentMade: b, At: e.Time, By: e.Actor, Seq: e.Seq}
		if b.Why == WhySchedule {
			made.Changed = p.toldOf(b.Target + "/" + b.Mode).changes(b)
		}
		p.Assessments = newest(append(p.Assessments, made), assessmentsKept)
		p.know(b, e.Time)
	case ConfirmationAsked, ConfirmationGiven:
		p.confirmations.apply(e)
	case SignalObserved:
		p.Signals[b.Signal] = newest(append(p.Signals[b.Signal], Signal{b, e.Time}), signalsKept)
	case FailoverProposed:
		q := p.Proposals[b.Proposal]
		if q == nil {
			q = &Proposal{At: e.Time, Seq: e.Seq}
			p.Proposals[b.Proposal] = q
		}
		if q.Answer == "" {
			q.FailoverProposed, q.Changed = b, e.Time
		}
	case ProposalAnswered:
		if q := p.Proposals[b.Proposal]; q != nil && q.Answer == "" {
			q.Answer, q.AnsweredBy, q.AnsweredAt, q.Incident, q.Reason = b.Answer, e.Actor, e.Time, b.Incident, b.Reason
		}
	case StandbyChanged:
		was, ok := p.Standby[b.Region]
		since := e.Time
		if ok && was.Protected == b.Protected {
			since = was.Since
		}
		p.Standby[b.Region] = Standby{b, since}
	case DrillHeld:
		p.Drills = append(p.Drills, Held{b, e.Actor, e.Time})
	case PointOpened:
		was, open := p.Points[b.Point]
		since := e.Time
		if open {
			since = was.Since
		} else {
			p.Order = append(p.Order, b.Point)
		}
		p.Points[b.Point] = Point{b, since}
	case PointClosed:
		if _, open := p.Points[b.Point]; open {
			delete(p.Points, b.Point)
			p.Order = without(p.Order, b.Point)
		}
	}
}

// Latest are the newest proposals, oldest first; none where p is nil.
func (p *Platform) Latest(n int) []*Proposal {
	if p == nil {
		return nil
	}
	all := slices.SortedFunc(maps.Values(p.Proposals), func(a, b *Proposal) int { return cmp.Compare(a.Seq, b.Seq) })
	return newest(all, n)
}

// Proposed is the proposal that stands; nil where none does, or p is nil.
func (p *Platform) Proposed() *Proposal {
	for _, q := range p.Latest(1) {
		if q.Answer == "" {
			return q
		}
	}
	return nil
}

func (p *Platform) toldOf(what string) *told {
	t := p.told[what]
	if t == nil {
		t = &told{}
		p.told[what] = t
	}
	return t
}

// know keeps what an assessment could find out.
func (p *Platform) know(a AssessmentMade, at time.Time) {
	for _, f := range a.Findings {
		if f.Verdict == Unsure || f.Verdict == NotApplicable || f.Verdict == "" {
			continue
		}
		k := Known{Verdict: f.Verdict, Summary: f.Summary, Figures: f.Figures, At: at}
		if !f.AsOf.IsZero() {
			k.At = f.AsOf
		}
		p.Known[a.Target+"/"+f.Step] = k
	}
}

// Last is what was last known of a check of that Region; nil if nothing was, or p is.
func (p *Platform) Last(target, step string) *Known {
	if p == nil {
		return nil
	}
	k, ok := p.Known[target+"/"+step]
	if !ok {
		return nil
	}
	return &k
}

// Newest is the newest assessment that was made for that reason, "" for any; nil where
// there is none, or p is nil.
func (p *Platform) Newest(why string) *Assessment {
	if p == nil {
		return nil
	}
	for i := range slices.Backward(p.Assessments) {
		if a := &p.Assessments[i]; why == "" || a.Why == why {
			return a
		}
	}
	return nil
}

// newest are the last n.
func newest[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	return append([]T(nil), all[len(all)-n:]...)
}

func without(all []string, one string) []string {
	out := all[:0]
	for _, s := range all {
		if s != one {
			out = append(out, s)
		}
	}
	return out
}
