package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine/enginetest"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// drill is a rehearsal whose people are the test. Time stands still but while the
// test waits for something to be seen.
type drill struct {
	*slacktest.Page
	t   *testing.T
	r   *rehearsal
	out string
}

const (
	alice = "U0ALICE" // commander
	bob   = "U0BOB"   // approver
	carol = "U0CAROL" // approver, break-glass
	dan   = "U0DAN"   // responder
	eve   = "U0EVE"   // on no roster
)

// raised starts one; end is Ctrl-C and waits for its end.
func raised(t *testing.T, scenario string) (d *drill, end func() error) {
	t.Helper()
	ctx, press := context.WithCancel(t.Context())
	d = &drill{t: t, out: t.TempDir()}
	stands := make(chan *rehearsal, 1)
	over := make(chan error, 1)
	var busy func()
	go func() {
		over <- (&rehearsal{
			Options: Options{Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Out: d.out, Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS},
			ready: func(r *rehearsal) error {
				busy = r.clock.Busy()
				stands <- r
				return nil
			},
		}).run(ctx)
	}()
	select {
	case d.r = <-stands:
	case err := <-over:
		press()
		t.Fatalf("the rehearsal did not begin: %v", err)
	}
	var once sync.Once
	var err error
	end = func() error {
		once.Do(func() {
			press()
			busy()
			err = <-over
		})
		return err
	}
	t.Cleanup(func() { _ = end() })
	d.Page = slacktest.Open(t, d.r.slack.URL(), d.r.clock, alice, bob, carol, dan, eve)
	return d, end
}

// events are what is on the record.
func (d *drill) events() []incident.Event {
	d.t.Helper()
	id, err := d.r.current(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	if id == "" {
		return nil
	}
	all, err := d.r.record.Read(d.t.Context(), id, 0, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	return all
}

// refused lets somebody do what is refused: with a sentence to that person alone,
// and nothing on the record but where the bot's own messages are.
func (d *drill) refused(t *testing.T, who string, do func() string, want ...string) {
	t.Helper()
	d.t = t
	before := d.events()
	d.Loud = nil
	answer := do()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(answer) {
			t.Errorf("%s is not told %s:\n%s", who, w, answer)
		}
	}
	if !strings.Contains(answer, "REHEARSAL") {
		t.Errorf("it is not marked as a rehearsal:\n%s", answer)
	}
	for _, loud := range d.Loud { // what the run itself has to say is no answer
		if strings.Contains(loud, strings.TrimPrefix(answer, "REHEARSAL · ")) {
			t.Errorf("everybody is told:\n%s", loud)
		}
	}
	after := d.events()
	if err := enginetest.Kept(before, after); err != nil {
		t.Fatal(err)
	}
	for _, e := range after[len(before):] {
		t.Errorf("this was put on the record: %s", string(e.Raw()))
	}
}

// button waits for a message for everybody with that button.
func (d *drill) button(action string) slacksim.Deed {
	d.t.Helper()
	var deed slacksim.Deed
	d.News("a button "+action, func(n slacksim.News) bool {
		if n.For != "" || n.Message == nil {
			return false
		}
		for _, b := range n.Message.Blocks {
			elements, _ := b["elements"].([]any)
			for _, e := range elements {
				if e, _ := e.(map[string]any); e["action_id"] == action {
					value, _ := e["value"].(string)
					deed = slacksim.Deed{Channel: n.Message.Channel, MessageTS: n.Message.TS, ActionID: action, Value: value, Confirmed: true}
					return true
				}
			}
		}
		return false
	})
	return deed
}

// leftOver puts a message with buttons of the bot where everybody sees it: one
// that nobody cleared away, or that another installation of it has posted.
func (d *drill) leftOver(buttons ...slacksim.Deed) []slacksim.Deed {
	d.t.Helper()
	var blocks []any
	for _, b := range buttons {
		blocks = append(blocks, map[string]any{"type": "actions", "elements": []any{map[string]any{
			"type": "button", "action_id": b.ActionID, "value": b.Value, "text": map[string]any{"type": "plain_text", "text": "Press"},
		}}})
	}
	data, err := json.Marshal(blocks)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.PostForm(d.r.slack.APIURL()+"chat.postMessage", url.Values{
		"token": {d.r.reach.BotToken}, "channel": {channel}, "text": {"left over"}, "blocks": {string(data)},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var said struct {
		TS    string `json:"ts"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || said.TS == "" {
		d.t.Fatalf("the left-over message: %s %v", said.Error, err)
	}
	for i := range buttons {
		buttons[i].Channel, buttons[i].MessageTS = channel, said.TS
	}
	return buttons
}

// given counts how often somebody said yes.
func (d *drill) given(who string) (n int) {
	for _, e := range d.events() {
		if e.Body.Type() == "ApprovalGiven" && e.Via != nil && e.Via.ID == who {
			n++
		}
	}
	return n
}

func (d *drill) press(who string, b slacksim.Deed) {
	d.t.Helper()
	if out := d.Do(who, "press", b); !out.OK {
		d.t.Fatalf("%s presses %s: %s %s", who, b.ActionID, out.Error, out.Reason)
	}
}

// pressed is what the bot says to somebody who pressed a button.
func (d *drill) pressed(who string, b slacksim.Deed) string {
	d.t.Helper()
	d.press(who, b)
	return d.Told(who, b.ActionID)
}

// window is the form that opens for somebody.
func (d *drill) window(who string) string {
	d.t.Helper()
	n := d.News("a form for "+who, func(n slacksim.News) bool { return n.Type == "view" && n.For == who })
	return n.View.ID
}

func confirms(region string) map[string]map[string]any {
	return map[string]map[string]any{"confirm": {"value": region}}
}

// What is wrong in Slack is refused to that person alone, with what would work,
// and changes nothing.
func TestWhatIsWrongInSlack(t *testing.T) {
	d, end := raised(t, "region-degraded")
	no := func(name, who string, do func() string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) { d.refused(t, who, do, want...) })
		d.t = t
	}
	says := func(who, command string) func() string { return func() string { return d.Ask(who, command) } }
	presses := func(who string, b slacksim.Deed) func() string { return func() string { return d.pressed(who, b) } }

	no("unknown verb", alice, says(alice, "/failover strat us-west-2"), "`/failover strat` is not a command. Did you mean `/failover start us-west-2`\\?")
	no("unknown Region", alice, says(alice, "/failover start us-west-9 planned slow"), "`us-west-9` is not a Region of this platform", `us-east-1 and us-west-2`, "`/failover start us-west-2`")
	no("unknown Region to check", bob, says(bob, "/failover check us-west-9"), "`us-west-9` is not a Region", "`/failover check us-west-2`")
	no("the Region that is active", alice, says(alice, "/failover start us-east-1 planned slow"), `us-east-1 is the active Region already`, "To leave it: `/failover start us-west-2`")
	no("somebody not on the roster", eve, says(eve, "/failover start us-west-2 planned slow"), `You are not on the roster`, `<@U0ALICE>`, "`/failover status`")
	no("somebody of another role", dan, says(dan, "/failover start us-west-2 planned slow"), `takes a commander or an approver|takes a commander or approver`, `you are a responder`)
	no("no incident to approve", bob, says(bob, "/failover approve us-west-2"), "No incident is open. To begin one: `/failover start us-west-2`")
	if len(d.events()) > 0 {
		t.Fatal("something is on the record before anything was begun")
	}

	id := regexp.MustCompile(`INC-\d+-\d+`).FindString(d.Ask(alice, "/failover start us-west-2 planned orders are slow"))
	goes := d.button("fo.go")
	no("a second start", bob, says(bob, "/failover start us-west-2 planned me too"), id+` is open \(us-east-1 -> us-west-2`, "`/failover status` shows it, `/failover abort` stops it")
	no("Go from somebody not on the roster", eve, presses(eve, goes), `You are not on the roster`)
	no("Go from a responder", dan, presses(dan, goes), `you are a responder`, `<@U0ALICE>`)
	no("an approval before its time", bob, says(bob, "/failover approve us-west-2"), `Nothing waits for that now. Go waits for <@U0ALICE>`)

	old := d.leftOver(slacksim.Deed{ActionID: "fo.go", Value: goes.Value},
		slacksim.Deed{ActionID: "fo.approve", Value: string(incident.Fold(d.events()).ID) + "|q-none"}, slacksim.Deed{ActionID: "fo.approve", Value: "INC-1999-0001|q1"})
	t.Run("the same button twice at once", func(t *testing.T) {
		d.t = t
		d.press(alice, goes)
		d.press(alice, old[0])
		both := d.Told(alice, "Go") + "\n" + d.Told(alice, "Go once more")
		for _, want := range []string{`Go\. Changes begin now\.`, `Go was pressed by you at \d\d:\d\d:\d\d UTC\. Nothing was done with your click\.`} {
			if !regexp.MustCompile(want).MatchString(both) {
				t.Errorf("Alice is not told %s:\n%s", want, both)
			}
		}
		if n := d.given(alice); n != 1 {
			t.Errorf("her Go is on the record %d times", n)
		}
	})
	d.t = t
	asks := d.button("fo.approve")
	no("a button of a minute ago", alice, presses(alice, old[0]), `Go was pressed by you at`, `Nothing was done with your click`, `waits for <@U0BOB> or <@U0CAROL>`)
	no("a button of a question that is none", bob, presses(bob, old[1]), `a question that `+id+` does not have`, `waits for <@U0BOB> or <@U0CAROL>`)
	no("a button of another installation", bob, presses(bob, old[2]), `There is no incident INC-1999-0001`, "`/failover status`")
	no("the requester's button", alice, presses(alice, asks), `so someone else has to approve`, `<@U0BOB>.* and <@U0CAROL>.* can`, `Remind`)
	no("the requester's command", alice, says(alice, "/failover approve us-west-2"), `so someone else has to approve`, `<@U0BOB>`)
	no("a responder's approval", dan, presses(dan, asks), `takes an approver; you are a responder`, `<@U0BOB>`)
	no("an approval from nobody", eve, presses(eve, asks), `You are not on the roster`)
	no("the wrong Region, as a command", bob, says(bob, "/failover approve us-east-1"), `us-east-1. is not us-west-2. Type us-west-2, exactly`, `Nothing was approved`, "`/failover approve us-west-2`")
	no("breaking glass while people can still answer", carol, says(carol, "/failover break_glass us-west-2 nobody is here"), `Break-glass is for a question that nobody answered`, `<@U0BOB>`)

	d.press(bob, asks)
	form := d.window(bob)
	t.Run("the wrong Region, in the form", func(t *testing.T) {
		d.t = t
		before := d.events()
		out := d.Do(bob, "submit", slacksim.Deed{ViewID: form, Values: confirms("us-east-1")})
		if out.OK || !strings.Contains(out.Errors["confirm"], "“us-east-1” is not us-west-2. Type us-west-2, exactly.") {
			t.Errorf("the form is answered %+v", out)
		}
		if after := d.events(); len(after) != len(before) {
			t.Errorf("%d events came on the record", len(after)-len(before))
		}
	})
	d.t = t
	if out := d.Do(bob, "submit", slacksim.Deed{ViewID: form, Values: confirms("us-west-2")}); !out.OK {
		t.Fatalf("the form is answered %+v", out)
	}
	if answer := d.Told(bob, "his approval"); !strings.Contains(answer, "Approved") {
		t.Errorf("Bob is told:\n%s", answer)
	}
	t.Run("the same form twice", func(t *testing.T) {
		d.t = t
		before := d.events()
		if out := d.Do(bob, "submit", slacksim.Deed{ViewID: form, Values: confirms("us-west-2")}); out.OK || !strings.Contains(out.Reason, "not open any more") {
			t.Errorf("the form is answered %+v", out)
		}
		if n := d.given(bob); n != 1 {
			t.Errorf("Bob's approval is on the record %d times", n)
		}
		if err := enginetest.Kept(before, d.events()); err != nil {
			t.Error(err)
		}
	})

	d.t = t
	before := d.events()
	if err := end(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C in the middle of the run: %v", err)
	}
	var written []incident.Event
	lines(t, filepath.Join(d.out, "timeline.jsonl"), &written)
	if err := enginetest.Kept(before, written); err != nil {
		t.Errorf("timeline.jsonl: %v", err)
	}
}
