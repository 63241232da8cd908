package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
)

// Programs that run check tell by its exit code what is required and failed from what
// could not be found out.
func TestTheExitCodeOfACheckSaysWhatItCameTo(t *testing.T) {
	found := func(gate string, v incident.Verdict) incident.Finding {
		return incident.Finding{Step: "nodes", Gate: gate, Measured: incident.Measured{Verdict: v}}
	}
	well := found(incident.GateRequired, incident.Pass)
	for name, c := range map[string]struct {
		found []incident.Finding
		bot   []incident.Unproved
		want  int
		says  string
	}{
		"all is well":              {[]incident.Finding{well}, nil, exitDone, ""},
		"with a warning":           {[]incident.Finding{well, found(incident.GateLocked, incident.Warn), found(incident.GateRequired, incident.NotApplicable)}, nil, exitDone, ""},
		"advice failed":            {[]incident.Finding{well, found(incident.GateAdvice, incident.Fail), found(incident.GateAdvice, incident.Unsure)}, nil, exitDone, ""},
		"one failed":               {[]incident.Finding{found(incident.GateRequired, incident.Unsure), found(incident.GateRequired, incident.Fail)}, nil, exitFailed, "us-west-2 is not ready to take over"},
		"one is unknown":           {[]incident.Finding{well, found(incident.GateLocked, incident.Unsure)}, nil, exitUnknown, "whether us-west-2 is ready to take over could not be found out"},
		"nothing was checked":      {nil, nil, exitUnknown, "could not be found out"},
		"the bot itself is not so": {[]incident.Finding{well}, []incident.Unproved{{Err: errors.New("no answer")}}, exitFailed, "us-west-2 is not ready"},
	} {
		var said strings.Builder
		r := commands.Report{Assessment: incident.Assessment{AssessmentMade: incident.AssessmentMade{Target: "us-west-2", Findings: c.found}}, Bot: c.bot}
		if code := exit(outcome(r), &said); code != c.want || !strings.Contains(said.String(), c.says) || c.says == "" && said.Len() > 0 {
			t.Errorf("%s: %d %q, want %d %q", name, code, said.String(), c.want, c.says)
		}
	}
}
