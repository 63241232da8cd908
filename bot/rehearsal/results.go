package rehearsal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// resultsFile keeps one Result a line, so that runs into the same folder can be
// compared.
const resultsFile = "results.jsonl"

// resultsMost is the most bytes of it that are read: those of some ten thousand runs.
const resultsMost = 16 << 20

// Result is how an incident of a rehearsal went. Durations are pretend, in seconds.
type Result struct {
	Scenario string      `json:"scenario"`
	Seed     uint64      `json:"seed"` // of what the world drew
	Incident incident.ID `json:"incident"`
	Target   string      `json:"target,omitempty"` // the Region that was to take over
	Declared time.Time   `json:"declared"`
	Phase    string      `json:"phase"`
	// Mitigated says that service was restored.
	Mitigated bool `json:"mitigated"`
	// Decide is from the declaration to Go; Total from there to mitigation, or
	// without one to the abort, or so far. Machine and People are its parts.
	// Served is from the declaration to when users were served again: mitigation is
	// when that, and the rest, was verified.
	Served float64 `json:"served,omitempty"`
	// OrdersStopped is how long the world's own orders stopped with the move, and
	// GoToServed from Go to the first that was written and read back in the target.
	OrdersStopped float64 `json:"orders_stopped,omitempty"`
	GoToServed    float64 `json:"go_to_served,omitempty"`
	Decide        float64 `json:"decide"`
	Total         float64 `json:"total"`
	Machine       float64 `json:"machine"`
	People        float64 `json:"people"`
	// What was decided against the plan's own advice, each step once: a gate that was
	// overridden is not skipped as well.
	Overridden []string `json:"overridden,omitempty"`
	Skipped    []string `json:"skipped,omitempty"`
	BrokeGlass int      `json:"broke_glass,omitempty"`
	Unanswered int      `json:"unanswered,omitempty"` // questions that nobody answered in time
	// Checked says that the world was compared with what the scenario expects at the
	// end, and Differs how it is otherwise.
	Checked bool     `json:"checked,omitempty"`
	Differs []string `json:"differs,omitempty"`
}

// ended says that it came to an end, and was not broken off in the middle.
func (r Result) ended() bool {
	return slices.Contains([]string{"mitigated", "aborted", "taken back", "resolved", incident.ClosedUnserved}, r.Phase)
}

// Tried is one thing worth trying in a rehearsal.
type Tried struct {
	What string `json:"what"`
	Done bool   `json:"done"`
}

// Story is a scenario that could be rehearsed.
type Story struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	About string `json:"about"`
}

// curriculum is the order in which the built-in scenarios are best tried: the whole
// way first, then what to decide, then what goes wrong with the platform, with
// people, and with the bot itself.
var curriculum = []string{
	"region-degraded", "region-loss", "lag-too-high", "pods-pending", "aurora-stuck", "switchover-dropped", "failover-dropped", "cache-modified",
	"lost-while-planned", "gitops-owned", "split-brain-warning", "throttled", "dns-stale", "takeover-astray", "start-towards-home", "abort-before-promotion", "abort-after-promotion",
	"failover-then-failback", "unplanned-then-failback", "lost-while-away", "failback-refused", "failback-drifted", "database-detached", "detach-then-rebuild", "failback-backed-out", "record-change-and-back", "routing-control-and-back", "velero-restore", "drs-failback", "drs-one-server-fails", "drs-backout-before-traffic", "drs-backout-after-traffic", "unserved-at-resolve", "approver-absent", "bot-killed", "slack-away",
	"outage-proposed", "route53-already-moved", "noisy-day", "cut-off", "drill-dry-run",
}

// stories are the built-in scenarios but this one.
func (r *rehearsal) stories() []Story {
	var out []Story
	for _, name := range append([]string{r.own}, curriculum...) {
		if name == "" {
			continue
		}
		if s, err := sim.Load(name); err == nil && s.Name != r.scn.Name { // a test holds them to be readable
			out = append(out, Story{s.Name, s.Title, strings.TrimSpace(s.About)})
		}
	}
	return out
}

// Practice is what the page shows of both.
type Practice struct {
	Tried []Tried `json:"tried"`
	// Open is of the incident that is under way.
	Open *Result `json:"open,omitempty"`
	// Result is the newest of those that came to an end. Before are three at most
	// from before it: of this rehearsal, and of the same scenario in the folder of
	// --out.
	Result *Result  `json:"result,omitempty"`
	Before []Result `json:"before,omitempty"`
	// Others are scenarios for another time.
	Others []Story `json:"others"`
}

// outcomes are the results of all incidents so far and how these stand, in the
// order in which they began.
func (r *rehearsal) outcomes(ctx context.Context) (results []Result, stand []*incident.State, err error) {
	ids, err := r.record.Incidents(ctx, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("list the incidents for the result: %w", err)
	}
	var until time.Time // the next one was declared; zero after the last
	for n, id := range slices.Backward(ids) {
		events, err := r.record.Read(ctx, id, 0, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("read the timeline for the result: %w", err)
		}
		one, s := r.result(events)
		orders := r.world.OrderFigures(s.Target, s.GoAt, until)
		one.OrdersStopped, one.GoToServed, until = orders.Stopped().Seconds(), orders.GoToServed().Seconds(), s.DeclaredAt
		// Of another Region the scenario expects nothing, nor of what is moved on from there.
		ends := r.scn.Target
		if !s.MitigatedAt.IsZero() {
			ends = cmp.Or(r.scn.Expect.Writer, ends)
		}
		if one.Checked = !s.ResolvedAt.IsZero() && s.Target == ends; one.Checked {
			one.Differs = r.differs(id, n < len(ids)-1)
		}
		results, stand = append(results, one), append(stand, s)
	}
	slices.Reverse(results)
	slices.Reverse(stand)
	return results, stand, nil
}

// toldOrders is a line on what the world's own orders met with in an incident.
func toldOrders(f sim.OrderFigures) string {
	const clock = "15:04:05"
	say := "the world's own orders "
	switch {
	case f.Stopped() > 0:
		say += fmt.Sprintf("stopped for %s (%s to %s UTC)", review.Span(f.Stopped()), f.Last.Format(clock), f.First.Format(clock))
	case f.Failing && f.Last.IsZero():
		say += "never got through"
	case f.Failing:
		say += fmt.Sprintf("stopped at %s UTC and are not back for good", f.Last.Format(clock))
	default:
		say += "did not stop for a move"
	}
	if d := f.GoToServed(); d > 0 {
		say += fmt.Sprintf(", from Go to served in %s %s", f.Target, review.Span(d))
	}
	return say
}

// differs is how the world is not what the scenario expects. Of an incident that
// another one followed it is what it was then.
func (r *rehearsal) differs(id incident.ID, followed bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.differed[id]
	if known {
		return was
	}
	is := r.world.Check()
	if followed {
		r.differed[id] = is
	}
	return is
}

// result is how an incident went, apart from the world.
func (r *rehearsal) result(events []incident.Event) (Result, *incident.State) {
	plan, err := review.Plan(events)
	if err != nil {
		plan = nil // there is none yet
	}
	title := func(id string) string {
		if plan != nil {
			for _, s := range plan.Steps {
				if s.ID == id {
					return s.Title
				}
			}
		}
		return id
	}
	s, measured := incident.Fold(events), events
	if s.MitigatedAt.IsZero() && !s.AbortedAt.IsZero() {
		measured = slices.DeleteFunc(slices.Clone(events), func(e incident.Event) bool { return e.Time.After(s.AbortedAt) })
	}
	t := review.Measure(measured, plan)
	out := Result{
		Scenario: r.scn.Name, Seed: r.Seed, Incident: incident.ID(s.ID.Name()), Target: s.Target, Declared: s.DeclaredAt, Phase: s.Phase(), Mitigated: t.Mitigated,
		Total: t.Elapsed.Seconds(), Machine: t.Machine.Seconds(), People: t.Human.Seconds(),
	}
	if at := s.ServedAt(); !at.IsZero() {
		out.Served = at.Sub(s.DeclaredAt).Seconds()
	}
	if !s.GoAt.IsZero() {
		out.Decide = s.GoAt.Sub(s.DeclaredAt).Seconds()
	}
	var against []string // the steps that were gone on without, so far
	once := func(to *[]string, step string) {
		if !slices.Contains(against, step) {
			against, *to = append(against, step), append(*to, title(step))
		}
	}
	for _, e := range events {
		switch b := e.Body.(type) {
		case incident.ApprovalGiven:
			for _, id := range b.Overridden { // the record skips each of them right after
				once(&out.Overridden, id)
			}
			if b.BrokeGlass {
				out.BrokeGlass++
			}
		case incident.StepSkipped:
			once(&out.Skipped, b.Step)
		}
	}
	for _, n := range s.Expiries {
		out.Unanswered += n
	}
	return out, s
}

// before are the results of this scenario in the folder, the newest first.
func (r *rehearsal) before() ([]Result, error) {
	folder := cmp.Or(r.results, r.Out)
	if folder == "" {
		return nil, nil
	}
	data, err := strict.ReadUpTo(filepath.Join(folder, resultsFile), resultsMost)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the results of earlier rehearsals: %w", err)
	}
	var out []Result
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var one Result
		if json.Unmarshal(lines.Bytes(), &one) == nil && one.Scenario == r.scn.Name { // a torn line is none
			out = append(out, one)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// compared are those that a result is shown beside. One that was broken off never
// takes the place of one that came to an end.
func compared(before []Result) []Result {
	const most = 3
	var ended, off []Result
	for _, one := range before {
		if one.ended() {
			ended = append(ended, one)
		} else {
			off = append(off, one)
		}
	}
	all := append(ended, off...)
	return all[:min(len(all), most)]
}

// keepResults adds the results to those of earlier rehearsals.
func (r *rehearsal) keepResults(ctx context.Context) error {
	results, _, err := r.outcomes(ctx)
	if err != nil || len(results) == 0 {
		return err
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for _, one := range results {
		if err := enc.Encode(one); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	f, err := strict.OpenFile(filepath.Join(cmp.Or(r.results, r.Out), resultsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keep the result: %w", err)
	}
	_, err = f.Write(text.JSON(lines.Bytes()))
	return errors.Join(err, f.Close())
}

// practice answers what was tried and how it went.
func (b *panel) practice(w http.ResponseWriter, req *http.Request) {
	defer b.r.clock.Busy()()
	results, stand, err := b.r.outcomes(req.Context())
	if err != nil {
		panelJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	before, err := b.r.before()
	if err != nil {
		panelJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	p := Practice{Tried: b.tried(stand), Others: b.others}
	var ended []Result
	for n, one := range slices.Backward(results) {
		if !stand[n].Over() {
			p.Open = &one
		}
		if one.ended() {
			ended = append(ended, one)
		}
	}
	if len(ended) > 0 {
		p.Result, before = &ended[0], append(ended[1:], before...)
	}
	p.Before = compared(before)
	panelJSON(w, http.StatusOK, p)
}

// tried is what there is to try. Once done in any incident, it was done.
func (b *panel) tried(stand []*incident.State) []Tried {
	some := func(did func(*incident.State) bool) bool { return slices.ContainsFunc(stand, did) }
	approved := func(s *incident.State) bool {
		for _, q := range s.Questions {
			if q.Kind == incident.AskApprove && q.Answer == "approve" && q.By != s.GoBy {
				return true
			}
		}
		return false
	}
	b.mu.Lock()
	revived := b.revived
	b.mu.Unlock()
	return []Tried{
		{"As a commander: /failover start " + b.r.scn.Target, some(func(s *incident.State) bool { return s.Target == b.r.scn.Target })},
		{"Read the readiness, then say Go", some(func(s *incident.State) bool { return s.GoBy != "" })},
		{"As an approver: agree to the point of no return", some(approved)},
		{"Kill the bot in the middle and start it again", revived},
		{"Break something in the world and see what the bot says", b.broke.Load()},
		{"Put a remark on the record: /failover note", some(func(s *incident.State) bool { return s.Notes > 0 })},
		{"Close it: /failover resolve, and read the review draft", some(func(s *incident.State) bool { return !s.ResolvedAt.IsZero() })},
	}
}
