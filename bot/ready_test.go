package bot

import (
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

func TestAChangeThatCannotBeTakenBackAndDoesNotSaySoIsNamed(t *testing.T) {
	plan := &runbook.Plan{Steps: []runbook.Step{
		{ID: "scale", Uses: "kube.scale", Kind: runbook.Change},
		{ID: "put", Uses: "takeover.put", Kind: runbook.Change},
		{ID: "mail", Uses: "mail.send", Kind: runbook.Change},
		{ID: "promote", Uses: "aurora.failover", Kind: runbook.Change, NoReturn: true},
	}}
	catalog := runbook.Catalog{"kube.scale": {Undoable: true}, "takeover.put": {}, "mail.send": {Leaves: "a mail that was read"}}
	err := undoable(plan, catalog)
	if err == nil || !strings.Contains(err.Error(), "put (takeover.put)") || strings.Contains(err.Error(), "mail") || strings.Contains(err.Error(), "promote") {
		t.Errorf("the error is %v", err)
	}
}
