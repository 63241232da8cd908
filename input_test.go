package main

import (
	"bytes"
	"context"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/failoverbot/failoverbot/providers/redis/redistest"
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

		"unknown scenario":          {[]string{"rehearse", "--scenario", "region-los", "--auto"}, []string{`there is no scenario "region-los"`, `region-degraded, region-loss`, `did you mean region-loss?`}},
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
		"an unplanned failback":    {[]string{"runbook", "show", "--mode", "unplanned", "--failback"}, []string{`a failback is planned: leave --mode out, or --failback`}},
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
		"check of no target":         {[]string{"check", "--config", example, "--target", "mars"}, []string{`"mars" is not a Region of the platform: use one of us-east-1, us-west-2`}},
		"check in no form":           {[]string{"check", "--config", example, "--output", "yaml"}, []string{`--output is table or json, not "yaml"`}},
		"drill without settings":     {[]string{"drill"}, []string{`--config is missing`}},
		"drill of nothing":           {[]string{"drill", "--config", example, "--of", "restore"}, []string{`--of is planned, unplanned, failback or servers, not "restore"`}},
		"drill in no form":           {[]string{"drill", "--config", example, "--output", "yaml"}, []string{`--output is table or json, not "yaml"`}},
		"drill of no Region":         {[]string{"drill", "--config", example, "--target", "mars"}, []string{`"mars" is not a Region of the platform: use one of us-east-1, us-west-2`}},
		"drill of a failback away":   {[]string{"drill", "--config", example, "--of", "failback", "--target", "us-west-2"}, []string{`a failback leads to us-east-1, where the platform is at home, and us-west-2 is not`}},
		"drill of a stranger":        {[]string{"drill", "--config", example, "--owner", "nobody"}, []string{`--owner "nobody" is not on the roster: use one of `}},
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
