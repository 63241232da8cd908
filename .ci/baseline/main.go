// Baseline plays the orders of the rehearsals as they were at an earlier commit and as
// they are now, and prints both means and what the new one is of the old.
//
// The earlier one is built from git, in a worktree of its own that is removed at the
// end. Where there is no such commit (a shallow or an exported tree), it says so and
// ends well: there is nothing to compare with.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// commit is the one that later ones are compared with.
const commit = "fa8afdf"

// wanted is what the mean may be of the earlier one at the most, by its unit.
var wanted = map[string]float64{"s-orders-stopped": 0.75, "s-go-to-served": 0.88}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

// longest is how long playing both may take.
const longest = 30 * time.Minute

// run compares until the time is up or somebody interrupts it. The worktree is removed
// then too.
func run() error {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	ctx, stop := incident.RealClock{}.WithTimeout(ctx, longest, errors.New("playing both took longer than half an hour"))
	defer stop()
	return compare(ctx)
}

func compare(ctx context.Context) (err error) {
	if out, err := exec.CommandContext(ctx, "git", "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		fmt.Printf("nothing to compare with: commit %s is not in this tree (%s)\n", commit, strings.TrimSpace(string(out)))
		return nil
	}
	dir, err := os.MkdirTemp("", "baseline")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tree := filepath.Join(dir, "tree")
	if out, err := exec.CommandContext(ctx, "git", "worktree", "add", "--detach", tree, commit).CombinedOutput(); err != nil {
		return fmt.Errorf("check %s out: %w: %s", commit, err, out)
	}
	defer func() { // also when the time is up
		_, gone := exec.CommandContext(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", tree).CombinedOutput()
		err = errors.Join(err, gone)
	}()
	before, err := means(ctx, tree)
	if err != nil {
		return err
	}
	now, err := means(ctx, ".")
	if err != nil {
		return err
	}
	for unit, most := range wanted {
		was, is := before[unit], now[unit]
		if was == 0 || is == 0 {
			return fmt.Errorf("%s was not measured: %v at %s, %v now", unit, before, commit, now)
		}
		fmt.Printf("%-18s %s %.1f, now %.1f: %.3f of it (wanted: at most %.2f)\n", unit, commit, was, is, is/was, most)
	}
	return nil
}

// metric is a figure of a benchmark with a unit of its own.
var metric = regexp.MustCompile(`([0-9.]+) (s-[a-z-]+)`)

// means are the figures of the rehearsals in a tree, by their unit.
func means(ctx context.Context, tree string) (map[string]float64, error) {
	// Once is enough: a benchmark that is begun again loses its figures. The time-out is
	// that of both, for go test's own is ten minutes.
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "BenchmarkOrders", "-benchtime", "1x", "-timeout", longest.String(), "./bot/rehearsal")
	test.Dir, test.Stderr = tree, os.Stderr
	// What go test runs ends with it, as it does in a terminal.
	test.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	test.Cancel = func() error { return syscall.Kill(-test.Process.Pid, syscall.SIGINT) }
	test.WaitDelay = 10 * time.Second
	out, err := test.Output()
	if err != nil {
		return nil, fmt.Errorf("play the rehearsals in %s: %w (%w)\n%s", tree, err, context.Cause(ctx), out)
	}
	return figures(string(out)), nil
}

// figures reads what go test printed.
func figures(out string) map[string]float64 {
	found := map[string]float64{}
	for _, m := range metric.FindAllStringSubmatch(out, -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil {
			found[m[2]] = v
		}
	}
	return found
}
