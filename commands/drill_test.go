package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// foreseen is a dry run in which something of every kind was found.
func foreseen() incident.Foreseen {
	would := func(step, title, what, lost string, after time.Duration) incident.StepForeseen {
		return incident.StepForeseen{
			Step: step, Title: title, Kind: "change", Gate: incident.GateRequired, After: after, Says: what,
			Effect: &incident.Effect{Step: step, What: what, Lost: lost},
		}
	}
	move := would("switch-database", "Switch the database over", "SwitchoverGlobalCluster: shop -> shop-west", "nothing", time.Minute)
	move.Asks = "approver"
	return incident.Foreseen{
		Began: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), Takes: 6 * time.Minute, Decisions: 1, Rights: 4,
		Steps: []incident.StepForeseen{
			{Step: "nodes", Title: "Nodes per zone", Kind: "check", Gate: incident.GateRequired, Verdict: incident.Pass, Says: "6 nodes in 3 zones"},
			{Step: "backup", Title: "Backup", Kind: "check", Gate: incident.GateRequired, Verdict: incident.Fail, Says: "22 min old (limit 15)", Hint: "run velero backup create"},
			{Step: "traces", Title: "Traces arrive", Kind: "check", Gate: incident.GateAdvice, Verdict: incident.Unsure, Says: "no answer from X-Ray"},
			{Step: "go", Title: "Begin to change things", Kind: "go", Asks: "commander", Says: "would ask a commander"},
			would("scale/order-service", "Scale order-service", "scale order-service in us-west-2 to 6", "", 0),
			{Step: "scale/user-service", Title: "Scale user-service", Kind: "change", There: true, Says: "it has 6 replicas"},
			move,
			{Step: "protect", Title: "Protect the servers", Kind: "change", Later: true, After: 2 * time.Minute, Says: "would be done for each of what launched finds, which is not known"},
			{Step: "smoke", Title: "An order goes through", Kind: "exercise", After: 5 * time.Minute, Says: "would try it, 3 times at the most"},
		},
		Missing: []incident.RightMissing{
			{Right: "rds:SwitchoverGlobalCluster on arn:aws:rds::1:global-cluster:shop", System: "IAM", Steps: []string{"switch-database"}, Verdict: incident.Fail, Why: "no policy of arn:aws:iam::1:role/bot allows it"},
			{Right: "patch deployments.apps/scale order-service in shop", System: "Kubernetes", Steps: []string{"scale/order-service"}, Verdict: incident.Unsure, Why: "no answer"},
		},
	}
}

// A dry run tells what would stop it before all else, then the changes in their order; all
// of it is a file, marked as a drill; it is kept once on the platform log with who held it,
// and begins no incident.
func TestADryRunIsToldAndKept(t *testing.T) {
	r := newRoom(t)
	r.engine.foreseen = foreseen()
	ask := Ask{Via: by(dave), Verb: "drill", Text: "us-west-2 dry-run unplanned", Request: "one"}
	a := r.ask(ask)
	contains(t, a.Text, "DRILL, dry run of an ", "unplanned failover from us-east-1 to us-west-2: 1 right missing, 1 required step failed, 1 right not known. Nothing", "Held by Dave", "Nothing was changed and nobody was paged",
		"9 steps, people are asked for Go and 1 time after it, about 6 min of machine time",
		"missing", "1 right of IAM (rds:SwitchoverGlobalCluster on arn:aws:rds::1:global-cluster:shop), for switch-database: no policy of arn:aws:iam::1:role/bot allows it",
		"unknown", "no answer", "failed", "Backup: 22 min old (limit 15) (run velero backup create)", "Traces arrive: no answer from X-Ray (advice)",
		"+0 s", "scale order-service in us-west-2 to 6", "+1 min", "may be lost: nothing (asks an approver)")
	if said := shown(a.Text); strings.Index(said, "22 min old") > strings.Index(said, "SwitchoverGlobalCluster:") || strings.Contains(said, "it has 6 replicas") {
		t.Errorf("told in another order, or more than what would change:\n%s", said)
	}
	if a.File == nil || !strings.HasPrefix(string(a.File.Content), "DRILL, dry run of an unplanned failover") || !strings.HasPrefix(a.File.Title, "DRILL") {
		t.Fatalf("the file is %+v", a.File)
	}
	for line := range strings.Lines(string(a.File.Content)) {
		if utf8.RuneCountInString(line) > tableWidth+1 && !strings.Contains(line, "arn:") {
			t.Errorf("%d characters: %s", utf8.RuneCountInString(line), line)
		}
	}
	for _, s := range r.engine.foreseen.Steps {
		if !strings.Contains(string(a.File.Content), s.Title) {
			t.Errorf("the file lacks %s", s.Title)
		}
	}
	r.ask(ask) // Slack sends it twice
	var held []incident.Held
	if err := r.Book.View(t.Context(), incident.PlatformLog, func(s *incident.State) { held = slices.Clone(s.Platform.Drills) }); err != nil {
		t.Fatal(err)
	}
	if len(held) != 1 || held[0].By != "dave" || held[0].Scope != incident.ScopeDryRun || len(held[0].Foreseen.Steps) != 9 || held[0].At.IsZero() {
		t.Errorf("kept are %+v", held)
	}
	if !strings.Contains(held[0].Result, "2 changes would be made, 1 are so already; 4 rights, 2 missing; 1 failed, 1 not read") {
		t.Errorf("it came to %q", held[0].Result)
	}
	if ids, err := r.log.Incidents(t.Context(), 0); err != nil || len(ids) > 0 {
		t.Errorf("it began %v: %v", ids, err)
	}
}

// What can be foreseen is told to every Region and of every run, and what cannot be is
// refused with what would work. It may be held while a run changes things.
func TestWhatADryRunIsOf(t *testing.T) {
	r := started(t)
	var got runbook.Facts
	compile := r.Compile
	r.Compile = func(f runbook.Facts) (*runbook.Plan, error) { got = f; return compile(f) }
	for line, want := range map[string]struct {
		target, mode string
		kind         incident.RunKind
	}{
		"drill us-west-2 dry-run":            {"us-west-2", "planned", ""},
		"drill dry run":                      {"us-west-2", "planned", ""},
		"drill dry-run us-west-2, unplanned": {"us-west-2", "unplanned", ""},
		"drill servers dry-run":              {"us-east-1", "planned", incident.MoveServers},
		"drill us-west-2 servers --dry-run":  {"us-west-2", "planned", incident.MoveServers},
		"drill home dry-run servers":         {"us-east-1", "planned", incident.MoveServers},
	} {
		a := r.say(dave, line)
		if a.Refused || got.Target.Name != want.target || got.Mode != want.mode || got.Kind != want.kind || got.Source.Name == got.Target.Name {
			t.Errorf("%s: %s -> %s, %s %s: %s", line, got.Source.Name, got.Target.Name, got.Kind, got.Mode, shown(a.Text))
		}
	}
	for line, want := range map[string]string{
		"drill us-west-2":                           "'/failover drill us-west-2 dry-run planned'",
		"drill":                                     "Say that it is to be a dry run",
		"drill us-west-2 us-east-1 dry-run":         "Both us-west-2 and us-east-1 were named",
		"drill us-east-1 dry-run":                   "'/failover drill us-west-2 dry-run'",
		"drill us-west-2 dry-run failback":          "us-west-2 is not. Leave the Region out",
		"drill dry-run failback":                    "Nothing would have to go back there",
		"drill us-wst-2 dry-run":                    "is not a Region",
		"drill us-west-2 dry-run planned unplanned": "It cannot be both planned and unplanned",
		"drill us-west-2 dry-run plannd":            "Did you mean planned?",
		"drill us-west-2 dry-run because I say so":  "is not understood here",
	} {
		a := r.say(dave, line)
		if !a.Refused {
			t.Errorf("%s is answered: %s", line, shown(a.Text))
		}
		contains(t, a.Text, want)
	}
}

// The document has what the table has, with times in seconds.
func TestADryRunAsADocument(t *testing.T) {
	f := foreseen()
	f.Kind, f.Mode, f.Source, f.Target, f.Digest = incident.Failback, "planned", "us-west-2", "us-east-1", "0123456789ab"
	d := DryRun{Foreseen: &f, By: "Alice", Ended: f.Began.Add(20 * time.Second)}
	var out bytes.Buffer
	if err := d.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Drill, Result, Kind string
		Takes               float64                 `json:"takes_seconds"`
		Missing             []incident.RightMissing `json:"missing"`
		Steps               []struct {
			Step  string
			After float64 `json:"after_seconds"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if read.Drill != "dry run" || read.Result != "fail" || read.Kind != "failback" || read.Takes != 360 || len(read.Missing) != 2 || len(read.Steps) != 9 || read.Steps[6].After != 60 {
		t.Errorf("%+v", read)
	}
	out.Reset()
	f.Missing, f.Steps, f.Takes = nil, f.Steps[4:5], 0
	if err := d.Table(&out); err != nil || !strings.Contains(out.String(), "nothing that could be\nread would stop it.") || strings.Contains(out.String(), "Would stop it") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func playDrills(t *testing.T, tr *transcript) {
	r := tr.in("somebody holds a dry run", newRoom(t))
	r.engine.foreseen = foreseen()
	for _, line := range []string{
		"drill", "drill us-west-2", "drill us-west-2 dry-run", "drill us-west-2 us-east-1 dry-run", "drill us-east-1 dry-run", "drill us-west-2 dry-run failback",
		"drill us-east-1 dry-run failback", "drill us-wst-2 dry-run", "drill us-west-2 dry-run planned unplanned", "drill us-west-2 dry-run plannd",
		"drill us-west-2 dry-run because I say so",
	} {
		tr.says(dave, line)
	}
	r.engine.foreseen.Missing = nil
	for i := range r.engine.foreseen.Steps {
		if s := &r.engine.foreseen.Steps[i]; s.Verdict == incident.Fail {
			s.Verdict = incident.Unsure
		}
	}
	r.log.fail["Append"] = true
	tr.says(alice, "drill dry-run servers")
	delete(r.log.fail, "Append")
	well := foreseen()
	r.engine.foreseen = incident.Foreseen{Began: r.clock.Now(), Steps: slices.Repeat(well.Steps[4:5], 20)}
	tr.says(alice, "drill dry-run")
	r.engine.foreseen = incident.Foreseen{Began: r.clock.Now(), Steps: well.Steps[5:6]}
	tr.says(alice, "drill dry-run")
	r.faults = errors.New("sections/04.yaml:3: unknown action `x.y`")
	tr.says(alice, "drill dry-run")
	r.faults = nil
	r.down = errors.New("no answer")
	r.clock.turn(time.Minute)
	tr.says(alice, "drill us-west-2 dry-run unplanned")
}
