package takeover

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Actions is what a runbook can have done with the takeover object. The arguments are
// those of [New].
func Actions(config func(region string) aws.Config, reads *awserr.Reads, checkers Checkers) engine.Catalog {
	t := New(config, reads, checkers)
	r := Remove{t}
	return engine.Catalog{
		"takeover.ready": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "checks that the takeover object can be put and is not there",
				Home:  "target",
			},
			Look: t.Ready,
		},
		"takeover.visible": {
			Action: runbook.Action{
				Kind:  runbook.Check,
				About: "reads the probe object beside the takeover object as somebody without any rights",
				Home:  "target",
			},
			Look: t.Visible,
		},
		"takeover.seen": {
			Action: runbook.Action{
				Kind:  runbook.Wait,
				About: "waits until anybody, and Route 53's checkers where they can be asked, see the takeover object",
				Home:  "target",
			},
			Look:  t.Seen,
			Every: 5 * time.Second,
		},
		"takeover.put": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.MovesUsers, incident.TakeoverPut},
				About:  "puts the takeover object, which moves users without a control plane",
				Home:   "target",
				Undo:   undo,
			},
			Look:   t.Look,
			Do:     t.Do,
			Undo:   &engine.Undo{Look: t.LookBack, Do: t.Back},
			Effect: t.Effect,
			Rights: t.Rights,
		},
		"takeover.remove": {
			Action: runbook.Action{
				Kind:   runbook.Change,
				Proves: []incident.Trait{incident.MovesUsers},
				About:  "deletes the takeover object of the Region that is left, so that the other one can be given out",
				Home:   "source",
				Undo:   removeUndo,
			},
			Look:   r.Look,
			Do:     r.Do,
			Undo:   &engine.Undo{Look: r.LookBack, Do: r.Back},
			Effect: r.Effect,
			Rights: r.Rights,
		},
	}
}
