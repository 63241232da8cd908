package incident_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
)

// lengths of timelines. What one more event costs must not depend on them.
var lengths = []int{100, 10_000, 100_000}

// busy is the n-th event of an incident that goes round and round: forty steps,
// each begun, intended, asked about, answered and finished, and talk in between.
func busy(n int) incident.Event {
	step := fmt.Sprintf("step-%d", n/8%40)
	question := fmt.Sprintf("q%d", n/8%40)
	var b incident.Body
	switch n % 8 {
	case 0:
		b = incident.StepStarted{Step: step, Action: "t.change", Attempt: 1}
	case 1:
		b = incident.ChangeIntended{Step: step, Action: "t.change", Attempt: 1, Until: noon}
	case 2:
		b = incident.ApprovalAsked{Question: question, Kind: incident.AskApprove, Step: step, Role: "approver"}
	case 3:
		b = incident.JobProgressed{Step: step, Share: 0.5, Summary: "half of it"}
	case 4:
		b = incident.ApprovalGiven{Question: question, Kind: incident.AskApprove, Step: step, Choice: "approve"}
	case 5:
		b = incident.StepFinished{Step: step, Summary: "done", Changed: true, Evidence: map[string]string{"lag": "0.4 s"}}
	case 6:
		b = incident.NoteAdded{Text: "looks well from here"}
	default:
		b = incident.ChangeMissed{Step: step, Action: "t.change", Attempt: 1, Error: "throttled"}
	}
	return incident.Event{
		Seq: uint64(n) + 1, Time: noon.Add(time.Duration(n) * time.Second), Actor: incident.Bot, Body: b,
	}
}

func BenchmarkApply(b *testing.B) {
	for _, length := range lengths {
		b.Run(fmt.Sprintf("after %d events", length), func(b *testing.B) {
			s := incident.NewState()
			for n := range length {
				s.Apply(busy(n))
			}
			const batch = 8 * 40
			next := make([]incident.Event, batch)
			for i := range next {
				next[i] = busy(length + i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Apply(next[i%batch])
				i++
			}
		})
	}
}

// BenchmarkDecide is one decision with one event, and the append of it.
func BenchmarkDecide(b *testing.B) {
	for _, length := range lengths {
		b.Run(fmt.Sprintf("after %d events", length), func(b *testing.B) {
			memory := enginetest.NewMemory()
			w := incident.Write{Incident: id, Request: "all before"}
			for n := range length {
				w.Events = append(w.Events, busy(n))
			}
			if _, err := memory.Append(b.Context(), w); err != nil {
				b.Fatal(err)
			}
			book := incident.NewBook(memory)
			if err := book.View(b.Context(), id, func(*incident.State) {}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, err := book.Decide(b.Context(), id, func(s *incident.State) (incident.Write, error) {
					return incident.Write{Events: []incident.Event{busy(int(s.Seq))}}, nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
