package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// typed runs the program as if that had been typed.
func typed(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs, func(name string) string { return env[name] })
	if ctx.Err() != nil {
		t.Errorf("%q did not end by itself", args)
	}
	return code, out.String(), errs.String()
}

func inFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

const badScenario = `name: odd
title: What cannot be
about: Several things at once.
mode: sideways
target: us-west-3
speling: 1
events:
  - {at: 5s, lose: us-east-9}
  - {at: 5s, loose: us-east-1}
people:
  - {name: A, id: U0A, roles: [boss]}
expect: {writer: mars}
`

const badRunbook = `runbook: r
title: T
modes: [planned, unplanned]
sections:
  - section: s
    title: S
    steps:
      - id: first
        title: A
        runbook: x
        uses: elb.helthy
      - id: second
        title: B
        runbook: x
        uses: elb.healthy
        needs: [third]
        colour: red
      - id: third
        title: C
        runbook: x
        uses: elb.healthy
        needs: [second]
      - id: fourth
        title: D
        runbook: x
        uses: kube.scale
        each: services
        with:
          replicas: 6
`

// What is typed wrong ends with 2 and a sentence that says what would work, and
// nothing is begun.
func TestWhatIsTypedWrong(t *testing.T) {
	dir := inFolder(t, map[string]string{"odd.yaml": badScenario, "r.yaml": badRunbook, "file": "", "broken.yaml": "name: [a\n", "large": strings.Repeat("#", 1<<20+1)})
	in := func(name string) string { return filepath.Join(dir, name) }
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // it only has to be in the way

	for name, c := range map[string]struct {
		args []string
		want []string // patterns
	}{
		"unknown verb":                  {[]string{"rehearze"}, []string{`"rehearze" is not a verb of failoverbot`, `Did you mean rehearse\?`}},
		"unknown verb with a flag":      {[]string{"serv", "--config", "x"}, []string{`"serv" is not a verb of failoverbot`, `Did you mean serve\?`}},
		"verb like no other":            {[]string{"dance"}, []string{`"dance" is not a verb of failoverbot; see failoverbot --help`}},
		"unknown verb of runbook":       {[]string{"runbook", "lnt"}, []string{`"lnt" is not a verb of failoverbot runbook`, `Did you mean lint\?`}},
		"unknown verb of scenario":      {[]string{"scenario", "shema"}, []string{`"shema" is not a verb of failoverbot scenario`, `Did you mean schema\?`}},
		"unknown flag":                  {[]string{"rehearse", "--sped", "3"}, []string{`unknown flag: --sped; see failoverbot rehearse --help`}},
		"unknown flag of a verb's verb": {[]string{"runbook", "lint", "--strict"}, []string{`unknown flag: --strict; see failoverbot runbook lint --help`}},
		"unknown flag without a verb":   {[]string{"--quiet"}, []string{`unknown flag: --quiet; see failoverbot --help`}},
		"flag without its value":        {[]string{"rehearse", "--speed"}, []string{`flag needs an argument: --speed`}},
		"a word too many":               {[]string{"rehearse", "region-loss"}, []string{`"region-loss" is not something that failoverbot rehearse takes`}},
		"a file too many":               {[]string{"runbook", "lint", "a", "b"}, []string{`b`, `failoverbot runbook lint --help`}},

		"unknown scenario":          {[]string{"rehearse", "--scenario", "region-los", "--auto"}, []string{`there is no scenario "region-los"`, `region-degraded, region-loss`, `or the path of a scenario file`}},
		"unknown scenario to lint":  {[]string{"scenario", "lint", "region-los"}, []string{`there is no scenario "region-los"`, `region-degraded, region-loss`}},
		"scenario that is not YAML": {[]string{"rehearse", "--scenario", in("broken.yaml")}, []string{`broken\.yaml:\d+:\d+: `}},
		"several faults in a scenario": {[]string{"rehearse", "--auto", "--scenario", in("odd.yaml")}, []string{
			`odd\.yaml:4:1: mode "sideways" is not known: use one of planned, unplanned`,
			`odd\.yaml:5:1: Region "us-west-3" is not known: use one of us-east-1, us-west-2`,
			`odd\.yaml:6:1: .*speling`,
			`odd\.yaml:8:14: Region "us-east-9"`,
			`odd\.yaml:9:14: .*loose`,
			`odd\.yaml:11:32: role "boss" is not known: use one of commander, approver`,
			`odd\.yaml:12:10: Region "mars"`,
		}},

		"no runbook of that name":  {[]string{"runbook", "lint", in("nowhere.yaml")}, []string{`nowhere\.yaml`}},
		"a mode that is none":      {[]string{"runbook", "show", "--mode", "sideways"}, []string{`--mode is planned or unplanned, not "sideways"`}},
		"runbook that is not YAML": {[]string{"runbook", "lint", in("broken.yaml")}, []string{`broken\.yaml:\d+:\d+: `}},
		"several faults in a runbook": {[]string{"runbook", "lint", in("r.yaml")}, []string{
			`/r\.yaml:11:15: unknown action "elb\.helthy"; did you mean "elb\.healthy"\?`,
			`/r\.yaml:16:17: .*third.*second|/r\.yaml:16:17: .*second.*third`,
			`/r\.yaml:17:9: unknown key "colour"`,
			`/r\.yaml:29:11: the input lacks "service", which kube\.scale needs`,
		}},

		"serve without settings":     {[]string{"serve"}, []string{`--config is missing`, `deploy/config\.example\.yaml`}},
		"check without settings":     {[]string{"check"}, []string{`--config is missing`, `deploy/config\.example\.yaml`}},
		"settings that are not here": {[]string{"serve", "--config", in("nowhere.yaml")}, []string{`there is no settings file .*nowhere\.yaml; deploy/config\.example\.yaml shows one`}},
		"check of no Region":         {[]string{"check", "--config", example, "--region", "mars"}, []string{`"mars" is not a Region of the platform: use one of us-east-1, us-west-2`}},
		"check in no mode":           {[]string{"check", "--config", example, "--mode", "later"}, []string{`--mode is planned or unplanned, not "later"`}},

		"settings that never end":      {[]string{"serve", "--config", "/dev/zero"}, []string{`read the settings: read /dev/zero: it is a device, and has to be a regular file`}},
		"a scenario that never ends":   {[]string{"rehearse", "--auto", "--scenario", "/dev/zero"}, []string{`/dev/zero: it is a device, and has to be a regular file`}},
		"a runbook that never ends":    {[]string{"runbook", "lint", "/dev/zero"}, []string{`read runbook /dev/zero: it is a device, and has to be a regular file`}},
		"settings that are too large":  {[]string{"check", "--config", in("large")}, []string{`large: it is larger than 1 MiB`}},
		"a runbook that is too large":  {[]string{"runbook", "show", in("large")}, []string{`large: it is larger than 1 MiB`}},
		"a scenario that is too large": {[]string{"scenario", "lint", in("large")}, []string{`large: it is larger than 1 MiB`}},
		"speed":                        {[]string{"rehearse", "--speed", "fast"}, []string{`speed "fast" is not usable: give a number above 0`}},
		"speed of nothing":             {[]string{"rehearse", "--speed", "0"}, []string{`speed "0" is not usable`}},
		"seed":                         {[]string{"rehearse", "--auto", "--seed", "x"}, []string{`--seed "x" is not usable: give a whole number from 0 up`}},
		"seed below zero":              {[]string{"rehearse", "--auto", "--seed", "-1"}, []string{`--seed "-1" is not usable: give a whole number from 0 up`}},
		"seed of the bot alone":        {[]string{"rehearse", "--bot", "stage.json", "--seed", "1"}, []string{`--seed is for the stage`, `give it with --stage`}},
		"top speed by hand":            {[]string{"rehearse", "--speed", "max"}, []string{`--speed max is for --auto`, `use a number such as 4`}},
		"no address":                   {[]string{"rehearse", "--listen", "nonsense"}, []string{`--listen "nonsense" is not host:port, such as 127\.0\.0\.1:8065`}},
		"no port":                      {[]string{"rehearse", "--listen", "127.0.0.1:99999"}, []string{`--listen "127\.0\.0\.1:99999": the port is a number from 0 to 65535; 0 chooses a free one`}},
		"an address that is taken":     {[]string{"rehearse", "--listen", taken.Addr().String()}, []string{`cannot listen on ` + regexp.QuoteMeta(taken.Addr().String()), `is a rehearsal running already\?`, `--listen 127\.0\.0\.1:0 chooses a free port`}},
		"records where a file is":      {[]string{"rehearse", "--auto", "--out", in("file"), "--listen", "127.0.0.1:0"}, []string{`the folder for the records`, `file`}},
		"records below a file":         {[]string{"rehearse", "--auto", "--out", in("file/out"), "--listen", "127.0.0.1:0"}, []string{`the folder for the records`}},
		"no stage":                     {[]string{"rehearse", "--bot", in("nowhere.json")}, []string{`nowhere\.json`}},
		"a stage that nobody has made": {[]string{"rehearse", "--bot", in("odd.yaml")}, []string{`odd\.yaml is not a file that rehearse --stage wrote`}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := typed(t, tokens, c.args...)
			if code != exitUsage {
				t.Errorf("exit code %d", code)
			}
			if stdout != "" {
				t.Errorf("it printed, as if something had begun:\n%s", stdout)
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).MatchString(stderr) {
					t.Errorf("it does not say %s:\n%s", want, stderr)
				}
			}
			// Names of Go types are for those who read Go.
			if m := regexp.MustCompile(`type sim\.|runbook\.Faults|goroutine `).FindString(stderr); m != "" {
				t.Errorf("it says %q:\n%s", m, stderr)
			}
			secretless(t, stderr)
		})
	}
}

// What is set wrong ends serve with 2 before anything is touched, and no secret
// is shown.
func TestWhatIsSetWrong(t *testing.T) {
	redisURL := redistest.Server(t)
	slack := newSlack(t)
	gone := closedPort(t)
	good := map[string]string{
		"SLACK_BOT_TOKEN": "xoxb-laboratory-secret", "SLACK_APP_TOKEN": "xapp-laboratory-secret",
		"SLACK_API_URL": slack.APIURL(), "REDIS_URL": redisURL, "PAGERDUTY_ROUTING_KEY": "key-secret",
	}
	for name, c := range map[string]struct {
		env      map[string]string
		old, new string // in the example's settings
		want     []string
	}{
		"unknown keys": {nil, "  channel: C0123456789\n", "  chanel: C0123456789\n  token: hunter2\n", []string{
			`config\.yaml:\d+:3: unknown key "chanel"; did you mean "channel"\?`, `config\.yaml:\d+:3: unknown key "token"`,
		}},
		"Redis that nobody answers for": {map[string]string{"REDIS_URL": "redis://user:hunter2@" + gone}, "", "", []string{
			regexp.QuoteMeta(gone) + ` cannot be reached`, `connection refused`, `check REDIS_URL`,
		}},
		"Redis that is no address": {map[string]string{"REDIS_URL": "hunter2@localhost"}, "", "", []string{`REDIS_URL has to look like redis://host:6379`}},
		"no Redis":                 {map[string]string{"REDIS_URL": ""}, "", "", []string{`REDIS_URL is not set: where the record is kept`}},
		"swapped tokens": {map[string]string{"SLACK_BOT_TOKEN": "xapp-laboratory-secret", "SLACK_APP_TOKEN": "xoxb-laboratory-secret"}, "", "", []string{
			`SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped: the bot token begins with xoxb-, the app token with xapp-`,
		}},
		"the bot's token twice": {map[string]string{"SLACK_APP_TOKEN": "xoxb-laboratory-secret"}, "", "", []string{`SLACK_APP_TOKEN is not an app-level token but looks like a bot token: it has to begin with xapp-`}},
		"a bot token that Slack does not know": {map[string]string{"SLACK_BOT_TOKEN": "xoxb-other-secret"}, "", "", []string{
			`SLACK_BOT_TOKEN is not a token that Slack knows: copy it again from the app's page`, `invalid_auth`,
		}},
		"an app token that Slack does not know": {map[string]string{"SLACK_APP_TOKEN": "xapp-other-secret"}, "", "", []string{
			`SLACK_APP_TOKEN is not a token that Slack knows: copy it again from the app's page`, `invalid_auth`,
		}},
		"all that is missing at once": {map[string]string{"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": "", "REDIS_URL": "", "PAGERDUTY_ROUTING_KEY": ""}, "", "", []string{
			`SLACK_BOT_TOKEN is not set`, `SLACK_APP_TOKEN is not set`, `REDIS_URL is not set`, `PAGERDUTY_ROUTING_KEY is not set`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for _, from := range []map[string]string{good, c.env} {
				maps.Copy(env, from)
			}
			code, stdout, stderr := typed(t, env, "serve", "--config", written(t, c.old, c.new))
			if code != exitUsage {
				t.Errorf("exit code %d", code)
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).MatchString(stderr) {
					t.Errorf("it does not say %s:\n%s", want, stderr)
				}
			}
			secretless(t, stdout+stderr)
			if strings.Contains(stderr, "ready:") {
				t.Errorf("it began:\n%s", stderr)
			}
		})
	}
	if id, _ := timeline(t, redisURL); id != "" {
		t.Errorf("%s is on the record", id)
	}
}

// watched is what a program prints, and calls once when something is in it.
type watched struct {
	mu   sync.Mutex
	text strings.Builder
	sign string
	call func()
}

// Write keeps and looks.
func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if w.call != nil && strings.Contains(w.text.String(), w.sign) {
		w.call()
		w.call = nil
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func TestCtrlCEndsARehearsalWithItsRecords(t *testing.T) {
	ctx, press := context.WithCancel(t.Context())
	defer press()
	out := filepath.Join(t.TempDir(), "made", "here")
	stdout := &watched{sign: "Ctrl-C ends it.", call: press}
	var stderr bytes.Buffer
	code := run(ctx, []string{"rehearse", "--listen", "127.0.0.1:0", "--out", out}, stdout, &stderr, func(name string) string {
		t.Errorf("a rehearsal read %s from the environment", name)
		return ""
	})
	if code != exitDone || stderr.Len() > 0 {
		t.Errorf("exit code %d, it said:\n%s", code, stderr.String())
	}
	if ctx.Err() == nil {
		t.Errorf("it ended by itself:\n%s", stdout)
	}
	for _, name := range []string{"timeline.jsonl", "calls.jsonl", "messages.jsonl", "wire.jsonl", "review.md", "world.json"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
}

// drill is a rehearsal whose people are the test. Time stands still but while the
// test waits for something to be seen.
type drill struct {
	*page
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
	d = &drill{out: t.TempDir()}
	stands := make(chan *rehearsal, 1)
	over := make(chan error, 1)
	var busy func()
	go func() {
		over <- (&rehearsal{
			Scenario: scenario, Speed: sim.Max, Listen: "127.0.0.1:0", Out: d.out, Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS,
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
	d.page = openPage(t, d.r.slack.URL(), d.r.clock, alice, bob, carol, dan, eve)
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
	d.loud = nil
	answer := do()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(answer) {
			t.Errorf("%s is not told %s:\n%s", who, w, answer)
		}
	}
	if !strings.Contains(answer, "REHEARSAL") {
		t.Errorf("it is not marked as a rehearsal:\n%s", answer)
	}
	for _, loud := range d.loud { // what the run itself has to say is no answer
		if strings.Contains(loud, strings.TrimPrefix(answer, "REHEARSAL · ")) {
			t.Errorf("everybody is told:\n%s", loud)
		}
	}
	after := d.events()
	if err := kept(before, after); err != nil {
		t.Fatal(err)
	}
	for _, e := range after[len(before):] {
		t.Errorf("this was put on the record: %s", asJSON(e))
	}
}

// button waits for a message for everybody with that button.
func (d *drill) button(action string) slacksim.Deed {
	d.t.Helper()
	var deed slacksim.Deed
	d.news("a button "+action, func(n slacksim.News) bool {
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
		"token": {d.r.reach.BotToken}, "channel": {"C0GENERAL"}, "text": {"left over"}, "blocks": {string(data)},
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
		buttons[i].Channel, buttons[i].MessageTS = "C0GENERAL", said.TS
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
	if out := d.do(who, "press", b); !out.OK {
		d.t.Fatalf("%s presses %s: %s %s", who, b.ActionID, out.Error, out.Reason)
	}
}

// pressed is what the bot says to somebody who pressed a button.
func (d *drill) pressed(who string, b slacksim.Deed) string {
	d.t.Helper()
	d.press(who, b)
	return d.told(who, b.ActionID)
}

// window is the form that opens for somebody.
func (d *drill) window(who string) string {
	d.t.Helper()
	n := d.news("a form for "+who, func(n slacksim.News) bool { return n.Type == "view" && n.For == who })
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
	says := func(who, command string) func() string { return func() string { return d.ask(who, command) } }
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

	id := regexp.MustCompile(`INC-\d+-\d+`).FindString(d.ask(alice, "/failover start us-west-2 planned orders are slow"))
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
		both := d.told(alice, "Go") + "\n" + d.told(alice, "Go once more")
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
		out := d.do(bob, "submit", slacksim.Deed{ViewID: form, Values: confirms("us-east-1")})
		if out.OK || !strings.Contains(out.Errors["confirm"], "“us-east-1” is not us-west-2. Type us-west-2, exactly.") {
			t.Errorf("the form is answered %+v", out)
		}
		if after := d.events(); len(after) != len(before) {
			t.Errorf("%d events came on the record", len(after)-len(before))
		}
	})
	d.t = t
	if out := d.do(bob, "submit", slacksim.Deed{ViewID: form, Values: confirms("us-west-2")}); !out.OK {
		t.Fatalf("the form is answered %+v", out)
	}
	if answer := d.told(bob, "his approval"); !strings.Contains(answer, "Approved") {
		t.Errorf("Bob is told:\n%s", answer)
	}
	t.Run("the same form twice", func(t *testing.T) {
		d.t = t
		before := d.events()
		if out := d.do(bob, "submit", slacksim.Deed{ViewID: form, Values: confirms("us-west-2")}); out.OK || !strings.Contains(out.Reason, "not open any more") {
			t.Errorf("the form is answered %+v", out)
		}
		if n := d.given(bob); n != 1 {
			t.Errorf("Bob's approval is on the record %d times", n)
		}
		if err := kept(before, d.events()); err != nil {
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
	if err := kept(before, written); err != nil {
		t.Errorf("timeline.jsonl: %v", err)
	}
}
