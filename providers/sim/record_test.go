package sim

import "testing"

// A recorder keeps what any run makes, and not more however long it runs.
func TestARecorderKeepsSoManyCalls(t *testing.T) {
	r := NewRecorder(nil)
	for range 5*callsKept + 1 {
		r.Add(Call{Operation: "DescribeThings"})
		if len(r.calls) > 2*callsKept {
			t.Fatalf("%d are kept", len(r.calls))
		}
	}
	r.Add(Call{Operation: "TheLast"})
	all := r.Calls()
	if len(all) < callsKept || all[len(all)-1].Operation != "TheLast" {
		t.Errorf("%d are kept, and the last is %s", len(all), all[len(all)-1].Operation)
	}
}
