package slack

import (
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// A question about a step that stopped follows what is known of its cause: that it stops
// another one too, and that it is the only one again.
func TestTheQuestionOfAFailureFollowsItsCause(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone())
	fails := func(step, question string) {
		s.happen(id, incident.Bot, noAnswer("scale/"+step, "the cluster"),
			incident.ApprovalAsked{Question: question, Kind: incident.AskFailed, Step: "scale/" + step, Title: "Scale up " + step + " stopped", Role: "commander", Failed: []string{"scale/" + step}})
		s.sleep(10 * time.Second)
	}
	shown := func(question string, has, lacks []string) {
		t.Helper()
		m, ok := s.message("question/" + question)
		if !ok {
			t.Fatalf("%s was not asked", question)
		}
		wants(t, question, shows(m), has, lacks)
	}
	fails("order-service", "q3")
	shown("q3", []string{"DescribeThings: no answer"}, []string{"it stops"})
	fails("payment-service", "q4")
	shown("q3", []string{"No answer from the cluster in us-west-2; it stops"}, []string{"DescribeThings"})
	shown("q4", []string{"as with “Scale up order-service”"}, nil)
	s.happen(id, "UALICE", incident.ApprovalGiven{Question: "q3", Kind: incident.AskFailed, Step: "scale/order-service", Choice: "retry"}, incident.StepRetried{Step: "scale/order-service"})
	s.happen(id, incident.Bot, incident.StepStarted{Step: "scale/order-service", Attempt: 2})
	s.sleep(10 * time.Second)
	shown("q4", []string{"DescribeThings: no answer"}, []string{"as with"})
}
