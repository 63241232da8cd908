// Package rehearsal is a whole failover rehearsed in one process: the bot, a Slack
// workspace with its page, people who play themselves if wanted, and a two-Region
// world. At its end it says how it went and whether the world is as the scenario
// expects.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// ByHand is the speed at which region-degraded takes about three minutes for
// somebody who presses the buttons.
const ByHand = "4"

// longest is how much pretend time a rehearsal that plays by itself may take.
const longest = 2 * time.Hour

// Options say which rehearsal it is.
type Options struct {
	// Auto: the people of the scenario play themselves, and the world is verified at
	// the end.
	Auto bool
	// Scenario is the name of a built-in one, or a file.
	Scenario string
	Speed    sim.Speed
	// Seed is what the pretend world draws: the same one draws the same again.
	Seed uint64
	// Listen is where the rehearsal Slack listens.
	Listen string
	// Out is a folder for the records; empty: none are kept.
	Out string
	// StageFile, when set, leaves the bot out and says in that file how one in a
	// process of its own reaches the rest. BotFile is that file for the bot: only it
	// is run.
	StageFile, BotFile string
	// RedisURL is where the record is kept when it is not inside the process.
	RedisURL string
	Stdout   io.Writer
	Log      zerolog.Logger
	// Templates are the runbook, the messages and the review.
	Templates fs.FS
}

// Run carries a rehearsal out, and then whichever was asked for on its page, until
// ctx ends or nothing more is asked for. Settings at fault are a [bot.UsageError].
func Run(ctx context.Context, o Options) error {
	r := &rehearsal{Options: o}
	return r.runAll(ctx)
}

// rehearsal is one rehearsal: the stage (Slack, world, Redis, people) and the bot
// on it. The two can also be processes of their own, so that the bot can be
// killed and started again while the rest lives on.
type rehearsal struct {
	Options

	// For tests: what else to do once everything stands and before anybody acts, and
	// what is changed.
	ready    func(*rehearsal) error
	catalog  func(engine.Catalog) engine.Catalog
	change   func(*bot.Options)
	patience time.Duration // pretend; longest when zero

	// own is the scenario file that the first of a series was started with, and the
	// name in it; empty when that one is built in.
	own, ownName string

	// One rehearsal may follow another at the same address: the how-manieth this
	// is, the scenario that was asked for next, and what ends this one.
	nth     int
	results string // folder of all their results
	next    string
	finish  context.CancelFunc

	scn     *sim.Scenario
	clock   *sim.Clock
	slack   *slacksim.Server
	world   *sim.World
	panel   *panel
	process atomic.Pointer[botProcess]
	extra   *http.ServeMux
	record  incident.Log
	reach   stageFile
	secrets text.Secrets // the tokens of the stage: nobody gets them but by the stage's file
	seen    []incident.Event
	files   []*os.File
	closes  []func()

	// How the world differed when another incident followed; see differs.
	mu       sync.Mutex
	differed map[incident.ID][]string
}

const channel = "C0INCIDENT"

// runAll runs a rehearsal, and then whichever the page asked for next, at the same
// address and with records of its own.
func (r *rehearsal) runAll(ctx context.Context) error {
	for r.nth = 1; ; {
		if err := r.run(ctx); err != nil || r.next == "" || ctx.Err() != nil {
			return err
		}
		following := &rehearsal{
			Options: Options{
				Scenario: r.next, Speed: r.clock.Speed(), Seed: r.Seed, Listen: r.sameAddress(), Out: r.results,
				Stdout: r.Stdout, Log: r.Log, Templates: r.Templates,
			},
			ready: r.ready, change: r.change, nth: r.nth + 1, results: r.results, own: r.own, ownName: r.ownName,
		}
		r = following
	}
}

// sameAddress is where the rehearsal that follows listens: where this one was told to, at
// the port that it has.
func (r *rehearsal) sameAddress() string {
	host, _, _ := net.SplitHostPort(r.Listen) // openSlack has split it before
	_, port, _ := net.SplitHostPort(strings.Trim(strings.TrimPrefix(r.slack.URL(), "http://"), "/"))
	return net.JoinHostPort(host, port)
}

func (r *rehearsal) run(ctx context.Context) (err error) {
	defer func() {
		for _, f := range slices.Backward(r.closes) {
			f()
		}
		for _, f := range r.files {
			err = errors.Join(err, f.Close())
		}
	}()
	if r.BotFile != "" {
		return r.runBot(ctx)
	}
	if r.scn, err = strict.Within(ctx, func() (*sim.Scenario, error) { return sim.Load(r.Scenario) }); err != nil {
		return bot.UsageError{Err: err}
	}
	if r.StageFile != "" && r.scn.Cued() {
		return bot.Usagef("the scenario %s kills the bot or takes Slack away, which needs all of it in one process: leave out --stage", r.scn.Name)
	}
	if r.own == "" && !slices.Contains(sim.Scenarios(), r.Scenario) {
		r.own, r.ownName = r.Scenario, r.scn.Name
	}
	if _, ok := r.Stdout.(*inTurn); !ok {
		r.Stdout = &inTurn{w: r.Stdout}
	}
	ctx, r.finish = context.WithCancel(ctx)
	defer r.finish()
	if err := r.startStage(ctx); err != nil {
		return quiet(ctx, err) // Ctrl-C, perhaps
	}
	if r.ready != nil {
		if err := r.ready(r); err != nil {
			return err
		}
	}
	r.banner()
	err = r.play(ctx)
	return errors.Join(err, r.writeRecords())
}

// inTurn is written to by the people, the record and the stage, a line each.
type inTurn struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes p as one piece.
func (t *inTurn) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
}

// warn says once, and before anybody can come, who could.
func (r *rehearsal) warn(host string) {
	if r.nth > 1 || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return
	}
	_, _ = fmt.Fprintf(r.Stdout, "Warning: %s is not loopback. Whoever reaches this address can act as anybody in the rehearsal.\n", r.Listen)
}

func (r *rehearsal) banner() {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(r.Stdout, format+"\n", args...) }
	if r.nth > 1 {
		say("")
	}
	say("Rehearsal %s: %s", r.scn.Name, r.scn.Title)
	pages := r.slack.URLs()
	say("Slack: %s   time runs %s   seed %d   Redis: inside this process, gone with it (not durable)", pages[0], r.Speed, r.Seed)
	if others := pages[1:]; len(others) > 0 {
		say("From other machines: %s", strings.Join(others, "  "))
	}
	if r.Out != "" {
		say("The records go to %s", r.Out)
	}
	if r.StageFile != "" {
		say("The bot is not here. Start it: failoverbot rehearse --bot %s", r.StageFile)
	}
	if r.Auto {
		say("The people of the scenario play themselves.")
		return
	}
	say("")
	say("Open the address, choose to be a commander, and type:  /failover start %s", r.scn.Target)
	say("Then choose to be an approver, who is asked before the point of no return. Ctrl-C ends it.")
	say("")
}
