package slack

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// With the record emptied in the middle of an incident App Home says so, for whoever had
// opened it and for whoever opens it now, and asks nobody for an answer any more.
func TestAppHomeSaysThatTheRecordWasEmptied(t *testing.T) {
	s := newStage(t)
	mini := redistest.Mini(t)
	log, err := redis.Open(s.ctx, redis.Options{URL: "redis://" + mini.Addr(), Clock: s.clock}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Disconnect() })
	s.log = log
	s.start(s.log)
	id := s.open()
	s.play(id, newStory("unplanned").readiness().gone().asked(approveID, 0))
	s.opens("UBOB")
	if _, bob := s.home("UBOB"); !strings.Contains(bob, "Approve") {
		t.Fatalf("Bob is not asked: %s", bob)
	}
	mini.FlushAll()
	s.sleep(time.Minute)
	s.opens("UALICE")
	for _, person := range []string{"UBOB", "UALICE"} {
		_, shows := s.home(person)
		wants(t, "the App Home of "+person, shows, []string{"has lost", "Nothing is carried out"}, []string{"Approve", "Retry"})
	}
	for _, m := range s.slack.Messages(channel) {
		if strings.Contains(shows(m), "2562047") {
			t.Errorf("a time without a beginning is told: %s", shows(m))
		}
	}
	card, _ := s.message("card")
	wants(t, "the card", shows(card), []string{"has lost"}, []string{"Approve"})
}
