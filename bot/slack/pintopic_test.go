package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
)

// topic is that of the incident channel.
func (s *stage) topic() string {
	s.t.Helper()
	for _, c := range s.seen("UALICE").Channels {
		if c.ID == channel {
			return c.Topic
		}
	}
	s.t.Fatal("the channel is gone")
	return ""
}

// setTopic is what somebody else does.
func (s *stage) setTopic(topic string) {
	s.t.Helper()
	api := slack.New("xoxb-1", slack.OptionAPIURL(s.slack.APIURL()))
	if _, err := api.SetTopicOfConversationContext(s.ctx, channel, topic); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) pinned() (keys []string) {
	for _, m := range s.slack.Messages(channel) {
		if p, _ := m.Metadata["event_payload"].(map[string]any); m.Pinned {
			keys = append(keys, fmt.Sprint(p["incident"], " ", p["key"]))
		}
	}
	return keys
}

func TestTheCardIsPinnedWhileTheIncidentLasts(t *testing.T) {
	s := newStage(t)
	calls := s.refusing(nil)
	s.start(s.log)
	id := s.open()
	s.sleep(5 * time.Second)
	if got := s.pinned(); len(got) != 1 || got[0] != string(id)+" card" {
		t.Errorf("pinned: %v", got)
	}
	s.play(id, whole())
	s.sleep(time.Minute)
	if got := s.pinned(); len(got) != 0 {
		t.Errorf("still pinned: %v", got)
	}
	if n := len(calls.times("pins.add")); n != 1 {
		t.Errorf("pinned %d times", n)
	}
}

func TestTheTopicSaysWhereThingsStandAndIsPutBack(t *testing.T) {
	s := newStage(t)
	const before = "Bridge: 555-0100 · runbook in the bookmarks"
	s.setTopic(before)
	calls := s.refusing(nil)
	s.start(s.log)
	id := s.open()
	s.sleep(15 * time.Second)
	if got, want := s.topic(), id.Name()+" · Declare · SEV-1 · us-east-1 → us-west-2"; got != want {
		t.Errorf("declared, the topic is %q, want %q", got, want)
	}
	asked := untilAsked()
	s.play(id, asked)
	s.sleep(15 * time.Second)
	if got, want := s.topic(), id.Name()+" · waiting for Bob or Carol · Promote database · SEV-1 · us-east-1 → us-west-2"; got != want {
		t.Errorf("asked, the topic is %q, want %q", got, want)
	}
	rest := untilAsked().promoted().mitigated().events[len(asked.events)-2:]
	s.play(id, &story{events: rest})
	s.sleep(15 * time.Second)
	if got, want := s.topic(), id.Name()+" · waiting for Alice to resolve · served by us-west-2 · SEV-1 · us-east-1 → us-west-2"; got != want {
		t.Errorf("mitigated, the topic is %q, want %q", got, want)
	}
	s.happen(id, "UALICE", incident.IncidentResolved{})
	s.sleep(time.Minute)
	if got := s.topic(); got != before {
		t.Errorf("resolved, the topic is %q", got)
	}
	at := calls.times("conversations.setTopic")
	for i := 1; i < len(at); i++ {
		if d := at[i].Sub(at[i-1]); d < topicEvery {
			t.Errorf("the topic was set again after %s", d)
		}
	}
}

func TestTheTopicDoesNotChangeWithEachStep(t *testing.T) {
	s := newStage(t)
	s.start(s.log)
	id := s.open()
	s.sleep(15 * time.Second)
	before := s.topic()
	for i := range 20 {
		s.happen(id, incident.Bot, incident.StepStarted{Step: "view-here", Attempt: i + 1})
		s.sleep(2 * time.Second)
		if got := s.topic(); got != before {
			t.Fatalf("the topic changed from %q to %q", before, got)
		}
	}
}

func TestATopicThatAPersonSetIsLeftAlone(t *testing.T) {
	for _, theirs := range []string{"Call in on the other bridge", "", "INC-2026-0001 · see the other bridge"} {
		s := newStage(t)
		s.setTopic("before")
		s.start(s.log)
		id := s.open()
		s.sleep(15 * time.Second)
		if !strings.HasPrefix(s.topic(), id.Name()) {
			t.Fatalf("the topic is %q", s.topic())
		}
		s.setTopic(theirs)
		s.play(id, whole())
		s.sleep(time.Minute)
		if got := s.topic(); got != theirs {
			t.Errorf("the topic is %q, and a person had set %q", got, theirs)
		}
		if n := strings.Count(s.logged.String(), "somebody set the channel's topic"); n != 1 {
			t.Errorf("it was logged %d times", n)
		}
	}
}

func TestWhoSetTheTopicIsBelievedWhereSlackSays(t *testing.T) {
	for creator, kept := range map[string]bool{"UEVE": true, "U0FAILOVER": false} {
		s := newStage(t)
		s.setTopic("INC-2026-0001 · set in a former life, or by Eve")
		s.change = func(_ *Options, c *Client) {
			m := &meddler{RoundTripper: c.http.Transport}
			m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, "/conversations.info") {
					return send()
				}
				topic, _ := json.Marshal(map[string]any{"value": s.topic(), "creator": creator})
				return says(r, `{"ok":true,"channel":{"id":"`+channel+`","topic":`+string(topic)+`}}`), nil
			}
			c.http.Transport = m
		}
		s.start(s.log)
		id := s.open()
		s.happen(id, "UALICE", incident.RunAborted{Reason: "x"}, incident.IncidentResolved{})
		s.sleep(2 * time.Minute)
		if got := s.topic(); (got != "") != kept {
			t.Errorf("set by %s, the topic ends as %q", creator, got)
		}
	}
}

func TestTheTopicOfTheIncidentBeforeIsNotPutBack(t *testing.T) {
	s := newStage(t)
	s.setTopic("the one that people know")
	s.start(s.log)
	// The second one begins while the topic of the first still stands.
	for _, lasts := range []time.Duration{15 * time.Second, 7 * time.Second, 7 * time.Second} {
		id := s.open()
		s.sleep(lasts)
		if !strings.HasPrefix(s.topic(), id.Name()) {
			t.Errorf("the topic is %q", s.topic())
		}
		s.happen(id, "UALICE", incident.RunAborted{Reason: "x"}, incident.IncidentResolved{})
	}
	s.sleep(2 * time.Minute)
	if got := s.topic(); got != "the one that people know" {
		t.Errorf("the topic ends as %q", got)
	}
	if got := s.pinned(); len(got) != 0 {
		t.Errorf("still pinned: %v", got)
	}
}

// A life that ends anywhere leaves nothing that the next one cannot take away: it
// is cut off from Slack and from the record at each of its calls in turn, right
// before the call or right after it.
func TestPinAndTopicSurviveADeathAnywhere(t *testing.T) {
	const before = "what people know the channel by"
	deaths := 0
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			s := newStage(t)
			s.setTopic(before)
			var mu sync.Mutex
			calls, dead := 0, make(chan struct{})
			s.change = func(_ *Options, c *Client) {
				m := &meddler{RoundTripper: c.http.Transport}
				m.meddle = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/apps.connections.open") {
						return send()
					}
					mu.Lock()
					calls++
					now, over := calls == n, calls > n
					mu.Unlock()
					switch {
					case over:
						return nil, errDied
					case now && after:
						if resp, err := send(); err == nil {
							_ = resp.Body.Close()
						}
					case !now:
						return send()
					}
					close(dead)
					return nil, errDied
				}
				c.http.Transport = m
			}
			kill := s.start(&severed{Log: s.log, dead: dead})
			id := s.open()
			s.sleep(5 * time.Second)
			s.happen(id, incident.Bot, incident.RunTaken{Holder: "a", Token: 1}, incident.StepStarted{Step: "nodes", Attempt: 1})
			s.sleep(15 * time.Second)
			died := false
			select {
			case <-dead:
				died = true
				deaths++
			default:
			}
			kill()
			s.change = nil
			kill = s.start(s.log)
			s.sleep(30 * time.Second)
			if got := s.pinned(); len(got) != 1 {
				t.Errorf("died at call %d (after it: %v): pinned are %v", n, after, got)
			}
			if got := s.topic(); !strings.HasPrefix(got, id.Name()) {
				t.Errorf("died at call %d (after it: %v): the topic is %q", n, after, got)
			}
			s.happen(id, "UALICE", incident.RunAborted{Reason: "x"}, incident.IncidentResolved{})
			s.sleep(time.Minute)
			if got := s.pinned(); len(got) != 0 {
				t.Errorf("died at call %d (after it: %v): still pinned are %v", n, after, got)
			}
			if got := s.topic(); got != before {
				t.Errorf("died at call %d (after it: %v): the topic ends as %q", n, after, got)
			}
			if t.Failed() {
				return
			}
			kill()
			s.end()
			if !died {
				t.Logf("%d deaths", deaths)
				if deaths < 16 {
					t.Errorf("only %d deaths", deaths)
				}
				return
			}
		}
	}
}

// severed is a Log that nobody reaches any more once dead is closed.
type severed struct {
	incident.Log
	dead chan struct{}
}

// Append does nothing when it is too late.
func (l *severed) Append(ctx context.Context, w incident.Write) (incident.Written, error) {
	select {
	case <-l.dead:
		return incident.Written{}, errDied
	default:
		return l.Log.Append(ctx, w)
	}
}

func TestTheMarksGoEvenWhenABotDiesRightAfterItsLastWord(t *testing.T) {
	s := newStage(t)
	s.setTopic("before")
	calls := s.refusing(map[string]string{"pins.remove": "broken", "conversations.info": "broken"})
	codes := s.change
	s.change = nil
	kill := s.start(s.log)
	id := s.open()
	s.sleep(15 * time.Second)
	kill()
	s.change = codes // from here on the marks cannot be taken away
	kill = s.start(s.log)
	s.play(id, whole())
	s.sleep(time.Minute)
	if len(s.slack.Files()) != 1 || len(s.pinned()) != 1 || len(calls.times("pins.remove")) == 0 {
		t.Fatalf("%d files, pinned %v", len(s.slack.Files()), s.pinned())
	}
	kill()
	s.change = func(o *Options, _ *Client) { o.Holds = func(incident.ID) bool { return false } }
	s.start(s.log)
	s.sleep(time.Minute)
	if got := s.pinned(); len(got) != 0 {
		t.Errorf("still pinned: %v", got)
	}
	if got := s.topic(); got != "before" {
		t.Errorf("the topic ends as %q", got)
	}
}

func TestATopicFitsAndIsPlain(t *testing.T) {
	d := incident.IncidentDeclared{Incident: inc, Severity: "SEV-1 <!channel>\n*", Commander: "UALICE"}
	s := &story{at: began}
	s.add(0, "UALICE", d, incident.RunBegun{Source: "a<b>&c", Target: strings.Repeat("x", 300), Mode: "planned"})
	v := sober(t, began).viewOf(incident.Fold(s.events))
	v.practice = true
	got := v.topic()
	if utf8.RuneCountInString(got) > topicMax || strings.ContainsAny(got, "<>&\n") || !strings.HasPrefix(got, "REHEARSAL · INC-2026-0042 · ") || !strings.Contains(got, " · SEV-1 ") {
		t.Errorf("the topic is %q", got)
	}
	if _, of := (&pinAndTopic{b: &Face{client: &Client{}}}).former(slack.Topic{Value: got}); !of {
		t.Error("it is not known again as one of ours")
	}
}
