package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// deaf is a Face on a stage to which envelopes are handed by the test, and where
// what it answers through a response_url is kept.
type deaf struct {
	*stage
	face *Face
	smc  *socketmode.Client
	url  string

	mu   sync.Mutex
	told []string
}

func newDeaf(t *testing.T) *deaf {
	t.Helper()
	d := &deaf{stage: newStage(t)}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		d.told = append(d.told, string(b))
		d.mu.Unlock()
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(hook.Close)
	d.url = hook.URL
	logger := zerolog.New(d.logged)
	client, err := Dial(d.ctx, Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: d.slack.APIURL()}, d.clock, logger)
	if err != nil {
		t.Fatal(err)
	}
	d.face, err = New(Options{Client: client, Channel: channel, Commands: d, Book: incident.NewBook(d.log), Clock: d.clock, Roster: roster}, logger)
	if err != nil {
		t.Fatal(err)
	}
	d.smc = socketmode.New(client.api)
	d.hear(socketmode.Event{Type: socketmode.EventTypeHello, Request: &socketmode.Request{ConnectionInfo: socketmode.ConnectionInfo{AppID: slacksim.AppID}}})
	return d
}

// hear hands an event over and waits until all that it began has ended.
func (d *deaf) hear(ev socketmode.Event) {
	d.t.Helper()
	d.face.receive(d.ctx, zerolog.New(d.logged), d.smc, ev)
	resume := d.clock.Idle()
	d.face.workers.Wait()
	resume()
}

// frame hands a frame over as slack-go does that could not read it.
func (d *deaf) frame(frame string) {
	d.t.Helper()
	d.hear(socketmode.Event{Type: socketmode.EventTypeErrorBadMessage, Data: &socketmode.ErrorBadMessage{
		Cause: json.Unmarshal([]byte(`{"x":1}`), new([]int)), Message: json.RawMessage(frame),
	}})
}

func (d *deaf) answers() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.told, "\n")
}

// whence is what an envelope says of where it comes from.
type whence struct {
	app, team, enterprise, userTeam, channel, container string
	orgWide                                             bool
}

var ours = whence{app: slacksim.AppID, team: slacksim.TeamID, userTeam: slacksim.TeamID, channel: channel, container: channel}

// kinds are all the kinds of envelope that somebody can do something by, as they come
// from there, and whether there is a response_url to answer them.
func (d *deaf) kinds(w whence, id string) map[string]struct {
	ev    socketmode.Event
	route bool
} {
	request := &socketmode.Request{EnvelopeID: id}
	interaction := func(kind slack.InteractionType) slack.InteractionCallback {
		c := slack.InteractionCallback{
			Type: kind, APIAppID: w.app, Team: slack.Team{ID: w.team}, Enterprise: slack.Enterprise{ID: w.enterprise}, IsEnterpriseInstall: w.orgWide,
			User: slack.User{ID: "UBOB", TeamID: w.userTeam}, ResponseURL: d.url, ActionTs: id,
			Container: slack.Container{Type: "message", ChannelID: w.container, MessageTs: "1.2"},
		}
		c.Channel.ID = w.channel
		return c
	}
	click := interaction(slack.InteractionTypeBlockActions)
	click.ActionCallback.BlockActions = []*slack.BlockAction{{ActionID: "fo.approve", BlockID: "q", Value: "INC-2026-0042|q2", ActionTs: id}}
	form := interaction(slack.InteractionTypeViewSubmission)
	form.ResponseURL, form.Container = "", slack.Container{}
	form.View = slack.View{ID: "V" + id, CallbackID: "fo.approve", PrivateMetadata: "INC-2026-0042|q2"}
	menu := interaction(slack.InteractionTypeMessageAction)
	menu.CallbackID, menu.Container = noteShortcut, slack.Container{}
	menu.Message = slack.Message{Msg: slack.Msg{User: "UBOB", Text: "it is down", Timestamp: "1732111200.000100"}}
	event := func(in any) slackevents.EventsAPIEvent {
		return slackevents.EventsAPIEvent{
			TeamID: w.team, APIAppID: w.app, EnterpriseID: w.enterprise, InnerEvent: slackevents.EventsAPIInnerEvent{Data: in},
			Data: &slackevents.EventsAPICallbackEvent{Authorizations: []slack.EventAuthorization{{IsEnterpriseInstall: w.orgWide}}},
		}
	}
	return map[string]struct {
		ev    socketmode.Event
		route bool
	}{
		"command": {socketmode.Event{Type: socketmode.EventTypeSlashCommand, Request: request, Data: slack.SlashCommand{
			APIAppID: w.app, TeamID: w.team, EnterpriseID: w.enterprise, IsEnterpriseInstall: w.orgWide, UserID: "UBOB", ChannelID: w.channel, Command: "/failover", Text: "pause", ResponseURL: d.url,
		}}, true},
		"click":    {socketmode.Event{Type: socketmode.EventTypeInteractive, Request: request, Data: click}, true},
		"form":     {socketmode.Event{Type: socketmode.EventTypeInteractive, Request: request, Data: form}, false},
		"shortcut": {socketmode.Event{Type: socketmode.EventTypeInteractive, Request: request, Data: menu}, true},
		"mention": {socketmode.Event{Type: socketmode.EventTypeEventsAPI, Request: request, Data: event(&slackevents.AppMentionEvent{
			User: "UBOB", Text: "<@U0FAILOVER> pause", Channel: w.channel, TimeStamp: id, UserTeam: w.userTeam,
		})}, false},
		"home": {socketmode.Event{Type: socketmode.EventTypeEventsAPI, Request: request, Data: event(&slackevents.AppHomeOpenedEvent{User: "UBOB", Tab: "home", EventTimeStamp: id})}, false},
	}
}

func TestAnEnvelopeOfThisWorkspaceAndAppIsTaken(t *testing.T) {
	d := newDeaf(t)
	for kind, one := range d.kinds(ours, "e-home") {
		one.ev.Request = &socketmode.Request{EnvelopeID: "e-" + kind}
		d.hear(one.ev)
		if kind == "home" {
			if !d.face.homes.opened["UBOB"] {
				t.Error("the App Home was not opened")
			}
			continue
		}
		if got := d.next(); got.Via.ID != "UBOB" {
			t.Errorf("%s: asked %+v", kind, got)
		}
	}
}

func TestAnEnvelopeFromElsewhereIsTurnedAway(t *testing.T) {
	elsewhere := map[string]func(*whence){
		"another workspace":              func(w *whence) { w.team = "T0OTHER" },
		"no workspace":                   func(w *whence) { w.team = "" },
		"another organisation":           func(w *whence) { w.enterprise = "E0OTHER" },
		"another organisation, org-wide": func(w *whence) { w.enterprise, w.orgWide, w.team = "E0OTHER", true, "T0OTHER" },
		"org-wide, without one":          func(w *whence) { w.orgWide, w.team = true, "" },
		"another app":                    func(w *whence) { w.app = "A0OTHER" },
		"no app":                         func(w *whence) { w.app = "" },
		"a person of another workspace":  func(w *whence) { w.userTeam = "T0OTHER" },
		"two channels":                   func(w *whence) { w.container = "C0OTHER" },
		"another channel":                func(w *whence) { w.channel, w.container = "C0OTHER", "C0OTHER" },
	}
	// What a kind of envelope never says, or what is no fault in it.
	fine := map[string][]string{
		"a person of another workspace": {"command", "home"},
		"two channels":                  {"command", "mention", "home", "form", "shortcut"},
		"another channel":               {"command", "mention", "home", "form", "shortcut"},
	}
	for fault, from := range elsewhere {
		t.Run(fault, func(t *testing.T) {
			d := newDeaf(t)
			w := ours
			from(&w)
			for kind, one := range d.kinds(w, "e1") {
				if strings.Contains(strings.Join(fine[fault], " ")+" ", kind+" ") {
					continue
				}
				d.told = nil
				logged := len(d.logged.String())
				one.ev.Request = &socketmode.Request{EnvelopeID: "e-" + kind}
				d.hear(one.ev)
				if len(d.asked) > 0 {
					t.Fatalf("%s: asked %+v", kind, <-d.asked)
				}
				if d.face.homes.opened["UBOB"] {
					t.Errorf("%s: an App Home was opened", kind)
				}
				if !strings.Contains(d.logged.String()[logged:], "an envelope is not for this bot") {
					t.Errorf("%s: the log says %q", kind, d.logged.String()[logged:])
				}
				if got := d.answers(); one.route != strings.Contains(got, "nothing was done") {
					t.Errorf("%s: told %q", kind, got)
				}
				if n := len(d.slack.Ephemerals("UBOB")); n > 0 {
					t.Errorf("%s: somebody of elsewhere was written to in the workspace", kind)
				}
			}
		})
	}
}

func TestAnOrganisationWideAppServesAllItsWorkspaces(t *testing.T) {
	d := newDeaf(t)
	d.face.client.EnterpriseID = "E0OURS"
	w := ours
	w.enterprise, w.orgWide, w.team, w.userTeam = "E0OURS", true, "T0SECOND", "T0SECOND"
	d.hear(d.kinds(w, "e1")["click"].ev)
	if got := d.next(); got.Verb != "approve" {
		t.Errorf("asked %+v", got)
	}
	w.orgWide = false // installed in one workspace: another one's is not its own
	d.hear(d.kinds(w, "e2")["click"].ev)
	if len(d.asked) > 0 || !strings.Contains(d.answers(), "another workspace") {
		t.Errorf("told %q", d.answers())
	}
}

func TestWhatCannotBeReadIsToldToThePersonBehindIt(t *testing.T) {
	whole := `"team":{"id":"T0REHEARSAL"},"api_app_id":"A0FAILOVER","user":{"id":"UBOB","team_id":"T0REHEARSAL"},"channel":{"id":"C0INCIDENT"}`
	for name, fields := range map[string]string{
		"an attachment's id is a string": `"type":"message_action","callback_id":"fo.note","message":{"attachments":[{"id":"1"}]}`,
		"a number for a text":            `"type":"message_action","callback_id":7`,
		"actions that are no list":       `"type":"block_actions","actions":{"a":"b"}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeaf(t)
			d.frame(`{"envelope_id":"e1","type":"interactive","payload":{` + whole + `,"response_url":"` + d.url + `",` + fields + `}}`)
			if got := d.answers(); !strings.Contains(got, "could not be read, so nothing was done") {
				t.Errorf("told %q", got)
			}
			// Without a response_url there is still the channel.
			d.frame(`{"envelope_id":"e2","type":"interactive","payload":{` + whole + `,` + fields + `}}`)
			if got := d.slack.Ephemerals("UBOB"); len(got) != 1 || !strings.Contains(shows(got[0]), "could not be read") {
				t.Errorf("shown %+v", got)
			}
			d.told = nil
			d.frame(`{"envelope_id":"e3","type":"interactive","payload":{"team":{"id":"T0OTHER"},"api_app_id":"A0FAILOVER","user":{"id":"UBOB"},"response_url":"` + d.url + `",` + fields + `}}`)
			if got := d.answers(); !strings.Contains(got, "another workspace") {
				t.Errorf("from elsewhere: told %q", got)
			}
		})
	}
}

func TestACommandWithAFieldOfAnotherTypeIsCarriedOut(t *testing.T) {
	d := newDeaf(t)
	send := func(id, fields string) {
		d.frame(`{"envelope_id":"` + id + `","type":"slash_commands","payload":{"team_id":"T0REHEARSAL","api_app_id":"A0FAILOVER","user_id":"UBOB","channel_id":"C0INCIDENT","command":"/failover","response_url":"` + d.url + `",` + fields + `}}`)
	}
	send("e1", `"text":"pause now","is_enterprise_install":"false"`)
	if got := d.next(); got.Verb != "pause" || got.Text != "now" || got.Request != "slack/e1" {
		t.Errorf("asked %+v", got)
	}
	send("e2", `"text":["pause"]`) // what was typed is not there: nothing is guessed
	if len(d.asked) > 0 || !strings.Contains(d.answers(), "could not be read") {
		t.Errorf("told %q", d.answers())
	}
}

func TestWhatIsNotJSONLeavesATrace(t *testing.T) {
	d := newDeaf(t)
	d.hear(socketmode.Event{Type: socketmode.EventTypeIncomingError, Data: &slack.IncomingEventError{ErrorObj: json.Unmarshal([]byte("{"), new(any))}})
	if !strings.Contains(d.logged.String(), "a frame from Slack could not be read") {
		t.Errorf("the log says %q", d.logged)
	}
}

func TestEnvelopesWithoutAnIDAreNotTakenForOneAnother(t *testing.T) {
	d := newDeaf(t)
	for range 2 {
		d.hear(d.kinds(ours, "")["command"].ev)
	}
	if a, b := d.next(), d.next(); a.Request == b.Request || a.Request == "slack/" {
		t.Errorf("asked as %q and %q", a.Request, b.Request)
	}
}

func TestAnEndlessIDIsShortInTheLogAndOnTheRecord(t *testing.T) {
	d := newDeaf(t)
	long := strings.Repeat("x", 500_000)
	d.hear(d.kinds(ours, long)["command"].ev)
	d.hear(d.kinds(ours, long+"y")["command"].ev)
	d.hear(d.kinds(ours, long+"x")["click"].ev)
	a, b := d.next(), d.next()
	if a.Request == b.Request || len(a.Request) > 300 || len(d.next().Request) > 300 {
		t.Errorf("asked as %d and %d letters, alike: %t", len(a.Request), len(b.Request), a.Request == b.Request)
	}
	w := ours
	w.team = long
	d.hear(d.kinds(w, long+"z")["command"].ev)
	d.frame(`{"envelope_id":"` + long + `","type":"interactive","payload":{"user":{"id":"UBOB"}}}`)
	if n := len(d.logged.String()); n > 10_000 {
		t.Errorf("the log has %d letters", n)
	}
}

func TestAFormWithoutAFieldForItsFaultShowsItAllTheSame(t *testing.T) {
	f := mrkdwn{}
	a := *refusedWith("reason", "Say why.")
	if _, ok := f.faults(a, map[string]string{}).(*slack.ViewSubmissionResponse); !ok {
		t.Fatalf("%T", f.faults(a, nil))
	}
	got := f.faults(a, map[string]string{}).(*slack.ViewSubmissionResponse)
	b, _ := json.Marshal(got)
	if len(got.Errors) > 0 || got.ResponseAction != slack.RAUpdate || !strings.Contains(string(b), "Say why.") {
		t.Errorf("answered %s", b)
	}
	if got := f.faults(a, map[string]string{"reason": ""}).(*slack.ViewSubmissionResponse); got.Errors["reason"] != "Say why." {
		t.Errorf("answered %+v", got)
	}
}

// peopled is a stage on which Bob is of that kind.
func peopled(t *testing.T, kind string) *stage {
	clock := sim.NewClock(began.Add(9*time.Minute), sim.Max)
	t.Cleanup(clock.Close)
	people := append([]slacksim.Person{}, everyone...)
	people[1].Kind = kind
	return newStageWith(t, clock, people)
}

func TestNothingIsTakenFromGuestsDeactivatedPeopleAndStrangers(t *testing.T) {
	for kind, says := range map[string]string{"guest": "a guest in this workspace", "deactivated": "is deactivated", "stranger": "another organisation"} {
		t.Run(kind, func(t *testing.T) {
			s := peopled(t, kind)
			s.start(s.log)
			for _, typed := range []string{"/failover pause", "/failover status", "/failover nonsense"} {
				if o := s.as("UBOB", "command", slacksim.Deed{Channel: channel, Text: typed}); !o.OK {
					t.Fatalf("%+v", o)
				}
				s.sleep(time.Second)
				got := s.slack.Ephemerals("UBOB")
				if len(s.asked) > 0 || len(got) == 0 || !strings.Contains(shows(got[len(got)-1]), says) {
					t.Errorf("%s: asked %d times, answered %+v", typed, len(s.asked), got)
				}
			}
			s.as("UBOB", "home", slacksim.Deed{})
			s.as("UBOB", "say", slacksim.Deed{Channel: channel, Text: "@failoverbot pause"})
			s.sleep(5 * time.Second)
			if len(s.asked) > 0 {
				t.Errorf("asked %+v", <-s.asked)
			}
			if _, shown := s.home("UBOB"); !strings.Contains(shown, says) {
				t.Errorf("the App Home shows %s", shown)
			}
		})
	}
}

// silent makes users.info fail from now on, as long as it is set.
func silent(off *bool, mu *sync.Mutex, code string) func(*Options, *Client) {
	return func(_ *Options, c *Client) {
		c.http.Transport = &meddler{RoundTripper: c.http.Transport, meddle: func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if *off && strings.HasSuffix(r.URL.Path, "/users.info") {
				return says(r, `{"ok":false,"error":"`+code+`"}`), nil
			}
			return send()
		}}
	}
}

func TestWhomSlackKnewADayAgoDecidesAlthoughItCannotBeAskedNow(t *testing.T) {
	s := newStage(t)
	var off bool
	var mu sync.Mutex
	s.change = silent(&off, &mu, "internal_error")
	s.start(s.log)
	s.sleep(time.Second) // the roster is looked up before anybody asks
	mu.Lock()
	off = true
	mu.Unlock()
	ask := func(person string) (taken bool, answer string) {
		t.Helper()
		if o := s.as(person, "command", slacksim.Deed{Channel: channel, Text: "/failover pause"}); !o.OK {
			t.Fatalf("%+v", o)
		}
		s.sleep(5 * time.Second)
		got := s.slack.Ephemerals(person)
		taken = len(s.asked) > 0
		for len(s.asked) > 0 {
			<-s.asked
		}
		return taken, shows(got[len(got)-1])
	}
	known := func(ago time.Duration) {
		t.Helper()
		s.face.people.mu.Lock()
		defer s.face.people.mu.Unlock()
		who := s.face.people.known["UBOB"]
		if who.belongs != member {
			t.Fatalf("of Bob is known %+v", who)
		}
		who.at = s.clock.Now().Add(-ago)
		s.face.people.known["UBOB"] = who
	}
	known(23 * time.Hour)
	if taken, said := ask("UBOB"); !taken {
		t.Errorf("a member who was known 23 hours ago got %s", said)
	}
	if taken, said := ask("UEVE"); taken || !strings.Contains(said, "does not say now who you are") {
		t.Errorf("taken %t from somebody who was never known: %s", taken, said)
	}
	if o := s.as("UEVE", "command", slacksim.Deed{Channel: channel, Text: "/failover status"}); !o.OK {
		t.Fatalf("%+v", o)
	}
	s.sleep(time.Second)
	if len(s.asked) != 1 {
		t.Error("somebody whom Slack cannot name may still look")
	} else {
		<-s.asked
	}
	known(25 * time.Hour)
	if taken, said := ask("UBOB"); taken {
		t.Errorf("what Slack said more than a day ago still counts: %s", said)
	}
}

func TestWithoutTheScopeNobodyDecidesAndTheLogSaysWhy(t *testing.T) {
	s := newStage(t)
	off := true
	var mu sync.Mutex
	s.change = silent(&off, &mu, "missing_scope")
	s.start(s.log)
	s.as("UBOB", "command", slacksim.Deed{Channel: channel, Text: "/failover pause"})
	s.sleep(time.Second)
	got := s.slack.Ephemerals("UBOB")
	if len(s.asked) > 0 || len(got) != 1 || !strings.Contains(shows(got[0]), "users:read") {
		t.Errorf("answered %+v", got)
	}
	if n := strings.Count(s.logged.String(), "nobody can decide anything in Slack"); n == 0 {
		t.Error("the log does not say it")
	}
}

func refusedWith(field, says string) *commands.Answer {
	return &commands.Answer{Refused: true, Errors: map[string]text.Text{field: text.Format("%s", says)}}
}
