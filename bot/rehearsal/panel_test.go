package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// askBeside asks a path of the page's address as the page does.
func askBeside(t *testing.T, r *rehearsal, method, path, body string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.slack.URL()+"panel/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func stageOf(t *testing.T, r *rehearsal) (s Stage) {
	t.Helper()
	_, body := askBeside(t, r, http.MethodGet, "stage", "")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return s
}

func TestTheBotOfARehearsalIsKilledAndStartedFromThePage(t *testing.T) {
	r := rehearsing(t, "region-degraded")
	slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" && r.slack.Connections() > 0 })
	if code, body := askBeside(t, r, http.MethodGet, "help?as=U0ALICE", ""); code != http.StatusOK || !strings.Contains(body, "/failover start REGION") {
		t.Errorf("help: %d %s", code, body)
	}
	do := func(body string) {
		t.Helper()
		if code, answer := askBeside(t, r, http.MethodPost, "stage", body); code != http.StatusOK {
			t.Fatalf("%s: %d %s", body, code, answer)
		}
	}
	do(`{"do":"kill"}`)
	slacktest.Until(t, "the end of the bot", func() bool { return stageOf(t, r).Bot == "down" && r.slack.Connections() == 0 })
	if code, _ := askBeside(t, r, http.MethodGet, "help?as=U0ALICE", ""); code != http.StatusServiceUnavailable {
		t.Errorf("a dead bot helps: %d", code)
	}

	// One that starts while Slack is away does without it, as serve does.
	do(`{"do":"away"}`)
	do(`{"do":"start"}`)
	slacktest.Until(t, "a bot without Slack", func() bool { s := stageOf(t, r); return s.Away && s.Bot == "up" && r.slack.Connections() == 0 })
	do(`{"do":"back"}`)
	slacktest.Until(t, "its connections", func() bool { s := stageOf(t, r); return s.Bot == "up" && s.Why == "" && r.slack.Connections() > 0 })

	do(`{"do":"speed","speed":"30"}`)
	if s := stageOf(t, r); s.Speed != "30" || s.Target != "us-west-2" {
		t.Errorf("the stage is %+v", s)
	}
}

func TestTheStageRefusesWhatItCannotDoAndWhoIsNotItsPage(t *testing.T) {
	r := rehearsing(t, "region-degraded")
	for body, says := range map[string]string{
		`{"do":"speed","speed":"max"}`:  "use a number",
		`{"do":"speed","speed":"fast"}`: "give a number",
		`{"do":"explode"}`:              "kill, start, away, back, speed or scenario",
		`{`:                             "not JSON",
	} {
		if code, answer := askBeside(t, r, http.MethodPost, "stage", body); code != http.StatusBadRequest || !strings.Contains(answer, says) {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
	for who, change := range map[string]func(*http.Request){
		"another origin":    func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"another host name": func(r *http.Request) { r.Host = "evil.example" },
		"a form":            func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
	} {
		for path, body := range map[string]string{"stage": `{"do":"away"}`, "world": `{"do":"lose","what":"us-east-1","on":true}`} {
			if code, answer := askBeside(t, r, http.MethodPost, path, body, change); code < 400 {
				t.Errorf("%s at %s: %d %s", who, path, code, answer)
			}
		}
	}
	if s := stageOf(t, r); s.Away || r.world.Snapshot().Regions["us-east-1"].Lost {
		t.Errorf("somebody else broke it: %+v", s)
	}
}

func TestAResultIsKeptAndComparedWithTheOnesBefore(t *testing.T) {
	folder := t.TempDir()
	var printed bytes.Buffer
	var first []byte
	for run := range 2 {
		r := &rehearsal{
			Options: Options{Auto: true, Scenario: "region-degraded", Speed: sim.Max, Listen: "127.0.0.1:0", Out: folder, Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
		}
		r.ready = func(r *rehearsal) error {
			before, err := r.before()
			if len(before) != run {
				t.Errorf("before run %d there are %d results", run, len(before))
			}
			return err
		}
		if err := r.run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, tail(printed.String(), 20))
		}
		before, err := r.before()
		if err != nil || len(before) != run+1 {
			t.Fatalf("%v %+v", err, before)
		}
		one := before[0]
		if one.Phase != "resolved" || !one.Mitigated || one.Decide <= 0 || one.Machine <= 0 || one.Total < one.Machine || one.Served <= 0 || one.Served >= one.Total || len(one.Differs) > 0 || len(one.Overridden) > 0 {
			t.Errorf("the result is %+v", one)
		}

		// The second one leaves the records of the first alone.
		at := []string{folder, filepath.Join(folder, "2-region-degraded")}[run]
		if r.Out != at || !strings.Contains(printed.String(), "The records go to "+at+"\n") {
			t.Errorf("the records of run %d go to %s, and it is said:\n%s", run, r.Out, printed.String())
		}
		for _, name := range []string{"wire.jsonl", "timeline.jsonl", "calls.jsonl", "world.json", "review.md"} {
			if info, err := os.Stat(filepath.Join(at, name)); err != nil || info.Size() == 0 {
				t.Errorf("run %d: %s: %v", run, name, err)
			}
		}
		timeline, err := os.ReadFile(filepath.Join(folder, "timeline.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first = timeline
		} else if !bytes.Equal(first, timeline) {
			t.Error("the first timeline was written over")
		}
	}
}

func TestAResultWithoutServiceSaysSo(t *testing.T) {
	r := rehearsing(t, "region-degraded")
	slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" })
	if code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"kill"}`); code != http.StatusOK { // it would work on this
		t.Fatal(answer)
	}
	began := r.clock.Now()
	after := func(d time.Duration) time.Time { return began.Add(d) }
	id := incident.NewID(2026, 1, "")
	if _, err := r.record.Append(t.Context(), incident.Write{Incident: id, Request: "r-1", Events: []incident.Event{
		{Time: began, Actor: "alice", Body: incident.IncidentDeclared{}},
		{Time: began, Actor: "alice", Run: "failover-1", Body: incident.RunBegun{Kind: incident.Failover, Target: "us-west-2"}},
		{Time: after(time.Minute), Actor: "alice", Body: incident.RunAborted{}},
		{Time: after(time.Hour), Actor: "alice", Body: incident.IncidentResolved{}},
	}}); err != nil {
		t.Fatal(err)
	}
	results, _, err := r.outcomes(t.Context())
	if err != nil || len(results) != 1 {
		t.Fatal(err, results)
	}
	one := results[0]
	if one.Mitigated || one.Phase != "resolved" || one.Total != 60 || one.Machine+one.People != 60 || len(one.Differs) == 0 {
		t.Errorf("the result is %+v", one)
	}
}

func TestWhatWasTriedIsTickedOff(t *testing.T) {
	r := rehearsing(t, "region-degraded")
	slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" })
	practice := func() (p Practice) {
		code, body := askBeside(t, r, http.MethodGet, "practice", "")
		if err := json.Unmarshal([]byte(body), &p); err != nil || code != http.StatusOK {
			t.Fatalf("%d %v: %s", code, err, body)
		}
		return p
	}
	before := practice()
	if len(before.Tried) < 5 || before.Result != nil || len(before.Others) != len(sim.Scenarios())-1 {
		t.Errorf("%+v", before)
	}
	for _, one := range before.Tried {
		if one.Done {
			t.Errorf("%q is done before anybody did anything", one.What)
		}
	}
	do := func(path, body string, code int, want ...string) {
		t.Helper()
		if got, answer := askBeside(t, r, http.MethodPost, path, body); got != code {
			t.Fatalf("%s: %d %s", body, got, answer)
		}
		var done []string
		for _, one := range practice().Tried {
			if word, _, _ := strings.Cut(one.What, " "); one.Done && word != "As" {
				done = append(done, word)
			}
		}
		if !slices.Equal(done, want) {
			t.Errorf("after %s %q are ticked off, want %q", body, done, want)
		}
	}
	// What was refused was not done, and what was mended was not broken.
	do("world", `{"do":"nonsense"}`, http.StatusBadRequest)
	do("world", `{"do":"throttle","what":"kubernetes","on":false}`, http.StatusOK)
	do("world", `{"do":"resolver","what":"Google","on":true}`, http.StatusOK, "Break")

	// The middle is while an incident is under way, and killed alone is half of it.
	do("stage", `{"do":"kill"}`, http.StatusOK, "Break")
	do("stage", `{"do":"start"}`, http.StatusOK, "Break")
	slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" })
	if _, err := r.record.Append(t.Context(), incident.Write{Incident: incident.NewID(2026, 1, ""), Request: "r-1", Events: []incident.Event{
		{Time: r.clock.Now(), Actor: "alice", Body: incident.IncidentDeclared{}},
	}}); err != nil {
		t.Fatal(err)
	}
	do("stage", `{"do":"kill"}`, http.StatusOK, "Break")
	do("stage", `{"do":"start"}`, http.StatusOK, "Kill", "Break")
}

func TestABotIsUpOnlyWhenItWasStartedLast(t *testing.T) {
	r := rehearsing(t, "region-degraded")
	do := func(deeds ...string) {
		t.Helper()
		for _, d := range deeds {
			if code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"`+d+`"}`); code != http.StatusOK {
				t.Fatalf("%s: %d %s", d, code, answer)
			}
		}
	}
	up := func() bool { return stageOf(t, r).Bot == "up" && r.slack.Connections() > 0 }
	gone := func() bool { return stageOf(t, r).Bot == "down" && r.slack.Connections() == 0 }
	slacktest.Until(t, "the bot", up)
	for _, deeds := range [][]string{{"kill", "start", "start", "kill"}, {"start", "kill", "start", "kill"}} {
		do(deeds...)
		slacktest.Until(t, "its end", gone)
		// Whatever was still on its way would rise within this.
		for range 20 {
			if err := (incident.RealClock{}).Sleep(t.Context(), 5*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if !gone() {
				t.Fatalf("after %v it rose by itself", deeds)
			}
		}
	}
	// One that is started while Slack is away comes when Slack is back.
	do("away", "start")
	slacktest.Until(t, "a bot without Slack", func() bool { return stageOf(t, r).Bot == "up" && r.slack.Connections() == 0 })
	do("back")
	slacktest.Until(t, "the bot, by itself", up)
}

func TestAScenarioFromAFileIsBegunAgainAndChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	good := "name: mine\ntitle: a title\nabout: a story\nmode: planned\ntarget: us-west-2\nexpect: {writer: us-west-2}\n"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	next, _ := begun(t, file, "")
	r := next()
	begin := func(name string) (int, string) {
		t.Helper()
		return askBeside(t, r, http.MethodPost, "stage", `{"do":"scenario","scenario":"`+name+`"}`)
	}
	write(good + "colour: blue\n")
	if code, answer := begin("mine"); code != http.StatusBadRequest || !strings.Contains(answer, "colour") {
		t.Errorf("a file with a fault: %d %s", code, answer)
	}
	write(good)
	for _, name := range []string{"mine", "throttled", "mine"} {
		if code, answer := begin(name); code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, code, answer)
		}
		r = next()
		if s := stageOf(t, r); s.Scenario != name {
			t.Errorf("the stage is %+v, want %s", s, name)
		}
	}
	if code, answer := begin("nonsense"); code != http.StatusBadRequest || strings.Count(answer, "mine") != 1 {
		t.Errorf("%d %s", code, answer)
	}
}

func TestABotOutlivesAnOutageOfSlack(t *testing.T) {
	r := rehearsing(t, "region-degraded")
	slacktest.Until(t, "the bot", func() bool { return r.slack.Connections() > 0 })
	for _, c := range []struct {
		do        string
		connected bool
	}{{"away", false}, {"back", true}} {
		if code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"`+c.do+`"}`); code != http.StatusOK {
			t.Fatal(answer)
		}
		slacktest.Until(t, c.do, func() bool { return (r.slack.Connections() > 0) == c.connected })
		if s := stageOf(t, r); s.Bot != "up" {
			t.Errorf("%s: the bot is %+v", c.do, s)
		}
	}
	code, answer := askBeside(t, r, http.MethodPost, "../rehearsal/command", `{"as":"U0ALICE","text":"/failover status"}`)
	if code != http.StatusOK || !strings.Contains(answer, `"ok":true`) {
		t.Errorf("it does not answer: %d %s", code, answer)
	}
}

// begun starts a series of rehearsals, as the verb does by hand, and answers the
// one that is being played.
func begun(t *testing.T, scenario, out string, change ...func(*rehearsal)) (playing func() *rehearsal, printed *safeBuffer) {
	t.Helper()
	printed = &safeBuffer{}
	stands, over := make(chan *rehearsal, 8), make(chan error, 1)
	first := &rehearsal{
		Options: Options{Scenario: scenario, Speed: 4, Listen: "127.0.0.1:0", Out: out, Stdout: printed, Log: zerolog.Nop(), Templates: templates.FS},
		ready:   func(r *rehearsal) error { stands <- r; return nil },
	}
	for _, f := range change {
		f(first)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { over <- first.runAll(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Errorf("%v\n%s", err, tail(printed.String(), 20))
		}
	})
	return func() *rehearsal {
		select {
		case r := <-stands:
			return r
		case err := <-over:
			over <- err
			t.Fatalf("%v\n%s", err, tail(printed.String(), 20))
			return nil
		}
	}, printed
}

func TestThePageBeginsAnotherScenarioAtTheSameAddress(t *testing.T) {
	folder := t.TempDir()
	next, printed := begun(t, "region-degraded", folder)
	r := next()
	slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" && r.slack.Connections() > 0 })
	if s := stageOf(t, r); s.Scenario != "region-degraded" || s.Life != 1 || s.Fixed != "" || s.Mode != "planned" || s.Title == "" || s.About == "" {
		t.Errorf("the stage is %+v", s)
	}
	if code, answer := askBeside(t, r, http.MethodPost, "../rehearsal/command", `{"as":"U0ALICE","channel":"C0INCIDENT","text":"/failover start us-west-2"}`); code != http.StatusOK {
		t.Fatal(answer)
	}
	for _, wrong := range []string{"mars", "", "/etc/passwd", "../region-loss"} {
		code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"scenario","scenario":"`+wrong+`"}`)
		if code != http.StatusBadRequest || !strings.Contains(answer, "region-loss") {
			t.Errorf("%q: %d %s", wrong, code, answer)
		}
	}
	address := r.slack.URL()
	for n, scenario := range []string{"region-loss", "region-loss", "throttled"} {
		if code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"scenario","scenario":"`+scenario+`"}`); code != http.StatusOK {
			t.Fatalf("%d %s", code, answer)
		}
		r = next()
		slacktest.Until(t, "the bot", func() bool { return stageOf(t, r).Bot == "up" })
		s := stageOf(t, r)
		if s.Scenario != scenario || s.Life != n+2 || r.slack.URL() != address {
			t.Errorf("the stage is %+v at %s, was at %s", s, r.slack.URL(), address)
		}
		if len(r.slack.Messages(channel)) > 0 {
			t.Error("the channel remembers the rehearsal before")
		}
	}
	if text := printed.String(); strings.Count(text, "Rehearsal region-loss:") != 2 || strings.Count(text, "Rehearsal throttled:") != 1 {
		t.Errorf("printed:\n%s", text)
	}
	for _, file := range []string{"wire.jsonl", "2-region-loss/world.json", "3-region-loss/world.json"} {
		if _, err := os.Stat(filepath.Join(folder, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestARehearsalThatPlaysItselfGivesNoWay(t *testing.T) {
	r := &rehearsal{
		Options: Options{Auto: true, Scenario: "region-loss", Speed: sim.Max, Listen: "127.0.0.1:0", Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS},
		nth:     1,
	}
	r.ready = func(r *rehearsal) error {
		code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"scenario","scenario":"throttled"}`)
		if code != http.StatusBadRequest || !strings.Contains(answer, "play themselves") || stageOf(t, r).Fixed == "" {
			t.Errorf("%d %s", code, answer)
		}
		return nil
	}
	if err := r.run(t.Context()); err != nil {
		t.Error(err)
	}
}

// staged has the bot be a process of its own.
func staged(t *testing.T) func(*rehearsal) {
	return func(r *rehearsal) { r.StageFile = filepath.Join(t.TempDir(), "stage.json") }
}

func TestAStageOfItsOwnKeepsItsSpeed(t *testing.T) {
	next, _ := begun(t, "region-degraded", "", staged(t))
	r := next()
	code, answer := askBeside(t, r, http.MethodPost, "stage", `{"do":"speed","speed":"30"}`)
	if code != http.StatusBadRequest || !strings.Contains(answer, "begin again with another --speed") {
		t.Errorf("%d %s", code, answer)
	}
	if s := stageOf(t, r); s.Speed != "4" || s.SpeedFixed == "" {
		t.Errorf("the stage is %+v", s)
	}
}

func TestAStageOfItsOwnRefusesAScenarioThatKillsTheBot(t *testing.T) {
	r := &rehearsal{
		Options: Options{Scenario: "bot-killed", Speed: 4, Listen: "127.0.0.1:0", StageFile: filepath.Join(t.TempDir(), "stage.json"), Stdout: io.Discard, Log: zerolog.Nop(), Templates: templates.FS},
	}
	if err := r.run(t.Context()); err == nil || !strings.Contains(err.Error(), "leave out --stage") {
		t.Errorf("%v", err)
	}
}

// An address of nobody's (RFC 5737) cannot be bound, so nothing is ever served
// beyond loopback here; the warning comes before the attempt.
func TestAnAddressBeyondLoopbackIsWarnedOf(t *testing.T) {
	for listen, warned := range map[string]bool{"192.0.2.1:0": true, "127.0.0.1:0": false, "localhost:0": false, "[::1]:0": false} {
		var printed bytes.Buffer
		r := &rehearsal{
			Options: Options{Scenario: "region-degraded", Speed: 4, Listen: listen, Stdout: &printed, Log: zerolog.Nop(), Templates: templates.FS},
		}
		r.ready = func(*rehearsal) error { return errors.New("that is enough") }
		if err := r.run(t.Context()); err == nil {
			t.Errorf("%s: it went on", listen)
		}
		if got := strings.Contains(printed.String(), "Whoever reaches this address can act as anybody"); got != warned {
			t.Errorf("%s: warned %v, printed %q", listen, got, printed.String())
		}
	}
}

func TestRehearsalsThatBeginAtOnceKeepTheirRecordsApart(t *testing.T) {
	out := t.TempDir()
	scn, err := sim.Load("region-loss")
	if err != nil {
		t.Fatal(err)
	}
	folders := make(chan string)
	for range 8 {
		go func() {
			r := &rehearsal{
				Options: Options{Out: out},
				scn:     scn,
			}
			if err := r.chooseFolder(); err != nil {
				t.Error(err)
			}
			folders <- r.Out
		}()
	}
	seen := map[string]bool{}
	for range 8 {
		folder := <-folders
		if seen[folder] {
			t.Errorf("%s was given to two", folder)
		}
		seen[folder] = true
	}
	if !seen[out] {
		t.Errorf("nobody has the folder itself: %v", seen)
	}
}
