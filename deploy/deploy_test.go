package deploy

import (
	"slices"
	"strings"
	"testing"
)

func TestTheManifestSaysWhatTheAppIs(t *testing.T) {
	a, err := Slack()
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "failoverbot" || a.Command != "/failover" {
		t.Errorf("the app is %+v", a)
	}
	for _, scope := range []string{"chat:write", "commands", "channels:history", "files:write", "im:write"} {
		if !slices.Contains(a.Scopes, scope) {
			t.Errorf("%s is missing in %v", scope, a.Scopes)
		}
	}
	if !a.Home || !a.ReadOnly {
		t.Errorf("a home tab %t, messages that are only read %t", a.Home, a.ReadOnly)
	}
	for i, scope := range a.Scopes {
		if slices.Contains(a.Scopes[:i], scope) {
			t.Errorf("%s is there twice", scope)
		}
	}
	for _, s := range a.Shortcuts {
		if s.Name == "" || !strings.HasPrefix(s.CallbackID, "fo.") {
			t.Errorf("the shortcut %+v", s)
		}
	}
}
