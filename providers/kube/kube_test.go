package kube

import (
	"strings"
	"testing"
)

// A rolling restart replaces pods; what is kept is what they are made of.
func TestARestartDoesNotClaimToKeepThePods(t *testing.T) {
	if !strings.HasPrefix(restartUndo, "nothing to take back: ") || !strings.Contains(restartUndo, "the pods are new") {
		t.Errorf("the way back of a restart is %q", restartUndo)
	}
}
