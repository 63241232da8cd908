package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// say adds a sentence.
type say func(format string, args ...any)

// Check compares the world with what its scenario expects at the end: a sentence
// for each difference, none when all is as expected. What each service is held to
// stands in its file.
func (w *World) Check() (differs []string) {
	s, e := w.Snapshot(), w.scn.Expect
	say := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	s.expectDatabase(e, say)
	s.expectCache(e, say)
	s.expectCluster(e, w.scn.Target, say)
	s.expectRestored(e, say)
	s.expectRecovered(e, say)
	s.expectDNS(e, say)
	s.expectTakeover(e, say)
	s.expectOrders(e, say)
	return differs
}

// CheckTold compares what was said to single people with what the scenario expects of
// it.
func (w *World) CheckTold(said []string) (differs []string) {
	for _, want := range w.scn.Expect.Told {
		n := 0
		for _, have := range said {
			if strings.Contains(have, want.Says) {
				n++
			}
		}
		if least := max(want.Times, 1); n < least {
			differs = append(differs, fmt.Sprintf("somebody was told %q %d times, expected %d at least", want.Says, n, least))
		}
	}
	return differs
}

// CheckRecord compares what happened with what the scenario expects of it: the
// timelines of all incidents, in the order in which they were declared, when something
// was said in Slack about the newest, the faults that calls met with, and the orders.
func (w *World) CheckRecord(timelines [][]incident.Event, said []time.Time) (differs []string) {
	e := w.scn.Expect
	say := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	e.checkEnds(timelines, say)
	var newest []incident.Event
	if n := len(timelines); n > 0 {
		newest = timelines[n-1]
	}
	for _, want := range e.Timeline {
		n := 0
		for _, have := range newest {
			if want.fits(have) {
				n++
			}
		}
		if least := max(want.Times, 1); n < least {
			say("the timeline has %d times %s, expected %d at least", n, want, least)
		}
	}
	world := w.Snapshot()
	for _, want := range e.Broken {
		n := world.Broken[want.Operation][want.Kind]
		if least := max(want.Times, 1); n < least {
			say("%s failed %d times by the fault %s, expected %d at least", want.Operation, n, want.Kind, least)
		}
	}
	if longest := silence(newest, said, incident.Fold(newest).GoAt); longest < e.Silent {
		say("nothing was said for %s at the longest, expected %s at least", longest.Round(time.Second), e.Silent)
	}
	if e.Hurt != "" {
		until, asked := world.Marks[markPromoting]
		if !asked {
			until = world.At
		}
		if well, ill := world.OwnOrders.until(until, orderLetters[e.Hurt], asked); well == 0 || ill == 0 {
			say("of the orders before the move %d got through in %s and %d did not, expected some of both", well, e.Hurt, ill)
		}
	}
	return differs
}

// CheckPlatform compares the platform log with what the scenario expects of it: what was
// proposed and what became of it, and what was observed.
func (w *World) CheckPlatform(events []incident.Event) (differs []string) {
	say := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	var proposed, ended []string
	for _, e := range events {
		switch b := e.Body.(type) {
		case incident.FailoverProposed:
			if !slices.Contains(proposed, b.Proposal) {
				proposed, ended = append(proposed, b.Proposal), append(ended, "open")
			}
		case incident.ProposalAnswered:
			if i := slices.Index(proposed, b.Proposal); i >= 0 && ended[i] == "open" {
				ended[i] = b.Answer
			}
		}
	}
	if want := w.scn.Expect.Proposed; (w.scn.Start.Detection || len(want) > 0) && !slices.Equal(ended, want) {
		say("the failovers that were proposed ended %v, expected %v", ended, want)
	}
	for _, want := range w.scn.Expect.Signals {
		if !slices.ContainsFunc(events, func(e incident.Event) bool {
			b, ok := e.Body.(incident.SignalObserved)
			return ok && b.Signal == want.Signal && string(b.Verdict) == want.Verdict
		}) {
			say("the signal %s did not turn to %s", want.Signal, want.Verdict)
		}
	}
	return differs
}

func (e Expect) checkEnds(timelines [][]incident.Event, say say) {
	if len(e.Ended) == 0 {
		return
	}
	var ended []string
	for _, events := range timelines {
		s := incident.Fold(events)
		runs := s.Runs
		if len(runs) == 0 {
			runs = []*incident.Run{s.Run} // none has begun
		}
		for _, r := range runs {
			switch {
			case !r.MitigatedAt.IsZero():
				ended = append(ended, "mitigated")
			case !r.AbortedAt.IsZero():
				ended = append(ended, "aborted")
			case r.Kind == incident.Undo && r.Ended.How == "done":
				ended = append(ended, "taken back")
			case r.Ended.How != "":
				ended = append(ended, r.Ended.How)
			default:
				ended = append(ended, "open")
			}
		}
	}
	if !slices.Equal(ended, e.Ended) {
		say("the runs ended %v, expected %v", ended, e.Ended)
	}
}

// String is the event for people.
func (e ExpectEvent) String() string {
	text := e.Type
	if e.Step != "" {
		text += " of " + e.Step
	}
	if e.Says != "" {
		text += fmt.Sprintf(" that says %q", e.Says)
	}
	return text
}

func (e ExpectEvent) fits(have incident.Event) bool {
	if have.Body == nil || have.Body.Type() != e.Type {
		return false
	}
	data, err := json.Marshal(have)
	if err != nil {
		return false
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return false
	}
	step, _ := fields["step"].(string)
	group, _, _ := strings.Cut(step, "/")
	return (e.Step == "" || e.Step == step || e.Step == group) && strings.Contains(fmt.Sprint(fields), e.Says)
}

// silence is the longest stretch, from a moment to the end, in which nothing was said
// in Slack.
func silence(events []incident.Event, said []time.Time, from time.Time) (longest time.Duration) {
	if from.IsZero() || len(events) == 0 {
		return 0
	}
	for _, at := range said {
		if at.After(from) {
			longest, from = max(longest, at.Sub(from)), at
		}
	}
	return max(longest, events[len(events)-1].Time.Sub(from))
}
