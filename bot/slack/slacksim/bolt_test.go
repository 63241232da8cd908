package slacksim_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
)

// boltFolder holds an app on Slack's SDK for JavaScript, and which versions of
// what it needs.
const boltFolder = "testdata/bolt"

// installBolt puts the app and its modules into a folder outside the repository.
// It skips, and says why, where that cannot be done.
func installBolt(t *testing.T) (folder string) {
	t.Helper()
	const untested = "; the rehearsal Slack was NOT TESTED against Slack's SDK for JavaScript"
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed%s", name, untested)
		}
	}
	version, err := exec.CommandContext(t.Context(), "node", "--version").Output()
	if err != nil {
		t.Skipf("node --version: %v%s", err, untested)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(version)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		t.Skipf("node is %s, Bolt needs 20 or later%s", strings.TrimSpace(string(version)), untested)
	}
	folder = t.TempDir()
	for _, name := range []string{"app.js", "package.json", "package-lock.json", ".npmrc"} {
		data, err := os.ReadFile(filepath.Join(boltFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
		"--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000")
	npm.Dir = folder
	if out, err := npm.CombinedOutput(); err != nil {
		for _, sign := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENOTCACHED", "ERR_SOCKET_TIMEOUT"} {
			if bytes.Contains(out, []byte(sign)) {
				t.Skipf("npm reaches no registry (%s)%s", sign, untested)
			}
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return folder
}

// saw is one line of the app.
type saw map[string]any

// bolt is the app while it runs.
type bolt struct {
	t     *testing.T
	lines chan saw
	err   *safeBuffer
}

// String is what was written so far.
func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startBolt runs the app against this Slack until the test ends.
func startBolt(t *testing.T, folder, api, bot, app string) *bolt {
	t.Helper()
	b := &bolt{t: t, lines: make(chan saw, 100), err: &safeBuffer{}}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "app.js")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "TRY_API_URL="+api, "TRY_BOT_TOKEN="+bot, "TRY_APP_TOKEN="+app)
	cmd.Stderr = b.err
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(b.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line saw
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				line = saw{"saw": "printed", "text": lines.Text()} // Bolt's own log
			}
			b.lines <- line
		}
	})
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		reader.Wait()
		_ = cmd.Wait() // an app that was refused ends with 1
	})
	return b
}

// sees is the app's next line, which has to be of that kind and say that much.
func (b *bolt) sees(kind string, want saw) saw {
	b.t.Helper()
	line, ok := <-b.lines
	for ok && line["saw"] == "printed" {
		line, ok = <-b.lines
	}
	if !ok {
		b.t.Fatalf("the app ended before it saw %s:\n%s", kind, b.err)
	}
	if line["saw"] != kind {
		b.t.Fatalf("the app saw %v, want %s\n%s", line, kind, b.err)
	}
	for k, v := range want {
		if line[k] != v {
			b.t.Errorf("%s: %s is %v, want %v", kind, k, line[k], v)
		}
	}
	return line
}

func TestSlacksSDKForJavaScript(t *testing.T) {
	folder := installBolt(t)
	t.Run("cannot tell", func(t *testing.T) { boltCannotTell(t, folder) })
	t.Run("is told what is wrong with its tokens", func(t *testing.T) { boltIsRefused(t, folder) })
}

func boltCannotTell(t *testing.T, folder string) {
	w := start(t, withShortcuts)
	b := startBolt(t, folder, w.APIURL(), botToken, appToken)
	b.sees("connected", nil)
	b.sees("started", nil)

	// A command, answered with its acknowledgement.
	if out := w.do("command", slacksim.Deed{As: "U1", Text: "/failover help"}); !out.OK {
		t.Fatalf("%+v", out)
	}
	b.sees("command", saw{"command": "/failover", "text": "help", "user": "U1", "channel": "C0INCIDENT", "team": slacksim.TeamID, "app": slacksim.AppID})
	only := w.state("U1").Ephemerals
	if len(only) != 1 || only[0].Text != "start, status, help" || only[0].For != "U1" {
		t.Errorf("the answer to a command: %+v", only)
	}

	// A command, answered with a message that has a button, and by its response_url.
	if out := w.do("command", slacksim.Deed{As: "U1", Text: "/failover start"}); !out.OK {
		t.Fatalf("%+v", out)
	}
	b.sees("command", saw{"text": "start"})
	ts, _ := b.sees("posted", saw{"channel": "C0INCIDENT", "step": "promote"})["ts"].(string)
	if only = w.state("U1").Ephemerals; len(only) != 2 || only[1].Text != "asked" {
		t.Errorf("what came by the response_url: %+v", only)
	}

	// The button opens a form.
	if out := w.do("press", slacksim.Deed{As: "U2", MessageTS: ts, ActionID: "approve"}); !out.OK {
		t.Fatalf("%+v", out)
	}
	view := b.sees("action", saw{"type": "button", "value": "q-1", "block": "choices", "user": "U2", "ts": ts, "text": "Promote the database?"})["view"]
	if open := w.openView("U2"); open != view {
		t.Errorf("the app opened %v, on the screen is %s", view, open)
	}

	// The form is refused with a word at its field, and accepted.
	typed := func(region string) slacksim.Outcome {
		return w.do("submit", slacksim.Deed{As: "U2", ViewID: w.openView("U2"), Values: map[string]map[string]any{"region": {"value": region}}})
	}
	if out := typed("us-east-1"); out.OK || out.Action != "errors" || out.Errors["region"] != "Type us-west-2, not us-east-1" {
		t.Errorf("%+v", out)
	}
	b.sees("view", saw{"typed": "us-east-1", "user": "U2", "view": view, "callback": "approve"})
	if out := typed("us-west-2"); !out.OK || out.Action != "update" {
		t.Errorf("%+v", out)
	}
	b.sees("view", saw{"typed": "us-west-2"})

	// The message is replaced, and a file is in its thread with all its bytes.
	const review = "# Review\n\nÜber alles berichtet.\n"
	id, _ := b.sees("uploaded", saw{"replies": 2.0, "size": float64(len(review)), "name": "review.md"})["file"].(string)
	var parent, reply *slacksim.Message
	for _, m := range w.state("U2").Messages["C0INCIDENT"] {
		switch {
		case m.TS == ts:
			parent = &m
		case m.ThreadTS == ts:
			reply = &m
		}
	}
	if parent == nil || parent.Text != "Approved" || len(parent.Blocks) != 0 {
		t.Errorf("after the update: %+v", parent)
	}
	if reply == nil || reply.Text != "The review draft" || len(reply.Files) != 1 || reply.Files[0].ID != id || reply.Files[0].Title != "Review" {
		t.Fatalf("the upload: %+v", reply)
	}
	if got := fetched(t, w.URL()+"files/"+id); got != review {
		t.Errorf("the file holds %q", got)
	}

	// A form that is closed says so, and the home tab is drawn when it is opened.
	if out := w.do("close", slacksim.Deed{As: "U2", ViewID: w.openView("U2")}); !out.OK {
		t.Errorf("%+v", out)
	}
	b.sees("closed", saw{"user": "U2", "cleared": false})
	if out := w.do("home", slacksim.Deed{As: "U1"}); !out.OK {
		t.Errorf("%+v", out)
	}
	b.sees("home", saw{"user": "U1", "tab": "home"})

	// A shortcut brings the message that it was chosen at, and opens a form, too.
	said := w.do("say", slacksim.Deed{As: "U1", Text: "checkout fails"})
	if out := w.do("shortcut", slacksim.Deed{As: "U2", MessageTS: said.TS, CallbackID: "note"}); !out.OK {
		t.Errorf("%+v", out)
	}
	form := b.sees("shortcut", saw{
		"type": "message_action", "callback": "note", "user": "U2", "channel": "C0INCIDENT", "ts": said.TS, "text": "checkout fails", "author": "U1", "team": slacksim.TeamID,
	})["view"]
	if open := w.openView("U2"); open != form {
		t.Errorf("the app opened %v, on the screen is %s", form, open)
	}
	if only = w.state("U2").Ephemerals; len(only) != 1 || only[0].Text != "noted" {
		t.Errorf("the answer to a shortcut: %+v", only)
	}

	// Asked to come back, it does, and hears what is said then.
	if n := w.Refresh(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	b.sees("connected", nil)
	if out := w.do("command", slacksim.Deed{As: "U1", Text: "/failover help"}); !out.OK {
		t.Errorf("%+v", out)
	}
	b.sees("command", saw{"text": "help"})

	for _, line := range w.wire.lines(t) {
		if e := line["event"]; e == "ack_dropped" || e == "gave_up" || e == "resent" || e == "acked_again" {
			t.Errorf("on the wire: %v", line)
		}
	}
}

func boltIsRefused(t *testing.T, folder string) {
	w := start(t)
	for _, c := range []struct{ bot, app, want string }{
		{botToken, "xapp-wrong", "invalid_auth"},
		{"xoxb-wrong", appToken, "invalid_auth"},
		{appToken, appToken, "not_allowed_token_type"},
	} {
		b := startBolt(t, folder, w.APIURL(), c.bot, c.app)
		b.sees("failed", saw{"error": c.want})
	}
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Where npm fetches from is the machine's business.
func TestTheJavaScriptAppIsPinnedAndNamesNoRegistry(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(boltFolder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version, Integrity, Resolved string }
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	if _, ok := lock.Packages["node_modules/@slack/bolt"]; !ok {
		t.Error("the lock is not about Bolt")
	}
	for name, p := range lock.Packages {
		if p.Resolved != "" {
			t.Errorf("%s names where it was fetched from: %s", name, p.Resolved)
		}
		if name != "" && (p.Version == "" || p.Integrity == "") {
			t.Errorf("%s is not pinned", name)
		}
	}
}
