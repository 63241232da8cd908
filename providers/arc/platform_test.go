package arc

import (
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// A run is refused by settings that name no control, or no way to one.
func TestWithoutControlsNobodyIsMoved(t *testing.T) {
	own := Platform.Example.(Settings)
	for name, s := range map[string]Settings{
		"no routing control lets users into us-west-2 or keeps them out: the settings name that of us-east-1": {own.ClusterEndpoints, map[string]Control{east: own.Regions[east]}},
		"no routing control lets users into us-east-1 or keeps them out: the settings name none":              {},
		"the settings name no endpoint of the cluster that has the routing controls":                          {nil, own.Regions},
	} {
		top := runbook.Topology{}
		if err := Platform.Freeze(&top, s); err != nil {
			t.Fatal(err)
		}
		if err := leads(top, east, west); err == nil || err.Error() != name || !incident.CallErrorOf(err).NeedsPerson {
			t.Errorf("%v, want %s", err, name)
		}
	}
	if err := leads(runbook.Topology{}, east, west); err == nil {
		t.Error("without any")
	}
}
