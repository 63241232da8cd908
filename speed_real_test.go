//go:build real

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/slacktest"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/redis/redistest"
)

// settled is a platform whose settings were discovered and finished.
func settled(t *testing.T) (p *platform, file string) {
	t.Helper()
	p = newPlatform(t)
	code, found, errs := typed(t, p.env, p.discover...)
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	file = filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, file, p.finished(t, found))
	return p, file
}

// It prints how long all of section 1 takes beside its slowest line: the first time, and
// with the connections that are there from then on.
func TestSection1TakesAsLongAsItsSlowestLine(t *testing.T) {
	p, file := settled(t)
	secrets := new(text.Secrets)
	c, err := settingsOf(t.Context(), file, func(name string) string { return p.env[name] })
	if err != nil {
		t.Fatal(err)
	}
	ends, err := connect(t.Context(), c, secrets, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := bot.Runbook(files(c))
	if err != nil {
		t.Fatal(err)
	}
	catalog := providers.Catalog(ends)
	plan, err := loaded.Compile(catalog.Runbook(), runbook.Facts{
		Mode: "planned", Severity: "SEV-1", Reason: "readiness check", Topology: c.Platform,
		Source: c.Platform.Regions["us-east-1"], Target: c.Platform.Regions["us-west-2"],
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	took := map[string]time.Duration{}
	for name, a := range maps.Clone(catalog) {
		look := a.Look
		if look == nil {
			continue
		}
		a.Look = func(ctx context.Context, call engine.Call) (engine.Outcome, bool, error) {
			began := time.Now()
			o, ok, err := look(ctx, call)
			mu.Lock()
			defer mu.Unlock()
			took[call.Step.ID] = time.Since(began)
			return o, ok, err
		}
		catalog[name] = a
	}
	e := engine.New(engine.Options{Catalog: catalog, Clock: incident.RealClock{}}, zerolog.Nop())
	for i, when := range []string{"the first time", "the second time", "the third time"} {
		publish(t, p.aws)
		clear(took)
		began := time.Now()
		made := e.Readiness(t.Context(), plan, incident.WhyCheck)
		all := time.Since(began)
		var slowest string
		for step := range took {
			if slowest == "" || took[step] > took[slowest] {
				slowest = step
			}
		}
		t.Logf("measured: all of section 1 (%d lines) %s %.2f s, the slowest line (%s) %.2f s, ratio %.3f (wanted: at most 1.10, and 5 s)",
			len(made.Findings), when, all.Seconds(), slowest, took[slowest].Seconds(), all.Seconds()/took[slowest].Seconds())
		if n := incident.Count(made.Findings); n.Unknown > 0 || n.Failed > 0 {
			t.Errorf("%+v", n)
		}
		if i == 2 {
			steps := slices.SortedFunc(maps.Keys(took), func(a, b string) int { return int(took[b] - took[a]) })
			for n, step := range steps {
				steps[n] = fmt.Sprintf("%s %d ms", step, took[step].Milliseconds())
			}
			t.Logf("measured: its lines: %s", strings.Join(steps, ", "))
		}
	}
}

// usage is what the kernel says of a process: CPU time, and memory in MB: all of it, and
// what is its own.
func usage(t *testing.T, pid int) (cpu time.Duration, all, own float64) {
	t.Helper()
	at := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(at + "/stat")
	if err != nil {
		t.Skip("this kernel does not tell what a process uses:", err)
	}
	// After the name, in parentheses: the state is field 3, utime 14 and stime 15.
	f := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	var ticks int
	for _, field := range []string{f[11], f[12]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	status, err := os.ReadFile(at + "/status")
	if err != nil {
		t.Fatal(err)
	}
	mb := func(key string) float64 {
		_, rest, found := strings.Cut(string(status), key+":")
		if !found {
			t.Skip("this kernel does not tell kinds of memory apart")
		}
		kB, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		return float64(kB) / 1024
	}
	const perSecond = 100 // USER_HZ, on every Linux
	return time.Duration(ticks) * time.Second / perSecond, mb("VmRSS"), mb("RssAnon")
}

// made waits for the first assessment on the record that was made for that reason.
func made(t *testing.T, address, why string) *incident.Assessment {
	t.Helper()
	record, err := redis.Open(t.Context(), redis.Options{URL: address, Prefix: "fb"}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer record.Disconnect() //nolint:errcheck // only read
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	book := incident.NewBook(record)
	for after := uint64(0); ; {
		var newest *incident.Assessment
		err := book.View(ctx, incident.PlatformLog, func(s *incident.State) { newest, after = s.Platform.Newest(why), s.Seq })
		if err == nil && newest == nil {
			err = record.Wait(ctx, incident.PlatformLog, after)
		}
		if err != nil {
			t.Fatalf("no assessment was made within %s: %v", patience, err)
		}
		if newest != nil {
			return newest
		}
	}
}

// It prints what serve costs as it is released: memory before its first assessment by the
// schedule and after it, and CPU between two assessments.
func TestServeCostsLittleBetweenAssessments(t *testing.T) {
	const idle = time.Minute
	p, file := settled(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "check_every") {
		t.Error("it is not the schedule that is measured which everybody has")
	}
	self := filepath.Join(t.TempDir(), "failoverbot")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", self, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	redisURL, slack := redistest.Server(t), newSlack(t)
	const alice = "U0AL1CE00"
	person := slacktest.Open(t, slack.URL(), nil, alice)
	home := t.TempDir()
	env := []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "AWS_EC2_METADATA_DISABLED=true", "REDIS_URL=" + redisURL,
		"SLACK_BOT_TOKEN=xoxb-laboratory-secret", "SLACK_APP_TOKEN=xapp-laboratory-secret", "SLACK_API_URL=" + slack.APIURL(),
	}
	for name, value := range p.env {
		env = append(env, name+"="+value)
	}
	publish(t, p.aws)
	s := launch(t, env, self, "serve", "--config", file)
	s.until(`ready: /failover help`)
	pid := s.cmd.Process.Pid
	time.Sleep(20 * time.Second) // real time, for a real process: before the first assessment, which is made after 30 s
	cpuStart, before, ownBefore := usage(t, pid)

	publish(t, p.aws)
	if n := incident.Count(made(t, redisURL, incident.WhySchedule).Findings); n.Unknown > 0 || n.Failed > 0 {
		t.Errorf("%+v", n)
	}
	cpuMade, after, ownAfter := usage(t, pid)
	time.Sleep(10 * time.Second) // what it brings about is over then
	cpu, _, _ := usage(t, pid)
	time.Sleep(idle) // what is measured is what it costs while nothing happens
	cpuIdle, later, ownLater := usage(t, pid)
	share := (cpuIdle - cpu).Seconds() / idle.Seconds()
	t.Logf("measured: serve takes %.2f %% of a core between assessments, over %s (wanted: under 1 %%); the first assessment took %d ms of CPU; with one each 30 min that is %.3f %% more",
		100*share, idle, (cpuMade - cpuStart).Milliseconds(), 100*(cpuMade-cpuStart).Seconds()/(30*time.Minute).Seconds())
	t.Logf("measured: memory of serve: %.1f MB before an assessment (%.1f MB its own), %.1f MB right after it (%.1f MB), %.1f MB after another %s (%.1f MB)",
		before, ownBefore, after, ownAfter, later, idle+10*time.Second, ownLater)
	if answer := person.Ask(alice, "/failover status"); !strings.Contains(answer, "No incident is open.") {
		t.Errorf("status says:\n%s", answer)
	}
}
