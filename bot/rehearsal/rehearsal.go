// Package rehearsal is a whole failover rehearsed in one process: the bot, a Slack
// workspace with its page, people who play themselves if wanted, and a two-Region
// world. At its end it says how it went and whether the world is as the scenario
// expects.
package rehearsal

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
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/bot"
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
)

// ByHand is the speed at which region-degraded takes about three minutes for
// somebody who presses the buttons.
const ByHand = "4"

// longest is how much pretend time a rehearsal that plays by itself may take.
const longest = time.Hour

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
	seen    []incident.Event
	files   []*os.File
	closes  []func()

	// How the world differed when another incident followed; see differs.
	mu       sync.Mutex
	differed map[incident.ID][]string
}

// stageFile is how a bot in a process of its own reaches a rehearsal.
type stageFile struct {
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
	if r.scn, err = sim.Load(r.Scenario); err != nil {
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

// chooseFolder finds a folder for the records. One that holds a rehearsal already is
// left as it is: this one gets a folder of its own within.
func (r *rehearsal) chooseFolder() error {
	if r.Out == "" {
		return nil
	}
	r.results = cmp.Or(r.results, r.Out)
	if err := os.MkdirAll(r.results, 0o755); err != nil {
		return bot.UsageError{Err: fmt.Errorf("make the folder for the records: %w", err)}
	}
	held, err := claimed(r.results)
	if err != nil || !held {
		return err
	}
	there, err := os.ReadDir(r.results)
	if err != nil {
		return bot.UsageError{Err: fmt.Errorf("look for a folder for the records: %w", err)}
	}
	for n := 2; ; n++ {
		number := strconv.Itoa(n) + "-"
		if slices.ContainsFunc(there, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), number) }) {
			continue
		}
		r.Out = filepath.Join(r.results, number+filepath.Base(r.scn.Name))
		switch err := os.Mkdir(r.Out, 0o755); { // another process may be as quick
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrExist):
			return bot.UsageError{Err: fmt.Errorf("make the folder for the records: %w", err)}
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
		return false, bot.UsageError{Err: fmt.Errorf("begin the records: %w", err)}
	}
	return false, f.Close()
}

// file opens one of the records of the rehearsal; without --out it is thrown away.
func (r *rehearsal) file(name string) (io.Writer, error) {
	if r.Out == "" {
		return io.Discard, nil
	}
	f, err := os.Create(filepath.Join(r.Out, name))
	if err != nil {
		return nil, bot.UsageError{Err: err}
	}
	r.files = append(r.files, f)
	return f, nil
}

// startStage builds the stage.
func (r *rehearsal) startStage(ctx context.Context) error {
	if err := r.chooseFolder(); err != nil {
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
	r.clock = sim.NewClockAt(r.scn.StartTime(), instant, r.Speed)
	r.closes = append(r.closes, r.clock.Close)
	r.reach = stageFile{
		Scenario: r.Scenario, BotToken: "xoxb-" + rand.Text(), AppToken: "xapp-" + rand.Text(),
		Start: r.scn.StartTime(), Instant: instant, Speed: r.Speed, Redis: r.RedisURL,
	}
	if err := r.openSlack(wire, messages); err != nil {
		return err
	}
	r.reach.SlackAPI = r.slack.APIURL()
	if err := r.openRecord(ctx); err != nil {
		return err
	}
	options := sim.Options{Calls: calls, Seed: r.Seed}
	if r.StageFile != "" {
		options.Dir = r.StageFile + ".world"
		if err := errors.Join(os.RemoveAll(options.Dir), os.MkdirAll(options.Dir, 0o700)); err != nil {
			return bot.UsageError{Err: fmt.Errorf("make a folder for the world: %w", err)}
		}
		r.reach.World = options.Dir
	}
	if r.world, err = sim.New(r.scn, r.clock, options); err != nil {
		return fmt.Errorf("raise the pretend world: %w", err)
	}
	r.closes = append(r.closes, func() { _ = r.world.Close() })
	r.world.OnCall(r.called)
	r.differed = map[incident.ID][]string{}
	r.panel = newPanel(r)
	r.panel.routes(r.extra)
	if r.StageFile == "" {
		return nil
	}
	data, err := json.MarshalIndent(r.reach, "", "  ")
	if err != nil {
		return err
	}
	// Whoever waits for the file finds all of it.
	unfinished := r.StageFile + ".new"
	if err := errors.Join(os.WriteFile(unfinished, data, 0o600), os.Rename(unfinished, r.StageFile)); err != nil {
		return bot.UsageError{Err: fmt.Errorf("write how the bot reaches the rehearsal: %w", err)}
	}
	return nil
}

func (r *rehearsal) openSlack(wire, messages io.Writer) (err error) {
	host, port, err := net.SplitHostPort(r.Listen)
	if err != nil {
		return bot.Usagef("--listen %q is not host:port, such as 127.0.0.1:8065", r.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return bot.Usagef("--listen %q: the port is a number from 0 to 65535; 0 chooses a free one", r.Listen)
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
		Extra: r.extra, Listen: r.Listen, Clock: r.clock, Speed: func() float64 { return float64(r.clock.Speed()) }, BotToken: r.reach.BotToken, AppToken: r.reach.AppToken, People: people,
		Channels: []slacksim.Channel{{ID: channel, Name: "incident-response"}, {ID: "C0GENERAL", Name: "general"}},
		Wire:     wire, Messages: messages,
	})
	if err != nil {
		return bot.Usagef("the rehearsal Slack cannot listen on %s: %w; is a rehearsal running already? --listen 127.0.0.1:0 chooses a free port", r.Listen, err)
	}
	served := make(chan error, 1)
	go func() { served <- r.slack.Run(context.Background()) }()
	r.closes = append(r.closes, func() {
		_ = r.slack.Close()
		if err := <-served; err != nil {
			r.Log.Warn().Err(err).Msg("the rehearsal Slack ended badly")
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
	options := redis.Options{URL: r.RedisURL, Clock: r.clock}
	if r.RedisURL == "" {
		mini := miniredis.NewMiniRedis()
		if err := mini.Start(); err != nil {
			return fmt.Errorf("start the Redis of the rehearsal: %w", err)
		}
		r.closes = append(r.closes, mini.Close)
		r.reach.Redis = "redis://" + mini.Addr()
		client := goredis.NewClient(&goredis.Options{Addr: mini.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
		r.closes = append(r.closes, func() { _ = client.Close() })
		options = redis.Options{Client: client, Clock: r.clock}
	}
	redis.ClientLog(r.Log)
	record, err := redis.Open(ctx, options, r.Log)
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
func (r *rehearsal) replica() bot.Options {
	one := bot.Options{
		Clock:  r.clock,
		Record: r.record,
		Connections: providers.Connections{
			Clock: r.clock,
			AWS:   r.world.AWS,
			Kube:  func(region string) (dynamic.Interface, error) { return r.world.Kube(region), nil },
			Dial:  r.world.Dial,
		},
		Topology:  r.world.Topology(),
		Roster:    roster(r.scn.People),
		Slack:     slack.Settings{BotToken: r.reach.BotToken, AppToken: r.reach.AppToken, APIURL: r.reach.SlackAPI},
		Channel:   channel,
		Templates: r.Templates,
		Rehearsal: true,
		Catalog:   r.catalog,
	}
	if r.change != nil {
		r.change(&one)
	}
	return one
}

// runBot is the bot in a process of its own.
func (r *rehearsal) runBot(ctx context.Context) error {
	data, err := os.ReadFile(r.BotFile)
	if err != nil {
		return bot.UsageError{Err: fmt.Errorf("read how the rehearsal is reached: %w", err)}
	}
	if err := json.Unmarshal(data, &r.reach); err != nil {
		return bot.Usagef("%s is not a file that rehearse --stage wrote: %w", r.BotFile, err)
	}
	if r.scn, err = sim.Load(r.reach.Scenario); err != nil {
		return bot.UsageError{Err: err}
	}
	r.clock = sim.NewClockAt(r.reach.Start, r.reach.Instant, r.reach.Speed)
	r.closes = append(r.closes, r.clock.Close)
	r.RedisURL = r.reach.Redis
	if err := r.openRecord(ctx); err != nil {
		return err
	}
	calls, err := os.OpenFile(filepath.Join(r.reach.World, "calls.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the record of calls: %w", err)
	}
	r.files = append(r.files, calls)
	if r.world, err = sim.New(r.scn, r.clock, sim.Options{Dir: r.reach.World, Calls: calls}); err != nil {
		return fmt.Errorf("find the pretend world: %w", err)
	}
	r.closes = append(r.closes, func() { _ = r.world.Close() })
	busy := r.clock.Busy()
	p, err := bot.New(ctx, r.replica(), r.Log)
	busy()
	if err != nil {
		return err
	}
	return p.Run(ctx)
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

// play runs the bot and, with --auto, the people, and prints what happens.
func (r *rehearsal) play(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	if r.StageFile == "" {
		busy := r.clock.Busy()
		defer busy()
		one, err := r.panel.begin(ctx)
		if err != nil && !r.Auto {
			return quiet(ctx, err) // Ctrl-C, perhaps
		}
		if err != nil {
			return err
		}
		all.Go(func() error { return r.panel.run(ctx, one) })
		one.bot.Connected(ctx)
		busy()
	}
	if r.scn.Cued() {
		conductor := r.clock.Busy()
		all.Go(func() error {
			defer conductor()
			return quiet(ctx, r.runCues(ctx))
		})
	}
	follower := r.clock.Busy()
	all.Go(func() error {
		defer follower()
		return quiet(ctx, r.follow(ctx))
	})
	var played error
	if r.Auto {
		all.Go(func() error {
			defer stop()
			played = r.playPeople(ctx)
			return nil
		})
	}
	err := all.Wait()
	if !r.Auto {
		return err
	}
	return errors.Join(err, played, r.verify())
}

// runCues sees to it that what the scenario has in store for the bot and for Slack
// happens also while nobody calls the world.
func (r *rehearsal) runCues(ctx context.Context) error {
	const look = time.Second // as often as the world itself moves
	for {
		r.runDueCues()
		if err := r.clock.Sleep(ctx, look); err != nil {
			return err
		}
	}
}

// runDueCues carries out what the scenario had in store up to now.
func (r *rehearsal) runDueCues() {
	cues, err := r.world.Cues()
	if err != nil {
		r.Log.Error().Err(err).Msg("the world does not remember what has happened")
	}
	for _, c := range cues {
		does := cmp.Or(c.Bot, c.Slack)
		_, _ = fmt.Fprintf(r.Stdout, "%s  %s\n", r.clock.Now().Format("15:04:05"), map[string]string{
			"kill": "The bot is killed.", "start": "The bot is started.", "away": "Slack goes away.", "back": "Slack is back.",
		}[does])
		if err := r.panel.do(StageDeed{Do: does}); err != nil {
			r.Log.Error().Err(err).Str("do", does).Msg("the scenario could not do that")
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

// playPeople plays the people, and gives the bot the time to say its last words.
func (r *rehearsal) playPeople(ctx context.Context) error {
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
		_, _ = fmt.Fprintf(r.Stdout, "%s  %s\n", r.clock.Now().Format("15:04:05"), line)
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
	name := r.replica().Roster.NameOf
	book := incident.NewBook(r.record)
	said := func(events []incident.Event) error {
		for _, e := range events {
			if line := review.Line(e, name); line != "" {
				_, _ = fmt.Fprintln(r.Stdout, line)
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

// verify says whether the rehearsal ended as it should.
func (r *rehearsal) verify() error {
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
	_, _ = fmt.Fprintln(r.Stdout, "The incident is resolved and the world is as the scenario expects it.")
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
	_, _ = fmt.Fprintf(r.Stdout, "pretend time %s (machine %s, waiting for people %s), critical path %s, machine / critical path %.3f, one after another %s, overlap %.2f\n",
		review.Span(t.Elapsed), review.Span(t.Machine), review.Span(t.Human), review.Span(t.Critical), t.Ratio(), review.Span(t.Sum), t.Overlap())
	_, _ = fmt.Fprintln(r.Stdout, toldOrders(r.ordered()))
}

// ordered is what the newest incident cost those who order.
func (r *rehearsal) ordered() sim.OrderFigures {
	s := incident.Fold(r.seen)
	return r.world.OrderFigures(s.Target, s.GoAt, time.Time{})
}

// writeRecords writes what is only known at the end.
func (r *rehearsal) writeRecords() error {
	if r.Out == "" {
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
		if files["review"+which+".md"], _, err = r.replica().Draft(events); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(r.Out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
