package slack

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident"
)

// workspace answers each method with its line, and users by their id. It notes what
// is said.
func workspace(t *testing.T, answers map[string]string) (*Client, *[]string) {
	t.Helper()
	var said []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := strings.TrimPrefix(r.URL.Path, "/")
		answer := map[string]string{
			"auth.test":             `{"ok":true,"team":"Shop","user":"failoverbot","user_id":"UBOT"}`,
			"apps.connections.open": `{"ok":true,"url":"wss://x"}`,
			"conversations.join":    `{"ok":false,"error":"missing_scope"}`,
		}[method]
		if strings.HasPrefix(method, "chat.") {
			said = append(said, method)
		}
		if method == "users.info" {
			method = r.FormValue("user")
			answer = `{"ok":false,"error":"user_not_found"}`
		}
		if a, ok := answers[method]; ok {
			answer = a
		}
		w.Header().Set("X-OAuth-Scopes", answers["scopes"])
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	c, err := Dial(t.Context(), Settings{BotToken: "xoxb-1", AppToken: "xapp-1", APIURL: s.URL}, incident.RealClock{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &said
}

func TestAChannelThatCannotBePostedToIsKnownWithoutAMessage(t *testing.T) {
	room := func(more string) string {
		return `{"ok":true,"channel":{"id":"C1","name":"incidents"` + more + `}}`
	}
	for name, c := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"a member":                     {map[string]string{"conversations.info": room(`,"is_member":true`)}, ""},
		"not a member":                 {map[string]string{"conversations.info": room("")}, "not in the channel #incidents (C1): type /invite @failoverbot"},
		"not a member, and may join":   {map[string]string{"conversations.info": room(""), "conversations.join": room("")}, ""},
		"private and not a member":     {map[string]string{"conversations.info": room(`,"is_private":true`), "conversations.join": room("")}, "not in the channel"},
		"no such channel":              {map[string]string{"conversations.info": `{"ok":false,"error":"channel_not_found"}`}, "the workspace Shop has no channel C1"},
		"archived":                     {map[string]string{"conversations.info": room(`,"is_archived":true,"is_member":true`)}, "is archived"},
		"may not look":                 {map[string]string{"conversations.info": `{"ok":false,"error":"missing_scope"}`}, "channels:read"},
		"may not write":                {map[string]string{"conversations.info": room(`,"is_member":true`), "scopes": "commands, channels:read"}, "chat:write"},
		"may write, as Slack tells it": {map[string]string{"conversations.info": room(`,"is_member":true`), "scopes": "chat:write,commands"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, said := workspace(t, c.answers)
			err := client.CanPost(t.Context(), "C1")
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if len(*said) > 0 {
				t.Errorf("something was said: %v", *said)
			}
		})
	}
}

func TestPeopleWhoCannotActAreNamed(t *testing.T) {
	user := func(id, more string) string { return `{"ok":true,"user":{"id":"` + id + `"` + more + `}}` }
	client, _ := workspace(t, map[string]string{
		"U1": user("U1", ""), "U2": user("U2", `,"deleted":true`), "U3": user("U3", `,"is_bot":true`),
		"U4": user("U4", `,"is_restricted":true`), "U5": user("U5", `,"is_restricted":true,"is_ultra_restricted":true`), "U6": user("U6", `,"is_stranger":true`),
	})
	var all incident.Roster
	for i, name := range []string{"Alice", "Bob", "Carol", "Dan", "Eve", "Frank", "Grace"} {
		all = append(all, incident.Person{ID: strings.ToLower(name), Name: name, Roles: []string{"approver"}, Faces: map[string]string{incident.FaceSlack: fmt.Sprintf("U%d", i+1)}})
	}
	err := client.Knows(t.Context(), all)
	if err == nil {
		t.Fatal("all are known")
	}
	for _, want := range []string{"Bob (U2) was deactivated", "Carol (U3) is a bot", "Dan (U4) is a guest", "Eve (U5) is a guest", "Frank (U6) belongs to another workspace", "Grace (U7) is not known in the workspace Shop"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "Alice") {
		t.Errorf("Alice is known: %v", err)
	}
	if err := client.Knows(t.Context(), all[:1]); err != nil {
		t.Error(err)
	}
	blind, _ := workspace(t, map[string]string{"U1": `{"ok":false,"error":"missing_scope"}`})
	if err := blind.Knows(t.Context(), all[:1]); err == nil || !strings.Contains(err.Error(), "users:read") {
		t.Errorf("without the scope: %v", err)
	}
}
