package player

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
)

// said makes a message of the bot.
func said(ts, only string, payload map[string]any, buttons ...[2]string) *message {
	m := &message{Channel: "C1", TS: ts, User: "UBOT", For: only}
	m.Metadata.EventType, m.Metadata.EventPayload = "failoverbot", payload
	elements := []any{}
	for _, b := range buttons {
		elements = append(elements, map[string]any{"type": "button", "action_id": b[0], "value": b[1], "text": map[string]any{"text": b[0]}})
	}
	m.Blocks = []map[string]any{{"type": "actions", "block_id": "b", "elements": elements}}
	return m
}

func TestWhoDoesWhatAboutAMessage(t *testing.T) {
	approval := map[string]any{"incident": "I", "kind": "question", "question": "approval", "step": "promote"}
	card := map[string]any{"incident": "I", "kind": "card", "state": "running"}
	both := [][2]string{{"fo.approve", "q1"}, {"fo.decline", "q1"}}
	for name, c := range map[string]struct {
		does     []Act
		messages []*message
		want     []string // what is pressed or said, in order
	}{
		"the question's own button": {[]Act{{On: OnQuestion, Kind: "approval", Press: "approve"}}, []*message{said("1", "", approval, both...)}, []string{"approve"}},
		"another kind of question":  {[]Act{{On: OnQuestion, Kind: "failed", Press: "approve"}}, []*message{said("1", "", approval, both...)}, nil},
		"another step":              {[]Act{{On: OnQuestion, Step: "move-dns", Press: "approve"}}, []*message{said("1", "", approval, both...)}, nil},
		"one answer to one question": {
			[]Act{{On: OnQuestion, Press: "decline", Times: 1}, {On: OnQuestion, Press: "approve"}}, []*message{said("1", "", approval, both...)}, []string{"decline"},
		},
		"on the card and where it is asked": {
			[]Act{{On: OnQuestion, Kind: "approval", Press: "approve"}},
			[]*message{said("1", "", approval, both...), said("0", "", map[string]any{"incident": "I", "kind": "card", "question": "approval", "step": "promote"}, both...)},
			[]string{"approve"},
		},
		"nothing is asked by the card's other buttons": {[]Act{{On: OnQuestion, Press: "abort"}}, []*message{said("1", "", card, [2]string{"fo.abort", "I"})}, nil},
		"what only somebody else sees":                 {[]Act{{On: OnQuestion, Press: "break-glass"}}, []*message{said("1", "U2", approval, [2]string{"fo.break_glass", "q1"})}, nil},
		"the glass, after an approval that was not enough": {
			[]Act{{On: OnQuestion, Press: "approve"}, {On: OnQuestion, Press: "break-glass"}},
			[]*message{said("1", "", approval, both...), said("2", "U1", approval, [2]string{"fo.break_glass", "q1"})},
			[]string{"approve", "break-glass"},
		},
		"mitigated": {[]Act{{On: OnMitigated, Say: "/failover resolve"}}, []*message{said("1", "", map[string]any{"incident": "I", "kind": "card", "state": "mitigated"})}, []string{"/failover resolve"}},
		"not yet":   {[]Act{{On: OnMitigated, Say: "/failover resolve"}}, []*message{said("1", "", card)}, nil},
		"a message of a kind, once": {
			[]Act{{On: OnMessage, Kind: "update", Say: "thanks"}},
			[]*message{said("1", "", map[string]any{"kind": "update"}), said("2", "", map[string]any{"kind": "update"})},
			[]string{"thanks"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := New("http://127.0.0.1:1/", incident.RealClock{}, []Person{{ID: "U1", Does: c.does}}, nil)
			p.botID = "UBOT"
			for _, m := range c.messages {
				p.keep(m)
			}
			var got []string
			for _, m := range c.messages {
				n := p.notes[m.Channel+"|"+m.TS]
				for act, _ := p.match(p.actors["U1"], n); act != nil; act, _ = p.match(p.actors["U1"], n) {
					p.used[act]++
					got = append(got, act.Press+act.Say)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAFormIsFilledByTheNamesOfItsFields(t *testing.T) {
	var w window
	if err := json.Unmarshal([]byte(`{"view":{"blocks":[
		{"type":"input","block_id":"region","element":{"type":"plain_text_input","action_id":"value"}},
		{"type":"input","block_id":"severity","element":{"type":"static_select","action_id":"pick","options":[{"value":"1","text":{"text":"SEV-1"}}]}},
		{"type":"section","block_id":"note"}]}}`), &w); err != nil {
		t.Fatal(err)
	}
	values, unused := w.values(map[string]string{"region": "us-west-2", "severity": "SEV-1", "note": "x", "mode": "planned"})
	if values["region"]["value"] != "us-west-2" || values["severity"]["pick"] != "1" || len(values) != 2 {
		t.Errorf("%v", values)
	}
	if !slices.Equal(unused, []string{"mode", "note"}) {
		t.Errorf("%v", unused)
	}
}

// A form that came too late is no effect of what was typed: it is typed again.
func TestAFormThatCameTooLateIsNoEffect(t *testing.T) {
	p := New("http://127.0.0.1:1/", incident.RealClock{}, []Person{{ID: "U1"}}, nil)
	p.botID = "UBOT"
	late, other := said("1", "U1", nil), said("2", "U1", nil)
	late.Text = "The form could not be opened in time. Press the button or type the command again; nothing was done."
	other.Text = "Only commanders can start a failover."
	p.hear([]event{{Type: "ephemeral", Message: late}})
	if n := p.heard["U1"]; n != 0 {
		t.Errorf("%d effects of what came too late", n)
	}
	p.hear([]event{{Type: "ephemeral", Message: other}})
	if n := p.heard["U1"]; n != 1 {
		t.Errorf("%d effects of an answer", n)
	}
}
