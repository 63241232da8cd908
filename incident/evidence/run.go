package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// Where a run was carried out.
const (
	Production = "production"
	Rehearsal  = "rehearsal" // in the pretend world: users were not touched
	Drill      = "drill"
	DryRun     = "dry run" // nothing was changed
)

// Run is one run of an incident, as an auditor asks for it.
type Run struct {
	Incident incident.ID      `json:"incident"`
	Run      incident.RunID   `json:"run"`
	Kind     incident.RunKind `json:"kind"`
	Where    string           `json:"where"`
	Mode     string           `json:"mode"`
	Source   string           `json:"source"`
	Target   string           `json:"target"`
	Services []string         `json:"services"`
	Reason   string           `json:"reason"`
	Began    time.Time        `json:"began"`
	Go       time.Time        `json:"go,omitzero"`
	Ended    time.Time        `json:"ended,omitzero"`
	// Outcome is how it ended: complete, taken back, aborted, superseded, open.
	Outcome string `json:"outcome"`
	// Plan is the digest of the plan that was frozen when it began.
	Plan  string `json:"plan"`
	Roles []Role `json:"roles"`
	Steps []Step `json:"steps"`
	// RTO and RPO as achieved, of a run that moved users or was to.
	RTO *Achieved `json:"rto,omitempty"`
	RPO *Achieved `json:"rpo,omitempty"`
	// Deviations are what did not go by the plan: steps that failed, were left out, were
	// tried again. Overrides are gates that people went past.
	Deviations []string `json:"deviations"`
	Overrides  []string `json:"overrides"`
	// Backups are what there was to recover from, as seen in this run.
	Backups []string `json:"backups"`
	// Channels are the ways by which people were told and answered.
	Channels []string `json:"channels"`
}

// Title is the run in a line.
func (r Run) Title() string {
	switch r.Kind {
	case incident.Failback:
		return fmt.Sprintf("Failback %s to %s", r.Source, r.Target)
	case incident.RestoreBackup:
		return fmt.Sprintf("Restore of a backup in %s", r.Target)
	case incident.MoveServers:
		return fmt.Sprintf("Move of servers %s to %s", r.Source, r.Target)
	case incident.RebuildStandby:
		return fmt.Sprintf("Rebuild of the standby in %s", r.Target)
	case incident.Undo:
		return fmt.Sprintf("Taking back, towards %s", r.Source)
	case incident.Failover, incident.Drill:
	}
	return fmt.Sprintf("Failover %s to %s, %s", r.Source, r.Target, r.Mode)
}

// Role is somebody who had a part in a run.
type Role struct {
	Role string `json:"role"`
	Who  string `json:"who"`
}

// Step is one step of a run as it ended.
type Step struct {
	ID     string    `json:"id"`
	Title  string    `json:"title"`
	Result string    `json:"result"`
	Seen   string    `json:"seen,omitempty"`
	Began  time.Time `json:"began,omitzero"`
	Ended  time.Time `json:"ended,omitzero"`
	// Seq is the event that ended it; 0 where none did.
	Seq uint64 `json:"seq,omitempty"`
}

// Took is how long it ran; zero where it has not ended.
func (s Step) Took() time.Duration {
	if s.Began.IsZero() || s.Ended.IsZero() {
		return 0
	}
	return s.Ended.Sub(s.Began)
}

// Achieved is what was measured against an objective.
type Achieved struct {
	// Objective in words; empty where the settings name none.
	Objective string `json:"objective,omitempty"`
	// Achieved in words; empty where the timeline does not show it, and then From says
	// what is missing.
	Achieved string `json:"achieved,omitempty"`
	// Met is nil where one of the two is not known.
	Met *bool `json:"met,omitempty"`
	// From is what it was taken from.
	From string `json:"from"`
}

// run is a Run with what the control's bullets are answered from.
type run struct {
	Run
	platform string
	regions  []string
	steps    []fact
	began    Record // its RunBegun
	goGiven  Record
	aborted  Record
	ended    Record
	strategy Record // what was said to be changed after it had been stopped
	follows  incident.RunID
	// complete: users are served by the target, verified; of a run that moves nobody,
	// that it came to its end.
	complete bool
}

// fact is how a step of the plan ended.
type fact struct {
	runbook.Step
	verdict incident.Verdict
	// passed: it was carried out and came out well, or was seen not to apply.
	passed bool
	// failed: some attempt at it failed.
	failed []Record
	record Record
	seen   string
}

// key is a step of a run.
type key struct {
	run  incident.RunID
	step string
}

// index finds the events that say how something ended.
type index struct {
	ended   map[key]incident.Event
	failed  map[key][]incident.Event
	retried map[key]int
	began   map[incident.RunID]incident.Event
	goes    map[incident.RunID]incident.Event
	aborted map[incident.RunID]incident.Event
	over    map[incident.RunID]incident.Event
	given   map[incident.RunID][]incident.Event
	faces   map[incident.RunID][]string
	closed  []incident.Event
}

func indexed(events []incident.Event) *index {
	x := &index{
		ended: map[key]incident.Event{}, failed: map[key][]incident.Event{}, retried: map[key]int{},
		began: map[incident.RunID]incident.Event{}, goes: map[incident.RunID]incident.Event{},
		aborted: map[incident.RunID]incident.Event{}, over: map[incident.RunID]incident.Event{},
		given: map[incident.RunID][]incident.Event{}, faces: map[incident.RunID][]string{},
	}
	for _, e := range events {
		if e.Via != nil && !slices.Contains(x.faces[e.Run], e.Via.Face) {
			x.faces[e.Run] = append(x.faces[e.Run], e.Via.Face)
		}
		switch b := e.Body.(type) {
		case incident.RunBegun:
			x.began[e.Run] = e
		case incident.StepFinished:
			x.ended[key{e.Run, b.Step}] = e
		case incident.StepFailed:
			k := key{e.Run, b.Step}
			x.ended[k] = e
			x.failed[k] = append(x.failed[k], e)
		case incident.StepSkipped:
			x.ended[key{e.Run, b.Step}] = e
		case incident.StepRetried:
			x.retried[key{e.Run, b.Step}]++
		case incident.WatchObserved:
			x.ended[key{e.Run, b.Step}] = e
		case incident.ApprovalGiven:
			x.given[e.Run] = append(x.given[e.Run], e)
			if b.Kind == incident.AskGo {
				x.goes[e.Run] = e
			}
		case incident.RunAborted:
			x.aborted[e.Run] = e
		case incident.PointClosed:
			x.closed = append(x.closed, e)
		case incident.RunEnded:
			x.over[e.Run] = e
		case incident.IncidentMitigated:
			if _, ok := x.over[e.Run]; !ok {
				x.over[e.Run] = e
			}
		}
	}
	return x
}

// record of an event; the zero Record of none.
func (c *Collector) record(id incident.ID, e incident.Event) Record {
	if e.Body == nil {
		return Record{}
	}
	return Record{Incident: id, Run: e.Run, Seq: e.Seq, Time: e.Time, Says: text.Shorten(review.Sentence(e, c.o.Name), 240)}
}

func (c *Collector) run(s *incident.State, r *incident.Run, plan *runbook.Plan, x *index) *run {
	in := s.Declared
	out := &run{
		Run: Run{
			Incident: s.ID, Run: r.Name, Kind: cmp.Or(r.Kind, incident.Failover), Where: where(in, r), Mode: r.Mode,
			Source: r.Source, Target: r.Target, Services: []string{}, Began: r.BegunAt, Go: r.GoAt, Plan: r.Plan.Digest,
			Steps: []Step{}, Deviations: []string{}, Overrides: []string{}, Backups: []string{}, Channels: []string{},
			Reason: in.Reason,
		},
		platform: plan.Topology.Platform, follows: r.Follows,
		began: c.record(s.ID, x.began[r.Name]), goGiven: c.record(s.ID, x.goes[r.Name]),
		aborted: c.record(s.ID, x.aborted[r.Name]), ended: c.record(s.ID, x.over[r.Name]),
	}
	if b, ok := x.began[r.Name].Body.(incident.RunBegun); ok && b.Reason != "" {
		out.Reason = b.Reason
	}
	for name := range plan.Topology.Regions {
		out.regions = append(out.regions, name)
	}
	slices.Sort(out.regions)
	for _, service := range plan.Topology.Services {
		out.Services = append(out.Services, service.Name)
	}
	for _, e := range x.closed {
		if e.Body.(incident.PointClosed).Point == view.StrategyPoint && out.aborted.Seq > 0 && e.Seq > out.aborted.Seq {
			out.strategy = c.record(s.ID, e)
		}
	}
	out.Outcome, out.Ended, out.complete = outcome(s, r)
	c.roles(out, s, r, x)
	c.carriedOut(out, r, plan, x)
	if r.Kind != incident.Undo && !r.Kind.Apart() && r == led(s) {
		out.objectives(s, r, plan)
	}
	for _, face := range x.faces[r.Name] {
		out.Channels = append(out.Channels, map[string]string{incident.FaceSlack: "Slack"}[face])
		if out.Channels[len(out.Channels)-1] == "" {
			out.Channels[len(out.Channels)-1] = face
		}
	}
	return out
}

func where(in incident.IncidentDeclared, r *incident.Run) string {
	switch {
	case r.Dry:
		return DryRun
	case in.Rehearsal:
		return Rehearsal
	case r.Kind == incident.Drill:
		return Drill
	}
	return Production
}

// outcome is how the run ended, when, and whether it did what it was for.
func outcome(s *incident.State, r *incident.Run) (how string, at time.Time, complete bool) {
	for _, u := range s.Runs {
		if u.Kind == incident.Undo && u.Follows == r.Name && u.Ended.How != "" && u.Ended.How != incident.Superseded {
			return "taken back", u.EndedAt, false
		}
	}
	switch {
	case !r.AbortedAt.IsZero():
		return "aborted", r.AbortedAt, false
	case r.Ended.How == incident.Superseded:
		return "superseded", r.EndedAt, false
	case !r.MitigatedAt.IsZero():
		return "complete", r.MitigatedAt, true
	case r.Ended.How != "":
		return "complete", r.EndedAt, true
	case r.Over():
		return "closed before it was complete", r.EndedAt, false
	}
	return "open", time.Time{}, false
}

// led is the newest run of an incident that does not take another one back.
func led(s *incident.State) *incident.Run {
	for _, r := range slices.Backward(s.Runs) {
		if r.Kind != incident.Undo {
			return r
		}
	}
	return nil
}

func (c *Collector) roles(out *run, s *incident.State, r *incident.Run, x *index) {
	out.Roles = []Role{}
	add := func(role, id string) {
		if id == "" {
			return
		}
		if at := (Role{role, c.o.Name(id)}); !slices.Contains(out.Roles, at) {
			out.Roles = append(out.Roles, at)
		}
	}
	add("asked for it", r.BegunBy)
	add("commander", s.Declared.Commander)
	add("said Go", r.GoBy)
	for _, e := range x.given[r.Name] {
		if b := e.Body.(incident.ApprovalGiven); b.Kind == incident.AskApprove {
			add("approved", e.Actor)
		}
	}
}

func (c *Collector) carriedOut(out *run, r *incident.Run, plan *runbook.Plan, x *index) {
	for _, step := range plan.Steps {
		k := key{r.Name, step.ID}
		st := r.Step(step.ID)
		told := Step{ID: step.ID, Title: step.Title, Began: st.First, Ended: st.Ended, Seq: x.ended[k].Seq}
		f := fact{Step: step, verdict: st.Verdict(), record: c.record(out.Incident, x.ended[k])}
		told.Result, told.Seen = c.result(st, step)
		switch f.verdict {
		case incident.Pass, incident.Warn, incident.NotApplicable:
			f.passed = true
		case incident.Fail, incident.Unsure:
		}
		if o := st.Observed; o != nil && !step.Kind.Ends() { // a wait is told by how it ended
			f.verdict, f.passed = o.Verdict, o.Verdict == incident.Pass || o.Verdict == incident.NotApplicable
			told.Result, told.Seen = "watched: "+words(o.Verdict), o.Summary
		}
		f.seen = told.Seen
		for _, e := range x.failed[k] {
			f.failed = append(f.failed, c.record(out.Incident, e))
		}
		out.Steps, out.steps = append(out.Steps, told), append(out.steps, f)

		switch {
		case st.Status == incident.Skipped:
			out.Deviations = append(out.Deviations, fmt.Sprintf("%s was left out by %s: %s", step.ID, c.o.Name(st.SkippedBy), st.SkipReason))
		case st.Status == incident.Failed || st.Status == incident.Advised:
			out.Deviations = append(out.Deviations, fmt.Sprintf("%s: %s", step.ID, st.Failure.Error))
		case x.retried[k] > 0:
			out.Deviations = append(out.Deviations, fmt.Sprintf("%s was tried %s more, and then done", step.ID, text.Count(x.retried[k], "time")))
		}
		if slices.Contains(step.Proves, incident.BackupSeen) && told.Seen != "" {
			out.Backups = append(out.Backups, told.Seen)
		}
		if step.Kind == runbook.Tell && st.Status == incident.Done && !strings.HasPrefix(told.Seen, "not ") {
			out.Channels = append(out.Channels, told.Seen)
		}
	}
	for _, e := range x.given[r.Name] {
		b := e.Body.(incident.ApprovalGiven)
		for _, gate := range b.Overridden {
			out.Overrides = append(out.Overrides, fmt.Sprintf("%s by %s: %s", gate, c.o.Name(e.Actor), cmp.Or(b.Reason, "no reason was given")))
		}
		if b.BrokeGlass {
			out.Overrides = append(out.Overrides, fmt.Sprintf("%s was approved by %s alone, after nobody had answered: %s", b.Step, c.o.Name(e.Actor), cmp.Or(b.Reason, "no reason was given")))
		}
	}
}

// result is how a step stands, in a word or two, and what was seen.
func (c *Collector) result(st incident.StepState, step runbook.Step) (result, seen string) {
	switch st.Status {
	case incident.Done:
		if step.Kind == runbook.Check {
			return words(st.Verdict()), st.Finished.Summary
		}
		if st.Finished.Already {
			return "was so already", st.Finished.Summary
		}
		return "done", st.Finished.Summary
	case incident.Advised, incident.Failed:
		return words(st.Verdict()), st.Failure.Error
	case incident.Skipped:
		return "left out", st.SkipReason
	case incident.Running:
		return "not ended", ""
	case incident.Pending:
	}
	return "not begun", ""
}

// words are a verdict as people say it.
func words(v incident.Verdict) string {
	switch v {
	case incident.Pass:
		return "passed"
	case incident.Warn:
		return "passed, with a warning"
	case incident.NotApplicable:
		return "does not apply"
	case incident.Fail:
		return "failed"
	case incident.Unsure:
		return "not known"
	}
	return string(v)
}

// objectives are what the run that users felt achieved.
func (r *run) objectives(s *incident.State, of *incident.Run, plan *runbook.Plan) {
	at := *s
	at.Run = of
	look := view.New(&at, plan, nil, s.Last)
	rto := &Achieved{From: "since when users were hurt, and since when they were served again"}
	if m := plan.Topology.Policy.ObjectiveMinutes; m > 0 {
		rto.Objective = text.Tenths(time.Duration(m) * time.Minute)
	}
	hurt := look.Impact()
	switch from, to := hurt.From(), hurt.End; {
	case !hurt.Known():
		rto.From = "the timeline does not say since when users were hurt"
	case hurt.Hurt || to.IsZero():
		rto.From = "the timeline does not say that users were served again"
	default:
		took := to.Sub(from)
		rto.Achieved = text.Tenths(took)
		rto.From = fmt.Sprintf("%s to %s", text.ToSecond.UTC(from), text.ToSecond.UTC(to))
		if rto.Objective != "" {
			met := took <= time.Duration(plan.Topology.Policy.ObjectiveMinutes)*time.Minute
			rto.Met = &met
		}
	}
	r.RTO = rto
	r.RPO = lost(r, of)
}

// lost is what may have been lost, as approvers were shown it and the last order ids tell.
func lost(r *run, of *incident.Run) *Achieved {
	out := &Achieved{From: "nobody approved moving the database, so nothing was lost by this run"}
	var shown []string
	for _, q := range of.Questions {
		if q.Kind != incident.AskApprove || q.Answer != "approve" {
			continue
		}
		for _, e := range q.Effects {
			if e.Lost != "" && !slices.Contains(shown, e.Lost) {
				shown = append(shown, e.Lost)
			}
		}
	}
	if len(shown) == 0 {
		if slices.ContainsFunc(r.steps, func(f fact) bool { return f.passed && slices.Contains(f.Proves, incident.WriterMoved) }) {
			shown = []string{"nothing: the database was switched over, which loses no write"}
		} else {
			return out
		}
	}
	slices.Sort(shown)
	out.Achieved, out.From = strings.Join(shown, "; "), "as shown to whoever approved it"
	for _, f := range r.steps {
		if f.passed && slices.Contains(f.Proves, incident.LastWritesKept) && f.seen != "" {
			out.Achieved, out.From = f.seen, fmt.Sprintf("%s, event %d", f.ID, f.record.Seq)
		}
	}
	return out
}
