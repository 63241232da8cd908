//go:build unix

package main

import (
	"encoding/json"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// wrongs are the ways in which what is at a path can be wrong. Each makes it.
var wrongs = map[string]func(t *testing.T, path string){
	"a pipe": func(t *testing.T, path string) {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	},
	"a socket": func(t *testing.T, path string) { // as good as a device, and can be made by anybody
		dir, err := os.MkdirTemp("", "s") //nolint:usetesting // the path of a socket has to be short
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = l.Close() // the file stays, which is all that is wanted
		if err := os.Rename(filepath.Join(dir, "s"), path); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(dir) // a trace in the system's own folder for such
	},
	"a folder": func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(path, "own"), "not the program's")
	},
	"a link to nothing": func(t *testing.T, path string) {
		if err := os.Symlink(filepath.Join(filepath.Dir(path), "nothing"), path); err != nil {
			t.Fatal(err)
		}
	},
	"too large": func(t *testing.T, path string) { writeFile(t, path, strings.Repeat("#", strict.Limit+1)) },
	"no text":   func(t *testing.T, path string) { writeFile(t, path, "a: \xff\xfe\x00") },
	"unreadable": func(t *testing.T, path string) {
		if os.Geteuid() == 0 {
			t.Skip("nothing is unreadable for root: NOT TESTED")
		}
		writeFile(t, path, "a: 1")
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
	},
}

// Whatever is at the path of a file that the program is given or writes: it is told in
// one sentence with that path, nothing waits for it, and it is still there.
func TestNoFileHoldsTheProgramUpOrIsReplaced(t *testing.T) {
	read := []string{"a pipe", "a socket", "a folder", "a link to nothing", "too large", "no text", "unreadable"}
	written := []string{"a pipe", "a socket", "a folder", "a link to nothing"}
	rehearse := []string{"rehearse", "--listen", "127.0.0.1:0"}
	for name, c := range map[string]struct {
		args  []string // DIR stands for the folder of the file
		file  string
		wrong []string
		stage bool // a file of rehearse --stage is there, whose world is DIR/world
	}{
		"settings to serve":      {[]string{"serve", "--config", "DIR/f"}, "f", read, false},
		"settings to check":      {[]string{"check", "--config", "DIR/f"}, "f", read, false},
		"a runbook to lint":      {[]string{"runbook", "lint", "DIR/f"}, "f", read, false},
		"a runbook to show":      {[]string{"runbook", "show", "DIR/f"}, "f", read, false},
		"a scenario to lint":     {[]string{"scenario", "lint", "DIR/f"}, "f", read, false},
		"a scenario to rehearse": {append(rehearse, "--auto", "--scenario", "DIR/f"), "f", read, false},
		"a stage to play on":     {[]string{"rehearse", "--bot", "DIR/f"}, "f", read, false},
		"where the stage is":     {append(rehearse, "--stage", "DIR/f"), "f", written, false},
		"the stage, unfinished":  {append(rehearse, "--stage", "DIR/f"), "f.new", written, false},
		"the stage's world":      {append(rehearse, "--stage", "DIR/f"), "f.world", []string{"a pipe", "a socket", "a folder", "a link to nothing", "no text"}, false},
		"the folder of records":  {append(rehearse, "--auto", "--out", "DIR/f"), "f", []string{"a pipe", "a socket", "a link to nothing", "no text"}, false},
		"results":                {append(rehearse, "--auto", "--out", "DIR"), "results.jsonl", written, false},
		"messages":               {append(rehearse, "--auto", "--out", "DIR"), "messages.jsonl", written, false},
		"calls":                  {append(rehearse, "--auto", "--out", "DIR"), "calls.jsonl", written, false},
		"the review":             {append(rehearse, "--auto", "--out", "DIR"), "review.md", written, false},
		"the world at the end":   {append(rehearse, "--auto", "--out", "DIR"), "world.json", written, false},
		"calls of a bot":         {[]string{"rehearse", "--bot", "DIR/stage"}, "world/calls.jsonl", written, true},
		"the world of a bot":     {[]string{"rehearse", "--bot", "DIR/stage"}, "world/state.json", []string{"a pipe", "a socket", "a folder", "no text"}, true},
		"its count of changes":   {[]string{"rehearse", "--bot", "DIR/stage"}, "world/saved", written, true},
	} {
		for _, wrong := range c.wrong {
			t.Run(name+" is "+wrong, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, c.file)
				if c.stage {
					stageOf(t, dir)
				}
				wrongs[wrong](t, path)
				before, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				var args []string
				for _, a := range c.args {
					args = append(args, strings.Replace(a, "DIR", dir, 1))
				}
				code, stdout, stderr := typed(t, tokens, args...)
				if code != exitUsage {
					t.Errorf("exit code %d", code)
				}
				if stdout != "" {
					t.Errorf("it printed, as if something had begun:\n%s", stdout)
				}
				if strings.Count(strings.TrimSpace(stderr), "\n") > 0 || !strings.Contains(stderr, path) {
					t.Errorf("that is no sentence with the path:\n%s", stderr)
				}
				if m := regexp.MustCompile(`goroutine |unexpected end of JSON|%!`).FindString(stderr); m != "" {
					t.Errorf("it says %q:\n%s", m, stderr)
				}
				after, err := os.Lstat(path)
				if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() || before.Size() != after.Size() {
					t.Errorf("what was there is another one now: %v, %v", after, err)
				}
				if _, err := os.Lstat(filepath.Join(dir, "nothing")); err == nil {
					t.Error("what the link leads to was made")
				}
				if before.IsDir() {
					if _, err := os.Stat(filepath.Join(path, "own")); err != nil {
						t.Errorf("the folder was emptied: %v", err)
					}
				}
			})
		}
	}
}

// stageOf is what rehearse --stage would have written, with a Redis of its own.
func stageOf(t *testing.T, dir string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"scenario": "region-loss", "slack_api": "http://" + closedPort(t) + "/", "bot_token": "xoxb-1", "app_token": "xapp-1",
		"redis": miniRedis(t), "world": filepath.Join(dir, "world"), "start": "2026-03-03T14:00:00Z", "instant": "2026-03-03T14:00:00Z", "speed": "4",
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "stage"), string(data))
	if err := os.Mkdir(filepath.Join(dir, "world"), fs.ModePerm); err != nil {
		t.Fatal(err)
	}
}

func miniRedis(t *testing.T) string {
	t.Helper()
	return "redis://" + miniredis.RunT(t).Addr()
}

// A disk that does not answer holds up whoever reads from it, and not who presses Ctrl-C.
func TestTheFirstSignalEndsAProgramThatReads(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, verb := range []string{"serve", "check", "drill"} {
			slow := filepath.Join(t.TempDir(), "slow")
			wrongs["a pipe"](t, slow)
			p := launch(t, []string{asMain + "=" + slow, "HOME=" + t.TempDir(), "GOCOVERDIR=" + t.TempDir()}, self, verb, "--config", example)
			p.until("reading")
			p.signal(s)
			if code, said := p.exit(); code != exitFailed || !strings.Contains(said, "failoverbot: ") {
				t.Errorf("%s after %s: exit code %d, it said %s", verb, s, code, said)
			}
		}
	}
}
