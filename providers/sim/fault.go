package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// The kinds of [Fault].
const (
	LostAnswer = "lost-answer" // the call is applied, its answer never arrives
	Throttle   = "throttle"    // too many requests
	Refuse     = "refuse"      // nobody listens there
	Hang       = "hang"        // no answer until the caller gives up
	ServerFail = "5xx"         // the service answers that it cannot
	Deny       = "deny"        // the caller may not
)

var faultKinds = []string{LostAnswer, Throttle, Refuse, Hang, ServerFail, Deny}

// Fault breaks the calls that match it. Fields that are not given match all.
type Fault struct {
	// System is "aws.rds", "kubernetes", "http", "dns".
	System string `yaml:"system,omitempty" json:"system,omitempty"`
	// Operation is the name in calls.jsonl.
	Operation string `yaml:"operation,omitempty" json:"operation,omitempty"`
	// Region where that API's end lives.
	Region string `yaml:"region,omitempty" json:"region,omitempty"`
	// Kind of the fault: lost-answer, throttle, refuse, hang, 5xx or deny.
	Kind string `yaml:"kind" json:"kind" jsonschema:"lost-answer, throttle, refuse, hang, 5xx or deny"`
	// Times it happens; 0 is always.
	Times int `yaml:"times,omitempty" json:"times,omitempty"`
}

// fits says whether a fault is meant for a call.
func (f Fault) fits(c Call) bool {
	return (f.System == "" || f.System == c.System) && (f.Operation == "" || f.Operation == c.Operation) && (f.Region == "" || f.Region == c.Region)
}

// takeFault is the kind of the first fault that fits, and whether that used one of
// its times up.
func (s *State) takeFault(fits func(Fault) bool) (kind string, used bool) {
	i := slices.IndexFunc(s.Faults, fits)
	if i < 0 {
		return "", false
	}
	f := &s.Faults[i]
	kind = f.Kind
	if f.Times == 0 {
		return kind, false
	}
	if f.Times--; f.Times == 0 {
		s.Faults = slices.Delete(s.Faults, i, i+1)
	}
	return kind, true
}

// broken says how a call fails, if it does, and whether that used up a fault.
func (s *State) broken(c Call) (kind string, used bool) {
	if kind, used = s.takeFault(func(f Fault) bool { return f.fits(c) }); kind != "" {
		if s.Broken[c.Operation] == nil {
			s.Broken[c.Operation] = map[string]int{}
		}
		s.Broken[c.Operation][kind]++
		return kind, used
	}
	r := s.Regions[c.Region]
	if s.Network.Down && c.System != "http" { // requests have been stopped on their way
		return lostKind(c), false
	}
	if r == nil || !r.Lost && (!r.CutOff || c.System == "aws.route53") {
		return "", false
	}
	return lostKind(c), false
}

// lostKind is how a call to a lost Region fails. A lost Region does not fail in
// one way; how one operation fails stays the same, as it does when one part of a
// Region is gone and another is not. Each system has all three ways.
func lostKind(c Call) string {
	ways := []string{Refuse, Hang, ServerFail}
	verb, _, _ := strings.Cut(c.Operation, " ")
	switch verb {
	case "get", "GET":
		return Refuse
	case "list":
		return ServerFail
	case "patch", "update", "POST":
		return Hang
	}
	for _, api := range awsAPIs {
		op, ok := api.operations[c.Operation]
		if ok && op.lost != "" {
			return op.lost
		}
		if ok {
			inTurn := slices.DeleteFunc(sortedKeys(api.operations), func(name string) bool { return api.operations[name].lost != "" })
			return ways[slices.Index(inTurn, c.Operation)%len(ways)]
		}
	}
	return Hang
}

// failure is a call that did not get the answer it should have. Each seam turns
// it into what its own client library would say.
type failure struct {
	kind string // one of the kinds of Fault
	err  error  // why, where there is more to say
}

// Error is what calls.jsonl shows.
func (f *failure) Error() string {
	text := map[string]string{
		LostAnswer: "the answer was lost", Throttle: "too many requests", Refuse: "connection refused",
		Hang: "no answer", ServerFail: "the service is unavailable (503)", Deny: "access denied (403)",
	}[f.kind]
	if f.err != nil {
		return text + ": " + f.err.Error()
	}
	return text
}

// Unwrap is the cause.
func (f *failure) Unwrap() error { return f.err }

// forever is how long a call hangs whose caller never gives up.
const forever = 10 * time.Minute

// hang waits until the caller gives up, or for very long.
func (w *World) hang(ctx context.Context) error {
	err := w.clock.Sleep(ctx, forever)
	if err == nil {
		err = errors.New("the connection timed out")
	}
	return err
}
