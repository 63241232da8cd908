package slacksim_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/player"
)

// jump lets a clock go to its next timer whenever nobody has been busy for a
// few ticks.
func (c *handClock) jump(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		quiet := 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			c.mu.Lock()
			next := time.Time{}
			for timer := range c.timers {
				if next.IsZero() || timer.at.Before(next) {
					next = timer.at
				}
			}
			if c.busy > 0 || next.IsZero() {
				quiet = 0
			} else {
				quiet++
			}
			d := next.Sub(c.now)
			c.mu.Unlock()
			if quiet > 4 {
				c.Advance(max(d, 0))
				quiet = 0
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// miniBot is the least that has the buttons' and messages' contract.
type miniBot struct {
	w        *world
	mu       sync.Mutex
	ts, card string
	declined int
	typed    []string
	by       []string
	deaf     int            // clicks that it acknowledges and then forgets
	lost     map[string]int // and commands
}

func (b *miniBot) meta(kind, question, step, state string) slack.MsgOption {
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "failoverbot", EventPayload: map[string]any{
		"incident": "INC-1", "key": kind, "kind": kind, "question": question, "step": step, "state": state,
	}})
}

func (b *miniBot) setCard(state string) {
	options := []slack.MsgOption{slack.MsgOptionText("INC-1 "+state, false), b.meta("card", "", "", state)}
	if b.card == "" {
		_, b.card, _ = b.w.api.PostMessage("C0INCIDENT", options...)
		return
	}
	_, _, _, _ = b.w.api.UpdateMessage("C0INCIDENT", b.card, options...)
}

func (b *miniBot) ask(id string) {
	_, b.ts, _ = b.w.api.PostMessage("C0INCIDENT", slack.MsgOptionText("promote?", false), b.meta("question", "approval", "promote", ""),
		slack.MsgOptionBlocks(slack.NewActionBlock("q",
			slack.NewButtonBlockElement("fo.approve", id, plain("Approve ...")), slack.NewButtonBlockElement("fo.decline", id, plain("Decline")))))
}

func (b *miniBot) answered() {
	_, _, _, _ = b.w.api.UpdateMessage("C0INCIDENT", b.ts, slack.MsgOptionText("answered", false), slack.MsgOptionBlocks([]slack.Block{slack.NewDividerBlock()}...))
}

func (b *miniBot) handle(sm *socketmode.Client, e socketmode.Event) {
	busy := b.w.clock.Busy()
	defer busy()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch d := e.Data.(type) {
	case slack.SlashCommand:
		_ = sm.Ack(*e.Request)
		if b.lost[d.Text] > 0 {
			b.lost[d.Text]--
			return
		}
		switch d.Text {
		case "start us-west-2":
			b.setCard("running")
			b.ask("q-1")
		case "resolve":
			b.setCard("resolved")
		}
	case slack.InteractionCallback:
		b.interaction(sm, e, d)
	default:
		_ = sm.Ack(*e.Request)
	}
}

func (b *miniBot) interaction(sm *socketmode.Client, e socketmode.Event, d slack.InteractionCallback) {
	if d.Type == slack.InteractionTypeViewSubmission {
		text := d.View.State.Values["region"]["value"].Value
		b.typed = append(b.typed, text)
		b.by = append(b.by, d.User.ID)
		_ = sm.Ack(*e.Request)
		b.answered()
		b.setCard("mitigated")
		return
	}
	_ = sm.Ack(*e.Request)
	switch a := d.ActionCallback.BlockActions[0]; {
	case b.deaf > 0:
		b.deaf--
	case a.ActionID == "fo.decline":
		b.declined++
		b.answered()
		b.ask("q-2")
	case a.ActionID == "fo.approve":
		input := slack.NewInputBlock("region", plain("Type the Region"), nil, slack.NewPlainTextInputBlockElement(nil, "value"))
		_, _ = b.w.api.OpenView(d.TriggerID, slack.ModalViewRequest{
			Type: slack.VTModal, Title: plain("Approve"), Submit: plain("Approve"), Blocks: slack.Blocks{BlockSet: []slack.Block{input}},
		})
	}
}

func TestThePlayerPlaysThePeopleThroughSlack(t *testing.T) {
	w := start(t)
	w.clock.jump(t)
	b := &miniBot{w: w, deaf: 1, lost: map[string]int{"start us-west-2": 1, "resolve": 2}} // the first tries get lost
	w.connect(b.handle)
	began := w.clock.Now()
	var mu sync.Mutex
	var said []string
	p := player.New(w.URL(), w.clock, []player.Person{
		{ID: "U1", Name: "Alice", Roles: []string{"commander"}, Does: []player.Act{
			{On: "start", After: 10 * time.Second, Say: "/failover start us-west-2"},
			{On: "mitigated", Say: "good to see"},
			{On: "mitigated", After: 5 * time.Minute, Say: "/failover resolve"},
		}},
		{ID: "U2", Name: "Bob", Roles: []string{"approver"}, Does: []player.Act{
			{On: "question", Kind: "approval", Step: "promote", After: 20 * time.Second, Press: "decline", Times: 1},
			{On: "question", Kind: "approval", Step: "promote", After: 30 * time.Second, Press: "approve", Form: map[string]string{"region": "us-west-2"}},
		}},
		{ID: "U3", Name: "Mallory", Absent: true, Does: []player.Act{{On: "question", Kind: "approval", Press: "approve"}}},
	}, func(line string) { mu.Lock(); said = append(said, line); mu.Unlock() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Run(ctx); err != nil || ctx.Err() != nil {
		t.Fatalf("Run: %v, %v\n%s", err, ctx.Err(), strings.Join(said, "\n"))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.declined != 1 || !slices.Equal(b.typed, []string{"us-west-2"}) || !slices.Equal(b.by, []string{"U2"}) {
		t.Errorf("declined %d, typed %v by %v\n%s", b.declined, b.typed, b.by, strings.Join(said, "\n"))
	}
	chat := w.Messages("C0INCIDENT")
	if n := len(slices.DeleteFunc(chat, func(m slacksim.Message) bool { return m.Text != "good to see" })); n != 1 {
		t.Errorf("Alice said it %d times", n)
	}
	took := w.clock.Now().Sub(began)
	// 10 s, 20 s, 30 s and 5 min; each lost try is noticed after a minute.
	if want := 10 * time.Minute; took < want || took > want+5*time.Second {
		t.Errorf("it took %s of pretend time, want %s\n%s", took, want, strings.Join(said, "\n"))
	}
	for _, want := range []string{`Alice types: /failover start us-west-2`, `Bob presses "Decline" for promote`, `Bob fills in "Approve" (region: us-west-2)`, "Bob sees no effect"} {
		if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("nothing said %q:\n%s", want, strings.Join(said, "\n"))
		}
	}
}

func TestThePlayerTriesAgainWhenTheBotIsNotThere(t *testing.T) {
	w := start(t)
	w.clock.jump(t)
	var mu sync.Mutex
	var said []string
	missed := make(chan struct{}, 1)
	p := player.New(w.URL(), w.clock, []player.Person{{ID: "U1", Name: "Alice", Does: []player.Act{{On: "start", Say: "/failover start us-west-2"}, {On: "message", Kind: "question", Say: "/failover resolve"}}}},
		func(line string) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, line)
			if strings.Contains(line, "did not respond") {
				select {
				case missed <- struct{}{}:
				default:
				}
			}
		})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	<-missed
	b := &miniBot{w: w}
	w.connect(b.handle)
	if err := <-ended; err != nil || ctx.Err() != nil {
		t.Fatalf("%v %v\n%s", err, ctx.Err(), strings.Join(said, "\n"))
	}
	if e := w.Ephemerals("U1"); len(e) == 0 || !strings.Contains(e[0].Text, "did not respond") {
		t.Errorf("Alice was not told: %+v", e)
	}
}

func TestThePlayerRefusesWhatCannotBePlayed(t *testing.T) {
	w := start(t)
	for name, c := range map[string]struct {
		person player.Person
		want   string
	}{
		"somebody unknown": {player.Person{ID: "U9", Name: "Zoe"}, "no U9"},
		"an unknown cue":   {player.Person{ID: "U1", Name: "Alice", Does: []player.Act{{On: "lunch", Say: "x"}}}, `on "lunch" does not exist`},
		"nothing to do":    {player.Person{ID: "U1", Name: "Alice", Does: []player.Act{{On: "start"}}}, "say or press"},
	} {
		err := player.New(w.URL(), w.clock, []player.Person{c.person}, nil).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.clock.busyNow(); n != 0 {
		t.Errorf("still busy %d times", n)
	}
}
