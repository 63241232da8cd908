// Package slacktest looks at a rehearsal Slack as people do: through the HTTP side of
// its page, and nothing else.
package slacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
)

// patience bounds every wait; it is reached only when something is wrong.
const patience = time.Minute

// Page is what people have of the rehearsal Slack: its page's own HTTP side, and
// nothing else.
type Page struct {
	// T is the test that looks; a subtest may take its place.
	T     testing.TB
	url   string
	as    []string // whose eyes it looks through
	after int
	// clock, if it is not nil, stands still while the test has something in hand,
	// and waits for the test to have read what it shows.
	clock incident.Clock
	// Loud are the messages for everybody that were passed over.
	Loud []string
}

// Open looks at the page at that address through the eyes of these people. clock may
// be nil.
func Open(t testing.TB, url string, clock incident.Clock, as ...string) *Page {
	t.Helper()
	p := &Page{T: t, url: url, as: as, clock: clock}
	var st struct {
		Seq int `json:"seq"`
	}
	p.Call(http.MethodGet, "state?as="+strings.Join(as, ","), nil, &st)
	p.after = st.Seq
	return p
}

// Call asks the page's own HTTP side, and reads what it answers.
func (p *Page) Call(method, path string, body, into any) {
	p.T.Helper()
	ctx, stop := context.WithTimeout(p.T.Context(), patience)
	defer stop()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			p.T.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+"rehearsal/"+path, r)
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.T.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		p.T.Fatalf("%s %s: %s: %v", method, path, resp.Status, err)
	}
}

// Do is one deed of a person.
func (p *Page) Do(who, verb string, d slacksim.Deed) slacksim.Outcome {
	p.T.Helper()
	d.As, d.Paced = who, p.clock != nil
	var out slacksim.Outcome
	p.Call(http.MethodPost, verb, d, &out)
	return out
}

// News waits for the first thing that fits among what these people see. What
// comes before it is passed over.
func (p *Page) News(what string, fits func(slacksim.News) bool) slacksim.News {
	p.T.Helper()
	var seen []string
	for end := time.Now().Add(patience); time.Now().Before(end); {
		q := url.Values{"as": {strings.Join(p.as, ",")}, "after": {strconv.Itoa(p.after)}}
		resume := func() {}
		if p.clock != nil {
			q.Set("viewer", "test")
			q.Set("paced", "1")
			resume = p.clock.Idle()
		}
		var got struct {
			Events []slacksim.News `json:"events"`
			Next   int             `json:"next"`
		}
		p.Call(http.MethodGet, "events?"+q.Encode(), nil, &got)
		resume()
		for _, n := range got.Events {
			p.after = n.Seq
			if fits(n) {
				return n
			}
			if n.Message != nil {
				seen = append(seen, n.Type+" for "+n.For+": "+Shown(n.Message))
				if n.Type == "post" && n.Message.User == slacksim.BotUserID {
					p.Loud = append(p.Loud, Shown(n.Message))
				}
			}
		}
		p.after = max(p.after, got.Next)
	}
	if last := 10; len(seen) > last {
		seen = seen[len(seen)-last:]
	}
	p.T.Fatalf("%s was not to be seen; the last of what was:\n%s", what, strings.Join(seen, "\n"))
	return slacksim.News{}
}

// Ask types a command and returns the answer that this person alone sees. While
// the bot is not connected it is typed again when that changes.
func (p *Page) Ask(who, command string) string {
	p.T.Helper()
	for {
		out := p.Do(who, "command", slacksim.Deed{Text: command})
		if out.OK {
			return p.Told(who, command)
		}
		if out.Error != "not_delivered" {
			p.T.Fatalf("%s: %s %s", command, out.Error, out.Reason)
		}
		p.News("the bot's connection", func(n slacksim.News) bool { return n.Type == "connections" && n.Connections > 0 })
	}
}

// Told is the next thing that the bot says to this person alone.
func (p *Page) Told(who, about string) string {
	p.T.Helper()
	n := p.News("an answer to "+about, func(n slacksim.News) bool {
		return n.Type == "ephemeral" && n.For == who && n.Message.User == slacksim.BotUserID
	})
	return Shown(n.Message)
}

// Shown is all that a message says: its blocks, or its text without any.
func Shown(m *slacksim.Message) string {
	var parts []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if text, ok := v["text"].(string); ok {
				parts = append(parts, text)
			}
			for _, key := range []string{"text", "fields", "elements", "accessory"} {
				walk(v[key])
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	for _, b := range m.Blocks {
		walk(b)
	}
	if len(parts) == 0 {
		parts = []string{m.Text}
	}
	return html.UnescapeString(strings.Join(parts, "\n"))
}

// Until waits for something that somebody else is about to do.
func Until(t testing.TB, what string, so func() bool) {
	t.Helper()
	const look, longest = 5 * time.Millisecond, 20 * time.Second
	for end := time.Now().Add(longest); !so(); {
		if time.Now().After(end) {
			t.Fatalf("%s did not come within %s", what, longest)
		}
		if err := (incident.RealClock{}).Sleep(t.Context(), look); err != nil {
			t.Fatal(err)
		}
	}
}
