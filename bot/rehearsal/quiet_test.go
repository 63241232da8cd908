package rehearsal

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
)

// budgets are how many words a message of a kind may have at its longest state, in a run
// without trouble; a kind that is not here has a share of the whole alone.
var budgets = map[string]int{"card": 80, "go": 45, "approval": 90, "update": 60}

const (
	postsOfARun = 7
	wordsOfARun = 500
	// What a failed step, an expiry or an override may add, and what may be said between a
	// failover and the way back.
	postsOfTrouble, wordsOfTrouble = 1, 60
	postsBetween, wordsBetween     = 1, 40
)

// posted is a message in the channel at its longest state.
type posted struct {
	kind, text, incident string
	words                int
}

// inChannel are the messages in the channel of incidents, threads apart, in their order. The
// file of a review is one of them, and is of the incident before it.
func (p played) inChannel(t *testing.T) []posted {
	t.Helper()
	var order []string
	longest := map[string]posted{}
	last := ""
	for _, m := range p.messages {
		if m.ThreadTS != "" || m.For != "" || m.BotID == "" || m.ChannelName != "incident-response" || m.Op != "post" && m.Op != "update" {
			continue
		}
		is := posted{text: visible(t, m)}
		is.words = len(word.FindAllString(is.text, -1))
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		is.kind, _ = payload["kind"].(string)
		is.incident, _ = payload["incident"].(string)
		if is.kind == "question" {
			is.kind, _ = payload["question"].(string)
		}
		if is.incident == "" {
			is.incident = last
		}
		last = is.incident
		before, there := longest[m.TS]
		if !there {
			order = append(order, m.TS)
		}
		if is.words >= before.words {
			longest[m.TS] = is
		}
	}
	var out []posted
	for _, ts := range order {
		out = append(out, longest[ts])
	}
	return out
}

var (
	// word is one: a time of day is several.
	word = regexp.MustCompile(`[\pL\pN_.-]*[\pL\pN_][\pL\pN_.-]*`)
	// date and mention are shown as what stands in them.
	date    = regexp.MustCompile(`<!date\^\d+\^[^|>]*\|([^>]*)>`)
	mention = regexp.MustCompile(`<[@#!]([^>]*)>`)
)

// visible is what people read of a message, its buttons included.
func visible(t *testing.T, m slacksim.MessageLine) string {
	t.Helper()
	data, err := json.Marshal(m.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	var blocks any
	if err := json.Unmarshal(data, &blocks); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			if text, ok := v["text"].(string); ok {
				out = append(out, text)
			}
			for _, key := range []string{"text", "elements", "fields", "accessory"} {
				walk(v[key])
			}
		}
	}
	walk(blocks)
	if len(out) == 0 {
		out = []string{m.Text}
	}
	text := strings.Join(out, "\n")
	text = date.ReplaceAllString(text, "$1")
	text = mention.ReplaceAllString(text, "$1")
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// withinBudgets says that a channel can be read at night: no more posts and words than the budgets
// allow, for each run that was played.
func withinBudgets(t *testing.T, p played) {
	t.Helper()
	all := p.inChannel(t)
	var runs []string
	for _, m := range all {
		if m.incident != "" && !slices.Contains(runs, m.incident) {
			runs = append(runs, m.incident)
		}
	}
	for i, run := range runs {
		more := p.troubles(t, i)
		posts, words := 0, 0
		for _, m := range all {
			if m.incident != run {
				continue
			}
			posts++
			words += m.words
			if most, has := budgets[m.kind]; has && m.words > most+more*wordsOfTrouble {
				t.Errorf("%s: a message (%s) has %d words, more than %d:\n%s", run, m.kind, m.words, most+more*wordsOfTrouble, m.text)
			}
		}
		mostPosts, mostWords := postsOfARun+more*postsOfTrouble, wordsOfARun+more*wordsOfTrouble
		if i > 0 {
			mostPosts, mostWords = mostPosts+postsBetween, mostWords+wordsBetween
		}
		t.Logf("%s: %d posts (at most %d), %d words (at most %d)", run, posts, mostPosts, words, mostWords)
		if posts > mostPosts || words > mostWords {
			t.Errorf("%s: %d posts and %d words, more than %d and %d", run, posts, words, mostPosts, mostWords)
			for _, m := range all {
				t.Logf("%s, %d words: %s", m.kind, m.words, m.text)
			}
		}
	}
}

// troubles counts what makes the run of the incident, counted from 0, longer: steps that
// failed, questions that nobody answered and gates that were overridden.
func (p played) troubles(t *testing.T, of int) (n int) {
	t.Helper()
	timeline := p.timeline
	if of > 0 {
		timeline = nil
		lines(t, filepath.Join(p.out, fmt.Sprintf("timeline-%d.jsonl", of+1)), &timeline)
	}
	for _, e := range timeline {
		switch b := e.Body.(type) {
		case incident.StepFailed:
			if !b.Advice || b.Unknown {
				n++
			}
		case incident.ApprovalGiven:
			if b.Choice == "expired" {
				n++
			}
			n += len(b.Overridden)
		default:
		}
	}
	return n
}
