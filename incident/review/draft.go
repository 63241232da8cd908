package review

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Draft is what the template of a review may refer to.
type Draft struct {
	ID        string
	Rehearsal bool
	Platform  string
	Source    string
	Target    string
	Mode      string
	Reason    string
	Plan      string // the first six of the digest

	// Of the summary table.
	Date, Duration, Severity, Commander Value
	Services, Customers, Revenue        Value

	// Moments are the lines of section 10's timeline table.
	Moments []Moment
	// Events is the whole timeline, without what was merely said where.
	Events []Recorded

	// Whys are the questions of the root cause analysis.
	Whys []string

	// Well and Improve are facts that speak for the run, or against it.
	Well, Improve []string
	// Actions are what the record itself leaves to be done.
	Actions []string

	// Metrics of section 10, then those that this record has besides.
	Metrics []Metric

	Times     Times
	Machine   Metric
	Human     Metric
	Critical  Metric
	Overlap   Metric
	Path      []Step
	Steps     []Step
	Decisions []Decision
	Changes   []Change
	Losses    []Loss
	Gaps      []string
	// Unprotected is what is still missing or was left unverified at the end.
	Unprotected []string
}

// Moment is one line of a timeline table.
type Moment struct {
	Time  Value
	Event string
	// Note adds to the event; may be empty.
	Note string
}

// Recorded is one event of the timeline.
type Recorded struct {
	Clock, Event string
}

// Metric is a named duration or share with what it was taken from.
type Metric struct {
	Name  string
	Value Value
	// From are the two timestamps, or the calculation.
	From string
}

// Step is one step of the plan as it went.
type Step struct {
	ID, Title, Section string
	// Result is one or two words; Summary what was seen or why not.
	Result, Summary string
	Began           string
	Took            string
	Attempts        int
	// Critical: on the longest chain.
	Critical bool
}

// Decision is one question that people were asked.
type Decision struct {
	Question, About string
	// AskedFor is who wanted it; Asked when the question was put.
	AskedFor, Asked string
	Answer, By      string
	// Took from the question to the answer.
	Took string
	// Notes: reasons, what was overridden, break-glass, why it was asked anew.
	Notes []string

	at time.Time
}

// Change is one change that this run made, or may have made.
type Change struct {
	Step, What, At string
	Before         Value
	Undo           string
	Maybe          bool
}

// Loss is what one data store may have lost.
type Loss struct {
	Store    string
	Estimate Value
	Evidence string
}

// builder works a Draft out.
type builder struct {
	events []incident.Event
	state  *incident.State
	plan   *runbook.Plan
	who    func(string) string
	d      *Draft

	t0, t3, t4, t5, t6 time.Time
	attempts           map[string]int
	failures           map[string][]incident.StepFailed
	finishes           map[string]incident.StepFinished
	intents            []intent
}

type intent struct {
	incident.ChangeIntended
	at time.Time
}

func newDraft(events []incident.Event, who func(string) string) (*Draft, error) {
	plan, err := Plan(events)
	if err != nil {
		return nil, err
	}
	b := &builder{
		events: events, state: incident.Fold(events), plan: plan, who: who,
		attempts: map[string]int{}, failures: map[string][]incident.StepFailed{}, finishes: map[string]incident.StepFinished{},
	}
	if b.state.DeclaredAt.IsZero() {
		return nil, errors.New("draft the review: the timeline does not say that an incident was declared")
	}
	in := b.state.Declared
	b.d = &Draft{
		ID: in.Incident.Name(), Rehearsal: in.Rehearsal, Source: b.state.Source, Target: b.state.Target,
		Mode: b.state.Mode, Reason: in.Reason, Plan: short(b.state.Plan.Digest), Times: Measure(events, plan),
	}
	if plan != nil {
		b.d.Platform = plan.Topology.Platform
	}
	b.collect()
	b.summary()
	b.moments()
	b.whys()
	b.metrics()
	b.steps()
	b.decisions()
	b.changes()
	b.losses()
	b.gaps()
	b.unprotected()
	b.judge()
	return b.d, nil
}

// collect goes through the events once for what the State does not keep.
func (b *builder) collect() {
	s := b.state
	b.t0, b.t3, b.t4, b.t5, b.t6 = s.Declared.Began, s.DeclaredAt, s.GoAt, s.ServedAt(), s.ResolvedAt
	for _, e := range b.events {
		switch body := e.Body.(type) {
		case incident.StepStarted:
			b.attempts[body.Step]++
		case incident.StepFailed:
			b.failures[body.Step] = append(b.failures[body.Step], body)
		case incident.StepFinished:
			b.finishes[body.Step] = body
		case incident.ChangeIntended:
			b.intents = append(b.intents, intent{body, e.Time})
			if b.t4.IsZero() {
				b.t4 = e.Time
			}
		}
		b.d.Events = append(b.d.Events, Recorded{clock(e.Time), says(e, b.who)})
	}
}

func (b *builder) summary() {
	d, in := b.d, b.state.Declared
	d.Date = measured("%s", b.t3.UTC().Format("2006-01-02"))
	d.Severity = given(in.Severity, "the severity")
	d.Commander = Value{hint: "who commanded"}
	if in.Commander != "" {
		d.Commander = measured("%s", b.who(in.Commander))
	}
	_, d.Duration = span("until users were served again", "T0", b.t0, "T5", b.t5)
	if d.Duration.Measured() {
		d.Duration.text += fmt.Sprintf(" (impact began %s, served again since %s)", stamp(b.t0), stamp(b.t5))
	}
	d.Services = toFill("which services users missed")
	if b.plan != nil && len(b.plan.Topology.Services) > 0 {
		var names []string
		for _, s := range b.plan.Topology.Services {
			names = append(names, s.Name)
		}
		d.Services = toFill("which of %s users missed", strings.Join(names, ", "))
	}
	d.Customers = toFill("number or percentage of customers, from the order and session figures")
	d.Revenue = toFill("estimated amount")
}

func given(s, hint string) Value {
	if s == "" {
		return Value{hint: hint}
	}
	return Value{text: s}
}

func at(t time.Time, hint string) Value {
	if t.IsZero() {
		return Value{hint: hint}
	}
	return Value{text: clock(t)}
}

func (b *builder) moments() {
	in := b.state.Declared
	add := func(v Value, event, note string) { b.d.Moments = append(b.d.Moments, Moment{v, event, note}) }
	add(at(b.t0, "when users began to be hurt"), "Impact began", "as declared")
	add(toFill("T1, from the alerting system"), "First alert triggered", "")
	add(toFill("T2, from the paging system"), "On-call engineer acknowledged", "")
	add(at(b.t3, ""), "Incident declared, commander assigned", "by "+b.who(b.state.DeclaredBy)+", commander "+b.who(in.Commander))
	add(toFill("when the cause was known"), "Root cause identified", "")
	note := ""
	if b.state.GoBy != "" {
		note = b.who(b.state.GoBy) + " pressed Go"
	}
	add(at(b.t4, "the failover was never begun"), "Failover initiated", note)

	v, event, dnsNote := b.moved()
	add(v, event, dnsNote)
	note = b.state.Mitigated.Summary
	add(at(b.t5, "the timeline does not say that users were served again"), "Users served again", "")
	add(at(b.state.MitigatedAt, "the timeline does not say that they were"), "Services validated in secondary region", note)
	note = ""
	if b.state.ResolvedBy != "" {
		note = "by " + b.who(b.state.ResolvedBy)
	}
	add(at(b.t6, "not resolved yet"), "Incident resolved", note)
	add(toFill("not part of this incident's record"), "Failback initiated", "")
	add(toFill("not part of this incident's record"), "Failback complete, normal operations resumed", "")
	if !b.state.AbortedAt.IsZero() {
		b.d.Moments = append(b.d.Moments, Moment{
			measured("%s", clock(b.state.AbortedAt)), "Run aborted",
			"by " + b.who(b.state.AbortedBy) + ": " + b.state.Aborted.Reason,
		})
	}
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
		if st := b.state.Steps[id]; b.state.Shows(id, incident.ResolversAsked) && !st.Ended.IsZero() && st.Status.Settled() {
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

// order is the plan's steps, then those that only the timeline knows.
func (b *builder) order() []runbook.Step {
	var out []runbook.Step
	known := map[string]bool{}
	if b.plan != nil {
		out = slices.Clone(b.plan.Steps)
		for _, s := range out {
			known[s.ID] = true
		}
	}
	var strange []*incident.StepState
	for id, st := range b.state.Steps {
		if !known[id] {
			strange = append(strange, st)
		}
	}
	slices.SortFunc(strange, func(x, y *incident.StepState) int {
		return cmp.Or(x.First.Compare(y.First), cmp.Compare(x.ID, y.ID))
	})
	for _, st := range strange {
		out = append(out, runbook.Step{ID: st.ID, Title: st.ID, Uses: st.Action})
	}
	return out
}

func (b *builder) steps() {
	critical := map[string]bool{}
	for _, id := range b.d.Times.Path {
		critical[id] = true
	}
	sections := map[string]string{}
	if b.plan != nil {
		for _, s := range b.plan.Sections {
			sections[s.ID] = s.Title
		}
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		row := Step{
			ID: s.ID, Title: s.Title, Section: sections[s.Section], Attempts: b.attempts[s.ID], Critical: critical[s.ID],
			Result: b.result(st), Summary: b.seen(st), Began: "-", Took: "-",
		}
		if !st.First.IsZero() {
			row.Began = clock(st.First)
		}
		if own, ok := b.d.Times.Own[s.ID]; ok {
			row.Took = Span(own)
		}
		b.d.Steps = append(b.d.Steps, row)
		if critical[s.ID] {
			b.d.Path = append(b.d.Path, row)
		}
	}
}

func (b *builder) result(st incident.StepState) string {
	switch st.Status {
	case incident.Done:
		if st.Finished.Already {
			return "was so already"
		}
		return "done"
	case incident.Advised:
		if st.Failure.Unknown {
			return "advice, not known"
		}
		return "advice, not so"
	case incident.Failed:
		return "stopped"
	case incident.Skipped:
		return "skipped"
	case incident.Running:
		return "not ended"
	case incident.Pending:
	}
	return "not begun"
}

func (b *builder) seen(st incident.StepState) string {
	switch st.Status {
	case incident.Done:
		return st.Finished.Summary
	case incident.Advised, incident.Failed:
		return st.Failure.Error
	case incident.Skipped:
		return b.who(st.SkippedBy) + ": " + st.SkipReason
	case incident.Running, incident.Pending:
	}
	return ""
}

// questions in the order in which they were asked.
func (b *builder) questions() []*incident.Question {
	return slices.SortedFunc(maps.Values(b.state.Questions), func(x, y *incident.Question) int {
		return cmp.Or(x.AskedAt.Compare(y.AskedAt), cmp.Compare(x.Question, y.Question))
	})
}

func (b *builder) decisions() {
	over := map[string][]string{}
	for _, e := range b.events {
		if g, ok := e.Body.(incident.ApprovalGiven); ok {
			over[g.Question] = g.Overridden
		}
	}
	for _, q := range b.questions() {
		d := Decision{
			Question: q.Question, About: q.Title, AskedFor: b.askedFor(q), Asked: clock(q.AskedAt),
			Answer: q.Answer, By: "nobody", Took: "-", at: q.AskedAt,
		}
		switch {
		case q.Open:
			d.Answer = "still open"
		default:
			d.Took = Span(q.At.Sub(q.AskedAt))
			if q.Answer != "expired" && q.Answer != "withdrawn" {
				d.By = b.who(q.By)
			}
		}
		note := func(label string, words ...string) {
			if text := strings.Join(words, ", "); text != "" {
				d.Notes = append(d.Notes, label+text)
			}
		}
		if q.BrokeGlass {
			d.Notes = append(d.Notes, "BREAK-GLASS: approved alone")
		}
		note("overridden: ", over[q.Question]...)
		note("reason: ", q.Reason)
		note("asked anew: ", q.Again)
		b.d.Decisions = append(b.d.Decisions, d)
	}
	for _, e := range b.events {
		d := Decision{By: b.who(e.Actor), AskedFor: "-", Asked: clock(e.Time), Took: "-", at: e.Time}
		switch body := e.Body.(type) {
		case incident.RunPaused:
			d.About, d.Answer = "The run", "paused"
			d.Notes = reason(body.Reason)
		case incident.RunResumed:
			d.About, d.Answer = "The run", "resumed"
		case incident.RunAborted:
			d.About, d.Answer = "The run", "aborted"
			d.Notes = reason(body.Reason)
		case incident.StepSkipped:
			if b.answeredBy(body.Step, e) {
				continue
			}
			d.About, d.Answer = body.Step, "went on without it"
			d.Notes = reason(body.Reason)
		case incident.StepRetried:
			if b.answeredBy(body.Step, e) {
				continue
			}
			d.About, d.Answer = body.Step, "tried again"
		case incident.IncidentResolved:
			d.About, d.Answer = "The incident", "resolved"
			d.Notes = reason(body.Reason)
		default:
			continue
		}
		b.d.Decisions = append(b.d.Decisions, d)
	}
	slices.SortStableFunc(b.d.Decisions, func(x, y Decision) int { return x.at.Compare(y.at) })
}

// answeredBy says that the event only carries out the answer to a question, which
// is told already.
func (b *builder) answeredBy(step string, e incident.Event) bool {
	for _, q := range b.state.Questions {
		if q.Step == step && q.Kind == incident.AskFailed && q.By == e.Actor && q.At.Equal(e.Time) {
			return true
		}
	}
	return false
}

func reason(s string) []string {
	if s == "" {
		return nil
	}
	return []string{"reason: " + s}
}

// askedFor names who wanted what the question is about.
func (b *builder) askedFor(q *incident.Question) string {
	var ids []string
	switch q.Kind {
	case incident.AskGo:
		ids = []string{b.state.DeclaredBy}
	case incident.AskApprove:
		ids = []string{cmp.Or(b.state.GoBy, b.state.DeclaredBy)}
		for _, r := range b.state.Step(q.Step).Retriers {
			if !slices.Contains(ids, r) {
				ids = append(ids, r)
			}
		}
	case incident.AskFailed, incident.AskPerson:
		return "the run"
	}
	for i, id := range ids {
		ids[i] = b.who(id)
	}
	return strings.Join(ids, ", ")
}

func (b *builder) changes() {
	undo := map[string]runbook.Step{}
	for _, s := range b.order() {
		undo[s.ID] = s
	}
	newest := map[string]intent{}
	for _, i := range b.intents {
		if first, ok := newest[i.Step]; ok && first.Before != "" {
			i.Before = first.Before // what stood there before this run touched it
		}
		newest[i.Step] = i
	}
	for _, st := range b.state.Changed() {
		i, s := newest[st.ID], undo[st.ID]
		c := Change{
			Step: st.ID, At: "-", What: st.Finished.Summary, Maybe: st.Intended != nil,
			Before: given(i.Before, "the value before was not recorded"), Undo: s.Undo,
		}
		if !i.at.IsZero() {
			c.At = clock(i.at)
		}
		if c.Maybe {
			c.What = "may have happened: " + cmp.Or(st.Failure.Error, "no answer is on the timeline")
		}
		if c.Undo == "" {
			c.Undo = "the plan names no way back"
		}
		b.d.Changes = append(b.d.Changes, c)
	}
}

// losses are what people were told could be lost when they agreed, and what the
// steps themselves saw of the lag. The worst one is the answer.
func (b *builder) losses() {
	covered := map[string]bool{}
	for _, q := range b.questions() {
		if q.Kind != incident.AskApprove || q.Answer != "approve" {
			continue
		}
		for _, e := range q.Effects {
			step := cmp.Or(e.Step, q.Step)
			if covered[step] {
				continue
			}
			covered[step] = true
			l := Loss{
				Store: step, Estimate: measured("%s", cmp.Or(e.Lost, "nothing, as shown to the approver")),
				Evidence: fmt.Sprintf("shown when %s agreed at %s to: %s", b.who(q.By), clock(q.At), e.What),
			}
			if lag := lagOf(b.finishes[step].Evidence); lag != "" {
				l.Evidence += "; the step itself saw " + lag
			}
			b.d.Losses = append(b.d.Losses, l)
		}
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		if covered[s.ID] {
			continue
		}
		seen := st.Finished.Evidence
		if st.Status == incident.Advised || st.Status == incident.Failed {
			seen = st.Failure.Evidence
		}
		if lag := lagOf(seen); lag != "" {
			b.d.Losses = append(b.d.Losses, Loss{
				Store: s.ID, Estimate: measured("%s", lag), Evidence: "read by the step, which ended " + clock(st.Ended),
			})
		}
	}
}

// lagOf picks the figures that speak of lag out of a step's evidence.
func lagOf(seen map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		for word := range strings.FieldsFuncSeq(strings.ToLower(k), func(r rune) bool { return r == ' ' || r == '_' || r == '-' || r == '.' }) {
			if word == "lag" || word == "rpo" {
				out = append(out, k+" "+seen[k])
				break
			}
		}
	}
	return strings.Join(out, ", ")
}

// gaps are what the record itself lacks.
func (b *builder) gaps() {
	add := func(format string, args ...any) { b.d.Gaps = append(b.d.Gaps, fmt.Sprintf(format, args...)) }
	var before incident.Event
	for i, e := range b.events {
		if i > 0 {
			if e.Seq != before.Seq+1 {
				add("Events between %d and %d are missing.", before.Seq, e.Seq)
			}
			if e.Time.Before(before.Time) {
				add("Event %d is dated %s before the one that it follows: two clocks disagreed.", e.Seq, Span(before.Time.Sub(e.Time)))
			}
		} else if e.Seq > 1 {
			add("The timeline begins with event %d.", e.Seq)
		}
		switch body := e.Body.(type) {
		case incident.RunTaken:
			if body.Return && i > 0 {
				add("The bot was away for up to %s before %s.", Span(max(0, e.Time.Sub(before.Time))), clock(e.Time))
			}
		case incident.Unknown:
			add("Event %d is of a type that this version does not know: %s.", e.Seq, body.Name)
		}
		before = e
	}
	if b.plan == nil {
		add("No plan is on the timeline: what should have happened cannot be compared.")
	}
	switch d := b.state.Durability; {
	case d == nil:
		add("How safe this record was kept is not on it.")
	case d.Volatile:
		add("This record was kept in memory only: %s", d.Says)
	}
	if b.t5.IsZero() {
		add("The timeline does not say that users were served again.")
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		switch {
		case st.Status == incident.Running:
			add("%s began at %s and has no end.", s.ID, clock(st.Started))
		case st.Status == incident.Pending && b.state.Over():
			add("%s was never carried out.", s.ID)
		}
		for _, f := range b.failures[s.ID] {
			if f.MayHaveHappened {
				add("After attempt %d of %s it was not known whether the change had happened.", max(1, f.Attempt), s.ID)
			}
		}
	}
}

func (b *builder) unprotected() {
	add := func(format string, args ...any) {
		b.d.Unprotected = append(b.d.Unprotected, fmt.Sprintf(format, args...))
	}
	in := b.state.Run
	promoted := false
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		promoted = promoted || s.NoReturn && (st.Status == incident.Done || st.Intended != nil)
	}
	if promoted && in.Mode == "unplanned" {
		add("There is no standby: nothing on this timeline shows that %s has rejoined %s.", in.Source, in.Target)
	}
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		title := cmp.Or(s.Title, s.ID)
		switch {
		case st.Intended != nil && st.Status != incident.Running:
			add("It is not known whether this happened: %s.", title)
		case st.Status == incident.Skipped:
			add("Left out by %s: %s. Reason: %s", b.who(st.SkippedBy), title, st.SkipReason)
		case st.Status == incident.Advised && st.Failure.Unknown:
			add("Could not be found out: %s. %s", title, st.Failure.Error)
		case st.Status == incident.Advised, st.Status == incident.Failed:
			add("Found wanting: %s. %s", title, st.Failure.Error)
		}
	}
}

// judge lists facts that speak for the run and against it, and what they leave
// to be done. Opinions are left to people.
func (b *builder) judge() {
	well := func(format string, args ...any) { b.d.Well = append(b.d.Well, fmt.Sprintf(format, args...)) }
	improve := func(format string, args ...any) { b.d.Improve = append(b.d.Improve, fmt.Sprintf(format, args...)) }
	if took, ok := b.impact(); ok && b.plan != nil && b.plan.Topology.Policy.ObjectiveMinutes > 0 {
		goal := time.Duration(b.plan.Topology.Policy.ObjectiveMinutes) * time.Minute
		if took <= goal {
			well("Users were served again %s after impact began; the objective is %s.", Span(took), Span(goal))
		} else {
			improve("Users were served again %s after impact began; the objective is %s.", Span(took), Span(goal))
		}
	}
	first, all := 0, 0
	for _, s := range b.order() {
		st := b.state.Step(s.ID)
		if st.Status == incident.Pending || b.attempts[s.ID] == 0 {
			continue
		}
		all++
		if st.Status == incident.Done && len(b.failures[s.ID]) == 0 {
			first++
		}
	}
	if all > 0 {
		well("%d of %d steps that were begun ended well without stopping once.", first, all)
	}
	if t := b.d.Times; t.Overlap() > 1 {
		well("Steps ran side by side: %s of work in %s.", Span(t.Sum), Span(t.Elapsed))
	}
	if t := b.d.Times; t.Human > t.Machine {
		improve("People were waited for longer (%s) than the machine worked (%s).", Span(t.Human), Span(t.Machine))
	}
	for _, q := range b.questions() {
		switch {
		case q.BrokeGlass:
			improve("%s approved %q alone by break-glass: nobody else had answered.", b.who(q.By), q.Title)
		case q.Kind == incident.AskApprove && q.Answer == "approve" && !b.state.Requested(q.By, q.Step):
			well("%q was approved by somebody else than who asked for it, %s after the question.", q.Title, Span(q.At.Sub(q.AskedAt)))
		case q.Answer == "expired":
			improve("Nobody answered %q within %s.", q.Title, Span(q.At.Sub(q.AskedAt)))
		}
	}
	for _, e := range b.events {
		switch body := e.Body.(type) {
		case incident.ApprovalGiven:
			if len(body.Overridden) > 0 {
				improve("%s overrode failed checks: %s. Reason: %s", b.who(e.Actor), strings.Join(body.Overridden, ", "), cmp.Or(body.Reason, "none given"))
			}
		case incident.StepFailed:
			if !body.Advice {
				improve("%s stopped: %s", body.Step, body.Error)
			}
		case incident.RunTaken:
			if body.Return {
				improve("The bot had to be started again, and was back at %s.", clock(e.Time))
			}
		}
	}
	b.d.Actions = append(b.d.Actions, b.d.Unprotected...)
	for _, c := range b.d.Changes {
		if s, ok := b.planStep(c.Step); ok && !s.NoReturn && !strings.HasPrefix(c.Undo, nothingBack) {
			b.d.Actions = append(b.d.Actions, fmt.Sprintf("Keep or take back the change of %s: %s", c.Step, c.Undo))
		}
	}
}

// nothingBack begins the way back of a change that leaves nothing behind.
const nothingBack = "nothing to "

func (b *builder) planStep(id string) (runbook.Step, bool) {
	if b.plan == nil {
		return runbook.Step{}, false
	}
	return b.plan.Step(id)
}
