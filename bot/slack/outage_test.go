package slack

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// away is a Log that nobody reaches for a while.
type away struct {
	incident.Log
	out atomic.Bool
}

var errAway = errors.New("dial tcp 127.0.0.1:6379: connection refused")

func (l *away) Read(ctx context.Context, id incident.ID, after uint64, limit int) ([]incident.Event, error) {
	if l.out.Load() {
		return nil, errAway
	}
	return l.Log.Read(ctx, id, after, limit)
}

func (l *away) Open(ctx context.Context) ([]incident.ID, error) {
	if l.out.Load() {
		return nil, errAway
	}
	return l.Log.Open(ctx)
}

func (l *away) Remember(ctx context.Context, id incident.ID, key string, p incident.Place) error {
	if l.out.Load() {
		return errAway
	}
	return l.Log.Remember(ctx, id, key, p)
}

func (l *away) Remembered(ctx context.Context, id incident.ID) (map[string]incident.Place, error) {
	if l.out.Load() {
		return nil, errAway
	}
	return l.Log.Remembered(ctx, id)
}

// A record that cannot be reached is said once, and once that it is back; the card says
// meanwhile of when it is. The replica that does not hold the run says neither.
func TestARecordThatIsAwayIsSaidOnceAndThatItIsBack(t *testing.T) {
	s := newStage(t)
	log := &away{Log: s.log}
	outages, bystanders := NewOutages(), NewOutages()
	s.change = func(o *Options, _ *Client) { o.Outages = outages }
	s.start(log)
	s.change = func(o *Options, _ *Client) {
		o.Outages, o.Holds = bystanders, func(incident.ID) bool { return false }
	}
	s.start(log)
	id := s.open()
	s.sleep(10 * time.Second)
	said := func(what string) (n int) {
		for key, times := range s.keys(id) {
			if strings.HasPrefix(key, what) {
				n += times
			}
		}
		return n
	}
	log.out.Store(true)
	since := s.clock.Now()
	s.sleep(6 * time.Second)
	outages.Set(id, since)
	bystanders.Set(id, since)
	s.sleep(3 * time.Second)
	if said(keyAway) != 1 || said(keyReached) != 0 {
		t.Fatalf("3 s later the channel has %v", s.keys(id))
	}
	s.sleep(2 * time.Minute)
	at := since.UTC().Format("15:04:05 UTC")
	card, _ := s.message("card")
	if !strings.Contains(shows(card), "cannot be reached since") || !strings.Contains(shows(card), at) {
		t.Errorf("the card shows %s", shows(card))
	}
	if said(keyAway) != 1 {
		t.Errorf("it is said %d times", said(keyAway))
	}
	log.out.Store(false)
	outages.Set(id, time.Time{})
	bystanders.Set(id, time.Time{})
	s.sleep(5 * time.Second)
	card, _ = s.message("card")
	if said(keyAway) != 1 || said(keyReached) != 1 || strings.Contains(shows(card), "cannot be reached") {
		t.Errorf("the channel has %v, the card: %s", s.keys(id), shows(card))
	}
	s.sleep(2 * time.Minute)
	if said(keyReached) != 1 {
		t.Errorf("that it is back is said %d times", said(keyReached))
	}
}

// What a replica said and died over is answered by the one that goes on, once.
func TestWhoGoesOnSaysThatTheRecordIsBack(t *testing.T) {
	s := newStage(t)
	log := &away{Log: s.log}
	outages := NewOutages()
	s.change = func(o *Options, _ *Client) { o.Outages = outages }
	kill := s.start(log)
	id := s.open()
	s.sleep(10 * time.Second)
	log.out.Store(true)
	outages.Set(id, s.clock.Now())
	s.sleep(5 * time.Second)
	kill()
	log.out.Store(false)
	outages.Set(id, time.Time{})
	for range 2 {
		kill = s.start(s.log)
		s.sleep(20 * time.Second)
		kill()
	}
	n := map[string]int{}
	for key, times := range s.keys(id) {
		what, _, _ := strings.Cut(key, "/")
		n[what] += times
	}
	if n["away"] != 1 || n["reached"] != 1 {
		t.Errorf("the channel has %v", s.keys(id))
	}
}

// A record that has lost all of an incident is said in the channel, with what can be
// decided, and on the card.
func TestAnEmptiedRecordIsSaidInTheChannel(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.sleep(10 * time.Second)
	s.log.(interface {
		SetBack(id incident.ID, seq uint64)
	}).SetBack(id, 0)
	s.sleep(20 * time.Second)
	card, _ := s.message("card")
	told := false
	for key, n := range s.keys(id) {
		told = told || strings.HasPrefix(key, keyDiverged) && n == 1
	}
	if !told || !strings.Contains(shows(card), "has lost all") || !strings.Contains(shows(card), id.Name()) {
		t.Errorf("the channel has %v, the card: %s", s.keys(id), shows(card))
	}
}

// In a long thread the search begins near what was written down last.
func TestALongThreadIsSearchedFromWhatIsKnown(t *testing.T) {
	f := &follower{posted: map[string]string{keyCard: "1700000000.000100"}}
	if got := f.newestReply(); got != "" {
		t.Errorf("nothing is known, and it begins at %s", got)
	}
	f.posted[keyThread+"7"], f.posted[keyThread+"90"] = "1700000100.000100", "1700009000.000200"
	if got := f.newestReply(); got != "1700005400.000000" {
		t.Errorf("it begins at %s", got)
	}
}
