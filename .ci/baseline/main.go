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
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// commit is the one that later ones are compared with.
const commit = "fa8afdf"

// wanted is what the mean may be of the earlier one at the most, by its unit.
var wanted = map[string]float64{"s-orders-stopped": 0.75, "s-go-to-served": 0.88}

func main() {
	ctx, stop := context.WithTimeoutCause(context.Background(), 30*time.Minute, errors.New("playing both took longer than half an hour"))
	defer stop()
	if err := compare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
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
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "BenchmarkOrders", "./bot/rehearsal")
	test.Dir, test.Stderr = tree, os.Stderr
	out, err := test.Output()
	if err != nil {
		return nil, fmt.Errorf("play the rehearsals in %s: %w (%w)\n%s", tree, err, context.Cause(ctx), out)
	}
	found := map[string]float64{}
	for _, m := range metric.FindAllStringSubmatch(string(out), -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil {
			found[m[2]] = v
		}
	}
	return found, nil
}
