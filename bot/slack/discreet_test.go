package slack

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Whoever puts a secret into what is said, and however: it does not leave.
func TestNothingThatIsSaidInSlackHoldsASecret(t *testing.T) {
	const secret, token = `Qz7Rt"9<Kw2/Lm4`, "xoxb-Bot0Token"
	secrets := new(text.Secrets)
	secrets.Add(secret, token, "xapp-App0Token")
	var mu sync.Mutex
	heard := map[string]string{}
	var at string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // as far as it comes
		said := string(body)
		r.Body = io.NopCloser(strings.NewReader(said))
		if err := r.ParseForm(); err == nil && len(r.Form) > 0 {
			if r.Form.Get("token") != token && r.Form.Get("token") != "" && !strings.HasPrefix(r.Form.Get("token"), "xapp-") {
				t.Errorf("%s: the bot calls as %q", r.URL.Path, r.Form.Get("token"))
			}
			r.Form.Del("token")
			said = ""
			for _, v := range r.Form {
				said += strings.Join(v, "\n")
			}
		}
		mu.Lock()
		heard[r.URL.Path] += said
		mu.Unlock()
		_, _ = io.WriteString(w, `{"ok":true,"user_id":"U1","team_id":"T1","channel":"C1","ts":"1.1","url":"wss://x.example/","upload_url":"`+at+`/upload","file_id":"F1","files":[{"id":"F1"}]}`)
	}))
	defer s.Close()
	at = s.URL
	c, err := Dial(t.Context(), Settings{BotToken: token, AppToken: "xapp-App0Token", APIURL: s.URL + "/", Secrets: secrets}, incident.RealClock{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	said := "it said " + secret + " and " + token + " at redis://u:Oth3rPass@host"
	m := compose(escape(said), false, row("answer", commands.Button{Label: said, Verb: "status"})...)
	view := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: paragraphs(escape(said), 9000, 20)}}
	for path, say := range map[string]func(context.Context) error{
		"/chat.postMessage": func(ctx context.Context) error { _, err := c.post(ctx, "C1", "", m); return err },
		"/chat.update":      func(ctx context.Context) error { return c.replace(ctx, "C1", "1.1", m) },
		"/upload": func(ctx context.Context) error {
			return c.upload(ctx, "C1", "", commands.File{Name: "a.md", Content: []byte(said)}, said)
		},
		"/conversations.setTopic": func(ctx context.Context) error {
			_, err := c.api.SetTopicOfConversationContext(ctx, "C1", said)
			return err
		},
		"/views.publish": func(ctx context.Context) error {
			_, err := c.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: "U1", View: view})
			return err
		},
		"/respond": func(ctx context.Context) error {
			_, _, err := c.api.PostMessageContext(ctx, "C1", append(m.options(), slack.MsgOptionResponseURL(s.URL+"/respond", slack.ResponseTypeEphemeral))...)
			return err
		},
	} {
		_ = say(t.Context()) // one answer fits some of these calls alone; what matters is what was sent
		mu.Lock()
		if !strings.Contains(heard[path], text.Hidden) {
			t.Errorf("%s was told %s", path, heard[path])
		}
		mu.Unlock()
	}
	mu.Lock()
	defer mu.Unlock()
	for path, said := range heard {
		for _, piece := range []string{"Qz7R", "9<Kw", "9&lt;Kw", "2/Lm", "Bot0", "Oth3r"} {
			if strings.Contains(said, piece) {
				t.Errorf("%s was told %q: %s", path, piece, said)
			}
		}
	}
}
