package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim"
	"github.com/failoverbot/failoverbot/bot/slack/slacksim/player"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/deploy"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// byHand is the speed at which region-degraded takes about three minutes for
// somebody who presses the buttons.
const byHand = "4"

// longest is how much pretend time a rehearsal that plays by itself may take.
const longest = time.Hour

func rehearseVerb() *cobra.Command {
	o := &rehearsal{stdout: io.Discard}
	var speed, seed string
	c := &cobra.Command{
		Use:   "rehearse",
		Short: "Rehearse a failover: the bot, a Slack workspace and a two-Region world in one process",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if speed == "" {
				speed = byHand
				if o.auto && o.stage == "" {
					speed = "max"
				}
			}
			if o.speed, err = sim.ParseSpeed(speed); err != nil {
				return usageError{err}
			}
			if o.seed, err = parseSeed(seed); err != nil {
				return err
			}
			if o.bot != "" && c.Flags().Changed("seed") {
				return usagef("--seed is for the stage, whose world the bot plays in: give it with --stage")
			}
			if o.speed == sim.Max && !o.auto && o.bot == "" {
				return usagef("--speed max is for --auto: by hand, time would jump to the end of every question; use a number such as %s", byHand)
			}
			if o.speed == sim.Max && o.stage != "" {
				return usagef("--speed max needs everything in one process; with --stage give a number such as %s", byHand)
			}
			o.stdout, o.log = c.OutOrStdout(), zerolog.Nop()
			if o.verbose {
				o.log = newLog(c.ErrOrStderr())
			}
			o.templates = templates.FS
			return o.series(c.Context())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.auto, "auto", false, "let the people of the scenario play themselves, and check the world at the end")
	f.StringVar(&o.scenario, "scenario", "region-degraded", "a built-in scenario or a file")
	f.StringVar(&speed, "speed", "", "how much faster than life, or max; "+byHand+" by hand, max with --auto")
	f.StringVar(&seed, "seed", "0", "what the pretend world draws: a whole number; the same one draws the same again")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8065", "where the rehearsal Slack listens; port 0 chooses freely")
	f.StringVar(&o.out, "out", "", "a folder for the records of the rehearsal")
	f.BoolVar(&o.verbose, "verbose", false, "show the bot's own log on stderr")
	f.StringVar(&o.stage, "stage", "", "run everything but the bot, and write to this file how a bot of its own reaches it")
	f.StringVar(&o.bot, "bot", "", "run only the bot, against the rehearsal whose --stage file this is")
	return c
}

func parseSeed(s string) (uint64, error) {
	seed, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0, usagef("--seed %q is not usable: give a whole number from 0 up, such as 7", s)
	}
	return seed, nil
}

// rehearsal is one rehearsal: the stage (Slack, world, Redis, people) and the bot
// on it. The two can also be processes of their own, so that the bot can be
// killed and started again while the rest lives on.
type rehearsal struct {
	auto      bool
	scenario  string
	speed     sim.Speed
	seed      uint64
	listen    string
	out       string
	stage     string
	bot       string
	verbose   bool
	stdout    io.Writer
	log       zerolog.Logger
	templates fs.FS

	// For tests: what else to do once everything stands and before anybody acts,
	// and where Redis is when it is not inside the process.
	ready    func(*rehearsal) error
	redisURL string
	catalog  func(engine.Catalog) engine.Catalog
	change   func(*replica) // the bot's own settings and ends
	patience time.Duration  // pretend; longest when zero

	// own is the scenario file that the first of a series was started with, and the
	// name in it; empty when that one is built in.
	own, ownName string

	// One rehearsal may follow another at the same address: the how-manieth this
	// is, the scenario that was asked for next, and what ends this one.
	nth     int
	results string // folder of all their results
	next    string
	finish  context.CancelFunc

	scn    *sim.Scenario
	clock  *sim.Clock
	slack  *slacksim.Server
	world  *sim.World
	beside *beside
	living atomic.Pointer[life]
	extra  *http.ServeMux
	record incident.Log
	ends   stage
	seen   []incident.Event
	files  []*os.File
	closes []func()

	// How the world differed when another incident followed; see differs.
	mu       sync.Mutex
	differed map[incident.ID][]string
}

// stage is how a bot in a process of its own reaches a rehearsal.
type stage struct {
	Scenario string    `json:"scenario"`
	SlackAPI string    `json:"slack_api"`
	BotToken string    `json:"bot_token"`
	AppToken string    `json:"app_token"`
	Redis    string    `json:"redis"`
	World    string    `json:"world"`   // folder of the world's state
	Start    time.Time `json:"start"`   // pretend time ...
	Instant  time.Time `json:"instant"` // ... at this real time
	Speed    sim.Speed `json:"speed"`
}

const channel = "C0INCIDENT"

// series runs a rehearsal, and then whichever the page asked for next, at the same
// address and with records of its own.
func (r *rehearsal) series(ctx context.Context) error {
	for r.nth = 1; ; {
		if err := r.run(ctx); err != nil || r.next == "" || ctx.Err() != nil {
			return err
		}
		following := &rehearsal{
			scenario: r.next, speed: r.clock.Speed(), seed: r.seed, listen: r.again(), verbose: r.verbose, stdout: r.stdout, log: r.log,
			templates: r.templates, ready: r.ready, change: r.change, nth: r.nth + 1, results: r.results, out: r.results,
			own: r.own, ownName: r.ownName,
		}
		r = following
	}
}

// again is where the rehearsal that follows listens: where this one was told to, at
// the port that it has.
func (r *rehearsal) again() string {
	host, _, _ := net.SplitHostPort(r.listen) // openSlack has split it before
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
	if r.bot != "" {
		return r.runBot(ctx)
	}
	if r.scn, err = sim.Load(r.scenario); err != nil {
		return usageError{err}
	}
	if r.stage != "" && r.scn.Cued() {
		return usagef("the scenario %s kills the bot or takes Slack away, which needs all of it in one process: leave out --stage", r.scn.Name)
	}
	if r.own == "" && !slices.Contains(sim.Scenarios(), r.scenario) {
		r.own, r.ownName = r.scenario, r.scn.Name
	}
	if _, ok := r.stdout.(*inTurn); !ok {
		r.stdout = &inTurn{w: r.stdout}
	}
	ctx, r.finish = context.WithCancel(ctx)
	defer r.finish()
	if err := r.raise(ctx); err != nil {
		return quiet(ctx, err) // Ctrl-C, perhaps
	}
	if r.ready != nil {
		if err := r.ready(r); err != nil {
			return err
		}
	}
	r.banner()
	err = r.play(ctx)
	return errors.Join(err, r.keep())
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

// settle finds a folder for the records. One that holds a rehearsal already is
// left as it is: this one gets a folder of its own within.
func (r *rehearsal) settle() error {
	if r.out == "" {
		return nil
	}
	r.results = cmp.Or(r.results, r.out)
	if err := os.MkdirAll(r.results, 0o755); err != nil {
		return usageError{fmt.Errorf("make the folder for the records: %w", err)}
	}
	held, err := claimed(r.results)
	if err != nil || !held {
		return err
	}
	there, err := os.ReadDir(r.results)
	if err != nil {
		return usageError{fmt.Errorf("look for a folder for the records: %w", err)}
	}
	for n := 2; ; n++ {
		number := strconv.Itoa(n) + "-"
		if slices.ContainsFunc(there, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), number) }) {
			continue
		}
		r.out = filepath.Join(r.results, number+filepath.Base(r.scn.Name))
		switch err := os.Mkdir(r.out, 0o755); { // another process may be as quick
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrExist):
			return usageError{fmt.Errorf("make the folder for the records: %w", err)}
		}
	}
}

// claimed says that a folder holds the records of a rehearsal. If it holds none, its
// first record is begun, so that of two rehearsals that look at once one has it.
func claimed(folder string) (held bool, err error) {
	if _, err := os.Stat(filepath.Join(folder, "timeline.jsonl")); err == nil {
		return true, nil
	}
	f, err := os.OpenFile(filepath.Join(folder, "wire.jsonl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return true, nil
	case err != nil:
		return false, usageError{fmt.Errorf("begin the records: %w", err)}
	}
	return false, f.Close()
}

// file opens one of the records of the rehearsal; without --out it is thrown away.
func (r *rehearsal) file(name string) (io.Writer, error) {
	if r.out == "" {
		return io.Discard, nil
	}
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return nil, usageError{err}
	}
	r.files = append(r.files, f)
	return f, nil
}

// raise builds the stage.
func (r *rehearsal) raise(ctx context.Context) error {
	if err := r.settle(); err != nil {
		return err
	}
	wire, err := r.file("wire.jsonl")
	if err != nil {
		return err
	}
	messages, err := r.file("messages.jsonl")
	if err != nil {
		return err
	}
	calls, err := r.file("calls.jsonl")
	if err != nil {
		return err
	}

	instant := time.Now()
	r.clock = sim.NewClockAt(r.scn.StartTime(), instant, r.speed)
	r.closes = append(r.closes, r.clock.Close)
	r.ends = stage{
		Scenario: r.scenario, BotToken: "xoxb-" + rand.Text(), AppToken: "xapp-" + rand.Text(),
		Start: r.scn.StartTime(), Instant: instant, Speed: r.speed, Redis: r.redisURL,
	}
	if err := r.openSlack(wire, messages); err != nil {
		return err
	}
	r.ends.SlackAPI = r.slack.APIURL()
	if err := r.openRecord(ctx); err != nil {
		return err
	}
	options := sim.Options{Calls: calls, Seed: r.seed}
	if r.stage != "" {
		options.Dir = r.stage + ".world"
		if err := errors.Join(os.RemoveAll(options.Dir), os.MkdirAll(options.Dir, 0o700)); err != nil {
			return usageError{fmt.Errorf("make a folder for the world: %w", err)}
		}
		r.ends.World = options.Dir
	}
	if r.world, err = sim.New(r.scn, r.clock, options); err != nil {
		return fmt.Errorf("raise the pretend world: %w", err)
	}
	r.closes = append(r.closes, func() { _ = r.world.Close() })
	r.world.OnCall(r.called)
	r.differed = map[incident.ID][]string{}
	r.beside = newBeside(r)
	r.beside.routes(r.extra)
	if r.stage == "" {
		return nil
	}
	data, err := json.MarshalIndent(r.ends, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.stage, data, 0o600); err != nil {
		return usageError{fmt.Errorf("write how the bot reaches the rehearsal: %w", err)}
	}
	return nil
}

func (r *rehearsal) openSlack(wire, messages io.Writer) (err error) {
	host, port, err := net.SplitHostPort(r.listen)
	if err != nil {
		return usagef("--listen %q is not host:port, such as 127.0.0.1:8065", r.listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return usagef("--listen %q: the port is a number from 0 to 65535; 0 chooses a free one", r.listen)
	}
	r.warn(host)
	var people []slacksim.Person
	for _, p := range r.scn.People {
		people = append(people, slacksim.Person{ID: p.ID, Name: p.Name, Title: strings.Join(p.Roles, ", ")})
	}
	app, err := deploy.Slack()
	if err != nil {
		return err
	}
	var shortcuts []slacksim.Shortcut
	for _, s := range app.Shortcuts {
		shortcuts = append(shortcuts, slacksim.Shortcut{CallbackID: s.CallbackID, Name: s.Name})
	}
	r.extra = http.NewServeMux() // filled once there is a world
	r.slack, err = slacksim.New(slacksim.Options{
		BotName: app.Name, Command: app.Command, Scopes: app.Scopes, Events: app.Events, Shortcuts: shortcuts, Groups: groups(r.scn.People), DirectReadOnly: app.ReadOnly, HomeDisabled: !app.Home,
		Extra: r.extra, Listen: r.listen, Clock: r.clock, Speed: func() float64 { return float64(r.clock.Speed()) }, BotToken: r.ends.BotToken, AppToken: r.ends.AppToken, People: people,
		Channels: []slacksim.Channel{{ID: channel, Name: "incident-response"}, {ID: "C0GENERAL", Name: "general"}},
		Wire:     wire, Messages: messages,
	})
	if err != nil {
		return usagef("the rehearsal Slack cannot listen on %s: %w; is a rehearsal running already? --listen 127.0.0.1:0 chooses a free port", r.listen, err)
	}
	served := make(chan error, 1)
	go func() { served <- r.slack.Run(context.Background()) }()
	r.closes = append(r.closes, func() {
		_ = r.slack.Close()
		if err := <-served; err != nil {
			r.log.Warn().Err(err).Msg("the rehearsal Slack ended badly")
		}
	})
	return nil
}

// groups are the workspace's user groups: one for each role that somebody has.
func groups(people []sim.Person) (out []slacksim.Group) {
	for _, role := range []string{commands.Commander, commands.Approver, commands.Responder} {
		g := slacksim.Group{ID: "S0" + strings.ToUpper(role), Handle: role + "s", Name: strings.ToUpper(role[:1]) + role[1:] + "s"}
		for _, p := range people {
			if slices.Contains(p.Roles, role) {
				g.Users = append(g.Users, p.ID)
			}
		}
		if len(g.Users) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// openRecord opens the Redis of the rehearsal: inside the process, unless a test
// brought one.
func (r *rehearsal) openRecord(ctx context.Context) error {
	options := redis.Options{URL: r.redisURL, Clock: r.clock}
	if r.redisURL == "" {
		mini := miniredis.NewMiniRedis()
		if err := mini.Start(); err != nil {
			return fmt.Errorf("start the Redis of the rehearsal: %w", err)
		}
		r.closes = append(r.closes, mini.Close)
		r.ends.Redis = "redis://" + mini.Addr()
		client := goredis.NewClient(&goredis.Options{Addr: mini.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
		r.closes = append(r.closes, func() { _ = client.Close() })
		options = redis.Options{Client: client, Clock: r.clock}
	}
	redis.ClientLog(r.log)
	record, err := redis.Open(ctx, options, r.log)
	if err != nil {
		return err
	}
	r.record = record
	r.closes = append(r.closes, func() { _ = record.Disconnect() })
	return nil
}

// rosterID is the stable id of one of the scenario's people: their name, small.
func rosterID(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }

// roster is the scenario's people as the settings would hold them.
func roster(people []sim.Person) incident.Roster {
	var out incident.Roster
	for _, p := range people {
		one := incident.Person{
			ID: rosterID(p.Name), Name: p.Name, BreakGlass: slices.Contains(p.Roles, "break_glass"),
			Faces: map[string]string{incident.FaceSlack: p.ID},
		}
		for _, role := range p.Roles {
			if role == "break_glass" || role == "outsider" {
				continue
			}
			one.Roles = append(one.Roles, role)
		}
		if len(one.Roles) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// replica is the bot on this stage: the same as serve's but for its ends.
func (r *rehearsal) replica() replica {
	one := replica{
		clock:  r.clock,
		record: r.record,
		ends: providers.Ends{
			Clock: r.clock,
			AWS:   r.world.AWS,
			Kube:  func(region string) (dynamic.Interface, error) { return r.world.Kube(region), nil },
			Dial:  r.world.Dial,
		},
		topology:  r.world.Topology(),
		roster:    roster(r.scn.People),
		slack:     slack.Settings{BotToken: r.ends.BotToken, AppToken: r.ends.AppToken, APIURL: r.ends.SlackAPI},
		channel:   channel,
		templates: r.templates,
		rehearsal: true,
		catalog:   r.catalog,
	}
	if r.change != nil {
		r.change(&one)
	}
	return one
}

// runBot is the bot in a process of its own.
func (r *rehearsal) runBot(ctx context.Context) error {
	data, err := os.ReadFile(r.bot)
	if err != nil {
		return usageError{fmt.Errorf("read how the rehearsal is reached: %w", err)}
	}
	if err := json.Unmarshal(data, &r.ends); err != nil {
		return usagef("%s is not a file that rehearse --stage wrote: %w", r.bot, err)
	}
	if r.scn, err = sim.Load(r.ends.Scenario); err != nil {
		return usageError{err}
	}
	r.clock = sim.NewClockAt(r.ends.Start, r.ends.Instant, r.ends.Speed)
	r.closes = append(r.closes, r.clock.Close)
	r.redisURL = r.ends.Redis
	if err := r.openRecord(ctx); err != nil {
		return err
	}
	calls, err := os.OpenFile(filepath.Join(r.ends.World, "calls.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the record of calls: %w", err)
	}
	r.files = append(r.files, calls)
	if r.world, err = sim.New(r.scn, r.clock, sim.Options{Dir: r.ends.World, Calls: calls}); err != nil {
		return fmt.Errorf("find the pretend world: %w", err)
	}
	r.closes = append(r.closes, func() { _ = r.world.Close() })
	busy := r.clock.Busy()
	p, err := r.replica().assemble(ctx, r.log)
	busy()
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// warn says once, and before anybody can come, who could.
func (r *rehearsal) warn(host string) {
	if r.nth > 1 || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return
	}
	_, _ = fmt.Fprintf(r.stdout, "Warning: %s is not loopback. Whoever reaches this address can act as anybody in the rehearsal.\n", r.listen)
}

func (r *rehearsal) banner() {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(r.stdout, format+"\n", args...) }
	if r.nth > 1 {
		say("")
	}
	say("Rehearsal %s: %s", r.scn.Name, r.scn.Title)
	pages := r.slack.URLs()
	say("Slack: %s   time runs %s   seed %d   Redis: inside this process, gone with it (not durable)", pages[0], r.speed, r.seed)
	if others := pages[1:]; len(others) > 0 {
		say("From other machines: %s", strings.Join(others, "  "))
	}
	if r.out != "" {
		say("The records go to %s", r.out)
	}
	if r.stage != "" {
		say("The bot is not here. Start it: failoverbot rehearse --bot %s", r.stage)
	}
	if r.auto {
		say("The people of the scenario play themselves.")
		return
	}
	say("")
	say("Open the address, choose to be a commander, and type:  /failover start %s", r.scn.Target)
	say("Then choose to be an approver, who is asked before the point of no return. Ctrl-C ends it.")
	say("")
}

// play runs the bot and, with --auto, the people, and prints what happens.
func (r *rehearsal) play(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	if r.stage == "" {
		busy := r.clock.Busy()
		defer busy()
		one, err := r.beside.begin(ctx)
		if err != nil && !r.auto {
			return quiet(ctx, err) // Ctrl-C, perhaps
		}
		if err != nil {
			return err
		}
		all.Go(func() error { return r.beside.lives(ctx, one) })
		one.bot.connected(ctx)
		busy()
	}
	if r.scn.Cued() {
		conductor := r.clock.Busy()
		all.Go(func() error {
			defer conductor()
			return quiet(ctx, r.conduct(ctx))
		})
	}
	follower := r.clock.Busy()
	all.Go(func() error {
		defer follower()
		return quiet(ctx, r.follow(ctx))
	})
	var played error
	if r.auto {
		all.Go(func() error {
			defer stop()
			played = r.perform(ctx)
			return nil
		})
	}
	err := all.Wait()
	if !r.auto {
		return err
	}
	return errors.Join(err, played, r.judge())
}

// conduct sees to it that what the scenario has in store for the bot and for Slack
// happens also while nobody calls the world.
func (r *rehearsal) conduct(ctx context.Context) error {
	const look = time.Second // as often as the world itself moves
	for {
		r.cue()
		if err := r.clock.Sleep(ctx, look); err != nil {
			return err
		}
	}
}

// cue carries out what the scenario had in store up to now.
func (r *rehearsal) cue() {
	cues, err := r.world.Cues()
	if err != nil {
		r.log.Error().Err(err).Msg("the world does not remember what has happened")
	}
	for _, c := range cues {
		does := cmp.Or(c.Bot, c.Slack)
		_, _ = fmt.Fprintf(r.stdout, "%s  %s\n", r.clock.Now().Format("15:04:05"), map[string]string{
			"kill": "The bot is killed.", "start": "The bot is started.", "away": "Slack goes away.", "back": "Slack is back.",
		}[does])
		if err := r.beside.do(StageDeed{Do: does}); err != nil {
			r.log.Error().Err(err).Str("do", does).Msg("the scenario could not do that")
		}
	}
}

// quiet is nil for the error of a ctx that has ended.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// perform plays the people, and gives the bot the time to say its last words.
func (r *rehearsal) perform(ctx context.Context) error {
	defer r.clock.Busy()()
	patience := cmp.Or(r.patience, longest)
	ctx, stop := r.clock.WithTimeout(ctx, patience, fmt.Errorf("the rehearsal was not over after %s", patience))
	defer stop()
	var people []player.Person
	for _, p := range r.scn.People {
		one := player.Person{ID: p.ID, Name: p.Name, Roles: p.Roles, Absent: p.Absent}
		for _, d := range p.Does {
			one.Does = append(one.Does, player.Act{
				On: d.On, Kind: d.Kind, Step: d.Step, After: d.After, Say: d.Say, Press: d.Press, Form: d.Form, Times: d.Times,
			})
		}
		people = append(people, one)
	}
	resume := r.clock.Idle()
	err := player.New(r.slack.URL(), r.clock, people, func(line string) {
		_, _ = fmt.Fprintf(r.stdout, "%s  %s\n", r.clock.Now().Format("15:04:05"), line)
	}).Run(ctx)
	resume()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("play the people: %w", err)
	}
	return r.lastWords(ctx)
}

// lastWords waits until the review of a resolved incident is in the channel.
func (r *rehearsal) lastWords(ctx context.Context) error {
	const patience = 2 * time.Minute
	for end := r.clock.Now().Add(patience); r.clock.Now().Before(end); {
		id, err := r.current(ctx)
		if err != nil || id == "" {
			return err
		}
		places, err := r.record.Remembered(ctx, id)
		if err != nil {
			return err
		}
		if _, said := places[slack.ReviewFile]; said {
			return nil
		}
		if err := r.clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return errors.New("the review draft did not reach the channel")
}

// current is the newest incident, "" if there is none.
func (r *rehearsal) current(ctx context.Context) (incident.ID, error) {
	ids, err := r.record.Incidents(ctx, 1)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// follow prints each event of every incident as it happens.
func (r *rehearsal) follow(ctx context.Context) error {
	const look = 2 * time.Second
	name := r.replica().name
	book := incident.NewBook(r.record)
	said := func(events []incident.Event) error {
		for _, e := range events {
			if line := review.Line(e, name); line != "" {
				_, _ = fmt.Fprintln(r.stdout, line)
			}
		}
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	followed := map[incident.ID]bool{}
	all.Go(func() error {
		for {
			ids, err := r.record.Incidents(ctx, 0)
			if err != nil {
				return err
			}
			for n, id := range ids {
				if n < len(ids)-1 {
					r.differs(id, true)
				}
				if followed[id] {
					continue
				}
				followed[id] = true
				busy := r.clock.Busy()
				all.Go(func() error {
					defer busy()
					return book.Follow(ctx, r.clock, id, 0, said)
				})
			}
			if err := r.clock.Sleep(ctx, look); err != nil {
				return err
			}
		}
	})
	return all.Wait()
}

// judge says whether the rehearsal ended as it should.
func (r *rehearsal) judge() error {
	ctx := context.Background()
	id, err := r.current(ctx)
	if err != nil {
		return err
	}
	if id == "" {
		return errors.New("no incident was declared")
	}
	if r.seen, err = r.record.Read(ctx, id, 0, 0); err != nil {
		return err
	}
	var faults []string
	if s := incident.Fold(r.seen); s.ResolvedAt.IsZero() {
		faults = append(faults, fmt.Sprintf("%s is not resolved but %s", id.Name(), s.Phase()))
	}
	faults = append(faults, r.world.Check()...)
	timelines, err := r.timelines(ctx)
	if err != nil {
		return err
	}
	said, err := r.saidAt(ctx, id)
	if err != nil {
		return err
	}
	faults = append(faults, r.world.CheckRecord(timelines, said)...)
	r.measures()
	if len(faults) > 0 {
		return fmt.Errorf("the rehearsal did not end as it should:\n  %s", strings.Join(faults, "\n  "))
	}
	_, _ = fmt.Fprintln(r.stdout, "The incident is resolved and the world is as the scenario expects it.")
	return nil
}

// saidAt is when things were said in Slack about an incident, as far as is
// remembered.
func (r *rehearsal) saidAt(ctx context.Context, id incident.ID) (said []time.Time, err error) {
	places, err := r.record.Remembered(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if sec, err := strconv.ParseFloat(p.TS, 64); err == nil {
			said = append(said, time.UnixMicro(int64(sec*1e6)).UTC())
		}
	}
	slices.SortFunc(said, time.Time.Compare)
	return said, nil
}

// timelines are those of all incidents, in the order in which they were declared.
func (r *rehearsal) timelines(ctx context.Context) (all [][]incident.Event, err error) {
	ids, err := r.record.Incidents(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		events, err := r.record.Read(ctx, id, 0, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, events)
	}
	return all, nil
}

// measures prints where the time went.
func (r *rehearsal) measures() {
	plan, err := review.Plan(r.seen)
	if err != nil {
		plan = nil
	}
	t := review.Measure(r.seen, plan)
	_, _ = fmt.Fprintf(r.stdout, "pretend time %s (machine %s, waiting for people %s), critical path %s, machine / critical path %.3f, one after another %s, overlap %.2f\n",
		review.Span(t.Elapsed), review.Span(t.Machine), review.Span(t.Human), review.Span(t.Critical), t.Ratio(), review.Span(t.Sum), t.Overlap())
	_, _ = fmt.Fprintln(r.stdout, toldOrders(r.ordered()))
}

// ordered is what the newest incident cost those who order.
func (r *rehearsal) ordered() sim.OrderFigures {
	s := incident.Fold(r.seen)
	return r.world.OrderFigures(s.Target, s.GoAt, time.Time{})
}

// keep writes what is only known at the end.
func (r *rehearsal) keep() error {
	if r.out == "" {
		return nil
	}
	ctx := context.Background()
	ids, err := r.record.Incidents(ctx, 0)
	if err != nil {
		return err
	}
	world, err := json.MarshalIndent(r.world.Snapshot(), "", "  ")
	if err != nil {
		return fmt.Errorf("write world.json: %w", err)
	}
	if err := r.keepResults(ctx); err != nil {
		return err
	}
	files := map[string][]byte{"world.json": append(world, '\n'), "timeline.jsonl": nil, "review.md": nil}
	for n, id := range ids {
		events, err := r.record.Read(ctx, id, 0, 0)
		if err != nil {
			return err
		}
		var lines bytes.Buffer
		enc := json.NewEncoder(&lines)
		for _, e := range events {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		// An event does not say whose it is: a further incident has files of its own.
		which := ""
		if n > 0 {
			which = fmt.Sprintf("-%d", n+1)
		}
		files["timeline"+which+".jsonl"] = lines.Bytes()
		if files["review"+which+".md"], _, err = r.replica().draft(events); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(r.out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
