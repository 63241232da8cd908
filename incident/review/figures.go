package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

func at(t time.Time, hint string) Value {
	if t.IsZero() {
		return Value{hint: hint}
	}
	return Value{text: clock(t)}
}

func (b *builder) moments() {
	in := b.state.Declared
	add := func(v Value, event, note string) { b.d.Moments = append(b.d.Moments, Moment{v, event, note}) }
	add(at(b.t0, "when users began to be hurt"), "Impact began", b.began())
	add(toFill("T1, from the alerting system"), "First alert triggered", "")
	add(toFill("T2, from the paging system"), "On-call engineer acknowledged", "")
	add(at(b.t3, ""), "Incident declared, commander assigned", "by "+b.who(b.state.DeclaredBy)+", commander "+b.who(in.Commander))
	add(toFill("when the cause was known"), "Root cause identified", "")
	note := ""
	if b.state.GoBy != "" {
		note = b.who(b.state.GoBy) + " pressed Go"
	}
	run := led(b.state)
	back := run != nil && run.Kind == incident.Failback
	var apart string // what is done, where nobody is moved
	if run != nil && run.Kind.Apart() {
		apart = map[incident.RunKind]string{incident.RestoreBackup: "restore", incident.MoveServers: "move of the servers", incident.RebuildStandby: "rebuild of the standby"}[run.Kind]
	}
	switch {
	case apart != "":
		add(at(b.t4, "the "+apart+" was never begun"), upper(apart)+" initiated", note)
	case back:
		add(at(b.t4, "the failback was never begun"), "Failback initiated", note)
	default:
		add(at(b.t4, "the failover was never begun"), "Failover initiated", note)
	}
	if apart != "" {
		var ended time.Time
		if run.Ended.How != "" {
			ended = run.EndedAt
		}
		add(at(ended, "the "+apart+" is not complete"), upper(apart)+" complete", run.Ended.Summary)
		b.resolved()
		b.stopped()
		return
	}

	v, event, dnsNote := b.moved()
	add(v, event, dnsNote)
	note = b.state.Mitigated.Summary
	add(at(b.t5, "the timeline does not say that users were served again"), "Users served again", "")
	validated := "Services validated in secondary region"
	if back {
		validated = "Services validated in the home region"
	}
	add(at(b.state.MitigatedAt, "the timeline does not say that they were"), validated, note)
	b.resolved()
	const complete, own = "Failback complete, normal operations resumed", "from the failback, which is an incident of its own"
	if back {
		add(at(b.state.MitigatedAt, "the failback is not complete"), complete, "")
	} else {
		add(toFill(own), "Failback initiated", "")
		add(toFill(own), complete, "")
	}
	b.stopped()
}

// resolved is when the incident was closed.
func (b *builder) resolved() {
	note := ""
	if b.state.ResolvedBy != "" {
		note = "by " + b.who(b.state.ResolvedBy)
	}
	b.d.Moments = append(b.d.Moments, Moment{at(b.t6, "not resolved yet"), "Incident resolved", note})
}

// stopped is when runs were stopped, and taken back.
func (b *builder) stopped() {
	if !b.state.AbortedAt.IsZero() {
		b.d.Moments = append(b.d.Moments, Moment{
			measured("%s", clock(b.state.AbortedAt)), "Run aborted",
			"by " + b.who(b.state.AbortedBy) + ": " + b.state.Aborted.Reason,
		})
	}
	for _, r := range b.state.Runs {
		if r.Kind == incident.Undo && r.Ended.How != "" {
			b.d.Moments = append(b.d.Moments, Moment{measured("%s", clock(r.EndedAt)), "What it had changed was taken back", r.Ended.Summary})
		}
	}
}

// began says where the beginning of the impact is from.
func (b *builder) began() string {
	s := b.state
	switch {
	case b.t0.IsZero() && !b.hurt.Seen.IsZero():
		return "seen first at " + clock(b.hurt.Seen) + "; nobody said since when"
	case b.t0.IsZero():
		return ""
	case b.t0.Equal(b.hurt.ByUs) && !b.t0.Equal(s.Began()):
		return "orders stopped by the run"
	case !b.t0.Equal(s.Began()):
		return "as seen from outside"
	case s.Corrected != nil:
		return "as corrected"
	case s.Declared.Continues != "":
		return "as in " + s.Declared.Continues.Name() + ", which was closed without users being served"
	}
	return "as declared"
}

// stoppedServices are those that write, if the run stopped them.
func (b *builder) stoppedServices() []string {
	if b.hurt.ByUs.IsZero() {
		return nil
	}
	var out []string
	for _, s := range b.plan.Topology.Services {
		if s.Writes {
			out = append(out, s.Name)
		}
	}
	return out
}

// moved is when the names led to the target: when the zone's own servers said so,
// or else when requests arrived there. What public resolvers still hold runs out by
// itself and is told beside it, never taken for it.
func (b *builder) moved() (at Value, event, note string) {
	event = "DNS: the zone's own servers moved"
	step, when := b.lastShown(incident.NamesMoved)
	if when.IsZero() {
		if step, when = b.lastShown(incident.UsersServed); !when.IsZero() {
			event = "DNS: requests of users arrive in " + b.state.Target
		}
	}
	if when.IsZero() {
		return toFill("no finished check of the zone's own servers is on the timeline"), event, ""
	}
	note = step + ": " + b.finishes[step].Summary
	for _, id := range slices.Sorted(maps.Keys(b.state.Steps)) {
		if st := b.state.Steps[id]; b.state.Shows(id, incident.ResolversAsked) && !st.Ended.IsZero() && (st.Status == incident.Done || st.Status == incident.Advised && !st.Failure.Unknown) {
			note += fmt.Sprintf("; public resolvers at %s: %s", clock(st.Ended), b.seen(*st))
		}
	}
	return measured("%s", clock(when)), event, note
}

// lastShown is the last step that showed that after the failover began.
func (b *builder) lastShown(t incident.Trait) (string, time.Time) {
	var step string
	var when time.Time
	for _, id := range slices.Sorted(maps.Keys(b.state.Steps)) {
		st := b.state.Steps[id]
		if st.Status == incident.Done && b.state.Shows(id, t) && !b.t4.IsZero() && st.Ended.After(b.t4) && st.Ended.After(when) {
			step, when = id, st.Ended
		}
	}
	return step, when
}

func (b *builder) whys() {
	b.d.Whys = []string{
		"Why did the service go down?", "Why did that happen?", "Why did that happen?",
		"Why did that happen?", "Why did that happen? (the root cause)",
	}
}

// span is the time between two named moments, with both.
func span(hint, fromName string, from time.Time, toName string, to time.Time) (string, Value) {
	say := func(name string, t time.Time) string {
		if t.IsZero() {
			return name + " not known"
		}
		return name + " " + clock(t)
	}
	how := say(fromName, from) + " to " + say(toName, to)
	if from.IsZero() || to.IsZero() {
		return how, toFill("%s", hint)
	}
	return how, measured("%s", Span(to.Sub(from)))
}

func (b *builder) metrics() {
	var t1, t2 time.Time // no event tells; later ones may
	add := func(name, hint, fromName string, from time.Time, toName string, to time.Time) {
		how, v := span(hint, fromName, from, toName, to)
		b.d.Metrics = append(b.d.Metrics, Metric{name, v, how})
	}
	add("Time to Detect (TTD)", "needs T1", "impact T0", b.t0, "first alert T1", t1)
	add("Time to Acknowledge (TTA)", "needs T1 and T2", "first alert T1", t1, "acknowledged T2", t2)
	add("Time to Respond (TTR)", "needs T1", "first alert T1", t1, "declared T3", b.t3)
	add("Time to Mitigate (TTM)", "needs T0 and T5", "impact T0", b.t0, "served again T5", b.t5)
	add("Time to Mitigate from the first alert", "needs T1", "first alert T1", t1, "served again T5", b.t5)
	add("Time to Resolve (full recovery)", "needs T0 and T6", "impact T0", b.t0, "resolved T6", b.t6)
	add("From impact to declaration", "needs T0", "impact T0", b.t0, "declared T3", b.t3)
	add("From declaration to the start of the failover", "never started", "declared T3", b.t3, "failover started T4", b.t4)
	add("From the start of the failover until users were served", "they were not", "failover started T4", b.t4, "served again T5", b.t5)
	if since := b.hurt.ByUs; !since.IsZero() {
		add("Orders stopped by us", "they were not seen to be possible again", "writers stopped", since, "an order taken again", b.hurt.ByUsEnd)
	}
	if b.plan != nil && b.plan.Topology.Policy.ObjectiveMinutes > 0 {
		goal := time.Duration(b.plan.Topology.Policy.ObjectiveMinutes) * time.Minute
		m := Metric{Name: "Recovery time objective of " + Span(goal), Value: toFill("needs T0 and T5"), From: "impact T0 to served again T5"}
		if took, ok := b.impact(); ok {
			m.Value = measured("%s, %s used", met(took <= goal), Span(took))
			m.From = "T0 " + clock(b.t0) + " to T5 " + clock(b.t5)
		}
		b.d.Metrics = append(b.d.Metrics, m)
	}
	budget := toFill("100 x bad requests / ((1 - SLO) x all requests of the window)")
	if took, ok := b.impact(); ok {
		budget = toFill("by time: 100 x (%.1f min x share of users hurt) / ((1 - SLO) x minutes of the window)", took.Minutes())
	}
	b.d.Metrics = append(b.d.Metrics,
		Metric{"Error budget consumed", budget, "needs the SLO and the share of users hurt"},
		Metric{"SLA impact", toFill("within or breached, by the contract's own month and exclusions"), "a calculation of its own"})

	t := b.d.Times
	window := "declared " + clock(t.From) + " to mitigated " + clock(t.To)
	if !t.Mitigated {
		window = "declared " + clock(t.From) + " to the newest event " + clock(t.To) + ", not mitigated"
	}
	b.d.Human = Metric{"Waiting for people", measured("%s", Span(t.Human)), window + ", while no step was running and a question was open or the run was paused"}
	b.d.Machine = Metric{"Machine time", measured("%s", Span(t.Machine)), fmt.Sprintf("%s in all, less the waiting", Span(t.Elapsed))}
	b.d.Critical = Metric{"Critical path", toFill("no step took any time"), ""}
	if t.Critical > 0 {
		b.d.Critical.Value = measured("%s", Span(t.Critical))
		b.d.Critical.From = fmt.Sprintf("longest chain of the steps' own durations; machine time was %.2f times that", t.Ratio())
	}
	b.d.Overlap = Metric{"All steps one after another", measured("%s", Span(t.Sum)), fmt.Sprintf("%.2f times the elapsed time", t.Overlap())}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}

// impact is T0 to T5.
func (b *builder) impact() (time.Duration, bool) {
	if b.t0.IsZero() || b.t5.IsZero() {
		return 0, false
	}
	return b.t5.Sub(b.t0), true
}

// upper is a sentence's beginning.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
