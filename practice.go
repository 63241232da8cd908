package main

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
	"github.com/failoverbot/failoverbot/providers/sim"
)

// resultsFile keeps one Result a line, so that runs into the same folder can be
// compared.
const resultsFile = "results.jsonl"

// Result is how a rehearsal went. Durations are pretend, in seconds.
type Result struct {
	Scenario string      `json:"scenario"`
	Incident incident.ID `json:"incident"`
	Declared time.Time   `json:"declared"`
	Phase    string      `json:"phase"`
	// Mitigated says that service was restored.
	Mitigated bool `json:"mitigated"`
	// Decide is from the declaration to Go; Total from there to mitigation, or
	// without one to the abort, or so far. Machine and People are its parts.
	Decide  float64 `json:"decide"`
	Total   float64 `json:"total"`
	Machine float64 `json:"machine"`
	People  float64 `json:"people"`
	// What was decided against the plan's own advice, each step once: a gate that was
	// overridden is not skipped as well.
	Overridden []string `json:"overridden,omitempty"`
	Skipped    []string `json:"skipped,omitempty"`
	BrokeGlass int      `json:"broke_glass,omitempty"`
	Unanswered int      `json:"unanswered,omitempty"` // questions that nobody answered in time
	// Differs is how the world is not what the scenario expects at the end.
	Differs []string `json:"differs,omitempty"`
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
	"region-degraded", "region-loss", "lag-too-high", "pods-pending", "aurora-stuck", "throttled", "dns-stale",
	"approver-absent", "bot-killed", "slack-away",
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

// Practice is what the page shows of both. Before are the last three results of
// the same scenario in the folder of --out, the newest first.
type Practice struct {
	Tried  []Tried  `json:"tried"`
	Result *Result  `json:"result,omitempty"`
	Before []Result `json:"before,omitempty"`
	// Others are scenarios for another time.
	Others []Story `json:"others"`
}

// result is nil before an incident was declared.
func (r *rehearsal) result(ctx context.Context) (*Result, *incident.State, error) {
	id, err := r.current(ctx)
	if err != nil || id == "" {
		return nil, nil, err
	}
	events, err := r.record.Read(ctx, id, 0, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("read the timeline for the result: %w", err)
	}
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
	out := &Result{
		Scenario: r.scn.Name, Incident: s.ID, Declared: s.DeclaredAt, Phase: s.Phase(), Mitigated: t.Mitigated,
		Total: t.Elapsed.Seconds(), Machine: t.Machine.Seconds(), People: t.Human.Seconds(),
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
	if !s.ResolvedAt.IsZero() {
		out.Differs = r.world.Check()
	}
	return out, s, nil
}

// before are the last three results of this scenario, the newest first.
func (r *rehearsal) before() ([]Result, error) {
	folder := cmp.Or(r.results, r.out)
	if folder == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(folder, resultsFile))
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
	const most = 3
	slices.Reverse(out)
	return out[:min(len(out), most)], nil
}

// keepResult adds the result to those of earlier rehearsals.
func (r *rehearsal) keepResult(ctx context.Context) error {
	one, _, err := r.result(ctx)
	if err != nil || one == nil {
		return err
	}
	line, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(cmp.Or(r.results, r.out), resultsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keep the result: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// practice answers what was tried and how it went.
func (b *beside) practice(w http.ResponseWriter, req *http.Request) {
	defer b.r.clock.Busy()()
	one, s, err := b.r.result(req.Context())
	if err != nil {
		besideJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	before, err := b.r.before()
	if err != nil {
		besideJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	if s == nil {
		s = incident.Fold(nil)
	}
	approved := func() bool {
		for _, q := range s.Questions {
			if q.Kind == incident.AskApprove && q.Answer == "approve" && q.By != s.GoBy {
				return true
			}
		}
		return false
	}
	b.mu.Lock()
	killed, broke := b.revived, b.broke.Load()
	b.mu.Unlock()
	besideJSON(w, http.StatusOK, Practice{Result: one, Before: before, Others: b.others, Tried: []Tried{
		{"As a commander: /failover start " + b.r.scn.Target, one != nil},
		{"Read the readiness, then say Go", s.GoBy != ""},
		{"As an approver: agree to the point of no return", approved()},
		{"Kill the bot in the middle and start it again", killed},
		{"Break something in the world and see what the bot says", broke},
		{"Put a remark on the record: /failover note", s.Notes > 0},
		{"Close it: /failover resolve, and read the review draft", !s.ResolvedAt.IsZero()},
	}})
}
