// Failoverbot moves a platform from one AWS Region to another from a Slack
// channel, and keeps the incident's record.
//
// This file introduces the parts to each other. serve and rehearse make the same
// replica out of them and differ only in the ends of its wires: the real ones,
// or a Slack workspace and a two-Region world inside the process.
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
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slacksim"
	"github.com/failoverbot/failoverbot/bot/slacksim/player"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/live"
	"github.com/failoverbot/failoverbot/providers/pagerduty"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/templates"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // usage or settings at fault; nothing was done
)

// usageError is a mistake in what was typed or set.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}

// run is the whole program. It reads no environment but through env.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env func(string) string) int {
	root := verbs(env)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var faults runbook.Faults
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &faults):
		fmt.Fprintln(stderr, faults.Error())
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "failoverbot:", err)
		return exitUsage
	default:
		fmt.Fprintln(stderr, "failoverbot:", err)
		return exitFailed
	}
}

func verbs(env func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:           "failoverbot",
		Short:         "Moves a platform from one AWS Region to another, from a Slack channel",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		// A verb that does not exist leaves its flags to the one above.
		if verb := noArgs(c, c.Flags().Args()); c.HasSubCommands() && verb != nil {
			return verb
		}
		return usagef("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(serveVerb(env), checkVerb(env), rehearseVerb(), runbookVerb(), scenarioVerb(), versionVerb())
	return root
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%q is not something that %s takes", args[0], c.CommandPath())
	if c.HasSubCommands() {
		text = fmt.Sprintf("%q is not a verb of %s", args[0], c.CommandPath())
		c.SuggestionsMinimumDistance = 2 // letters; 0 would find nothing
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf(". Did you mean %s?", strings.Join(near, " or "))
		}
	}
	return usagef("%s; see %s --help", text, c.CommandPath())
}

// oneFile takes one file at most.
func oneFile(c *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return usagef("%s takes one file, not %d: what is %q? See %s --help", c.CommandPath(), len(args), args[1], c.CommandPath())
}

func versionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version + " " + info.GoVersion
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "failoverbot", version)
			return err
		},
	}
}

// ---- one replica ----

// replica is what one running bot is made of, whatever its ends are.
type replica struct {
	clock       incident.Clock
	record      incident.Log
	ends        providers.Ends
	topology    runbook.Topology
	roster      []commands.Person
	slack       bot.Settings
	channel     string
	templates   fs.FS
	updateEvery time.Duration
	rehearsal   bool
	// catalog, when set, changes the actions: tests break single ones.
	catalog func(engine.Catalog) engine.Catalog
}

// parts are a replica put together.
type parts struct {
	replica
	book   *incident.Book
	engine *engine.Engine
	// bot and client are nil until Slack has been reached; voice is what the bot
	// is made from then.
	bot    *bot.Bot
	client *bot.Client
	voice  bot.Options
	log    zerolog.Logger

	answers *commands.Commands
}

// assemble makes the parts and tries both Slack tokens. A run that is under way
// must not wait for Slack, so outside rehearsals a Slack that cannot be reached is
// tried again later; tokens that it refuses are a fault.
func (r replica) assemble(ctx context.Context, log zerolog.Logger) (*parts, error) {
	source, err := loadRunbook(r.templates)
	if err != nil {
		return nil, err
	}
	catalog := providers.Catalog(r.ends)
	if r.catalog != nil {
		catalog = r.catalog(catalog)
	}
	p := &parts{replica: r, book: incident.NewBook(r.record), log: log}
	p.engine = engine.New(engine.Options{
		Book: p.book, Catalog: catalog, Clock: r.clock, Holder: holder(),
	}, log)
	p.answers = commands.New(commands.Options{
		Book:      p.book,
		Engine:    p.engine,
		Clock:     r.clock,
		Roster:    r.roster,
		Topology:  r.topology,
		Compile:   func(f runbook.Facts) (*runbook.Plan, error) { return source.Compile(catalog.Runbook(), f) },
		Active:    r.active(catalog),
		Serves:    r.serves(catalog),
		Rehearsal: r.rehearsal,
		Review:    p.review,
	}, log)
	p.voice = bot.Options{
		Channel:     r.channel,
		Commands:    p.answers,
		Book:        p.book,
		Clock:       r.clock,
		Roster:      r.roster,
		Rehearsal:   r.rehearsal,
		Holds:       p.engine.Holds,
		Review:      p.review,
		UpdateEvery: r.updateEvery,
		Templates:   r.templates,
	}
	switch err := p.speak(ctx); {
	case err == nil:
	case r.rehearsal, ctx.Err() != nil, !errors.As(err, new(unreached)):
		return nil, usageError{err}
	default:
		log.Warn().Err(err).Msg("Slack cannot be reached; a run that is under way goes on without it")
	}
	return p, nil
}

// unreached is the error of a Slack that did not answer, as opposed to one that
// refused.
type unreached struct{ error }

// speak makes the bot, if Slack can be reached.
func (p *parts) speak(ctx context.Context) error {
	client, err := bot.Dial(ctx, p.slack, p.clock, p.log)
	switch {
	case err != nil && bot.Refused(err):
		return err
	case err != nil:
		return unreached{err}
	}
	voice := p.voice
	voice.Client = client
	if p.bot, err = bot.New(voice, p.log); err != nil {
		client.Close()
		return err
	}
	p.client = client
	return nil
}

// talk runs the bot, and tries again to reach Slack until there is one.
func (p *parts) talk(ctx context.Context) error {
	const again = 10 * time.Second
	for p.bot == nil {
		busy := p.clock.Busy()
		err := p.clock.Sleep(ctx, again)
		busy()
		if err != nil {
			return err
		}
		switch err := p.speak(ctx); {
		case err == nil:
			p.log.Info().Str("workspace", p.client.Team).Msg("Slack is reached")
		case errors.As(err, new(unreached)):
			p.log.Warn().Err(err).Msg("Slack cannot be reached; trying again")
		default:
			return usageError{err}
		}
	}
	defer p.client.Close()
	return p.bot.Run(ctx)
}

// holder names this process among all replicas, and among its own lives.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "replica"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strings.ToLower(rand.Text()[:4]))
}

// run brings the parts to life until ctx ends or one of them cannot go on.
func (p *parts) run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return p.engine.Run(ctx) })
	all.Go(func() error { return p.talk(ctx) })
	err := all.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// connected waits a moment, in real time, for Slack to reach the bot. At top speed
// the caller holds the pretend clock meanwhile, for connecting should take no
// pretend time; if it does need some, the bot goes on connecting after this.
func (p *parts) connected(ctx context.Context) {
	const look, looks = 2 * time.Millisecond, 150
	for range looks {
		if p.bot.Connections() > 0 || (incident.RealClock{}).Sleep(ctx, look) != nil {
			return
		}
	}
}

func (r replica) name(id string) string {
	for _, p := range r.roster {
		if p.ID == id {
			return p.Name
		}
	}
	return ""
}

func (p *parts) review(ctx context.Context, id incident.ID) (commands.File, error) {
	events, err := p.record.Read(ctx, id, 0, 0)
	if err != nil {
		return commands.File{}, fmt.Errorf("read the timeline for the review: %w", err)
	}
	draft, stats, err := p.draft(events)
	if err != nil {
		return commands.File{}, err
	}
	return commands.File{
		Name:    strings.ToLower(string(id)) + "-review.md",
		Title:   fmt.Sprintf("Review draft of %s: %s", id, stats),
		Content: draft,
	}, nil
}

func (r replica) draft(events []incident.Event) ([]byte, review.Stats, error) {
	text, err := fs.ReadFile(r.templates, "review/review.md.tmpl")
	if err != nil {
		return nil, review.Stats{}, fmt.Errorf("read the review's template: %w", err)
	}
	return review.Write(events, review.Options{Template: string(text), Name: r.name})
}

// serves says whether one Region serves users now: its database writes, and the
// zone's own servers give its addresses alone. Neither asks another Region.
func (r replica) serves(catalog engine.Catalog) func(context.Context, string) (bool, string, error) {
	return func(ctx context.Context, region string) (bool, string, error) {
		call := engine.Call{
			Plan:  &runbook.Plan{Mode: "planned", Topology: r.topology, Target: r.topology.Regions[region]},
			Began: r.clock.Now(), Impact: r.clock.Now(), Clock: r.clock,
			Result: func(string) (engine.Outcome, bool) { return engine.Outcome{}, false },
		}
		for name, other := range r.topology.Regions {
			if name != region {
				call.Plan.Source = other
			}
		}
		writes, yes, err := catalog["aurora.writable"].Look(ctx, call)
		if err != nil || !yes {
			return false, writes.Summary, err
		}
		answers, yes, err := catalog["dns.authoritative"].Look(ctx, call)
		return yes && err == nil, writes.Summary + "; " + answers.Summary, err
	}
}

// active finds the Region that serves users now. All are asked at once, because
// one of them may never answer.
func (r replica) active(catalog engine.Catalog) func(context.Context) (string, string, error) {
	const limit = 8 * time.Second
	type found struct {
		region, evidence string
		yes              bool
		err              error
	}
	serves := r.serves(catalog)
	return func(ctx context.Context) (string, string, error) {
		ctx, stop := r.clock.WithTimeout(ctx, limit, fmt.Errorf("not found out within %s", limit))
		defer stop()
		all := make(chan found, len(r.topology.Regions))
		for region := range r.topology.Regions {
			done := r.clock.Busy()
			go func() { // ends with ctx at the latest
				defer done()
				yes, evidence, err := serves(ctx, region)
				all <- found{region, evidence, yes, err}
			}()
		}
		var unknown error
		for range r.topology.Regions {
			resume := r.clock.Idle()
			f := <-all
			resume()
			if f.yes {
				return f.region, f.evidence, nil
			}
			unknown = errors.Join(unknown, f.err)
		}
		if unknown == nil {
			unknown = errors.New("no Region has both the writing database and the zone's answers")
		}
		return "", "", unknown
	}
}

func loadRunbook(files fs.FS) (*runbook.Source, error) {
	source, err := runbook.Load(files, "runbook/failover.yaml")
	if err != nil {
		return nil, usageError{err}
	}
	return source, nil
}

// ---- serve and check ----

func serveVerb(env func(string) string) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "serve --config FILE", Short: "Run the bot on the real platform", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), file, env, newLog(c.ErrOrStderr()))
		},
	}
	c.Flags().StringVar(&file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	return c
}

func newLog(w io.Writer) zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: w, TimeFormat: time.RFC3339, NoColor: true}).With().Timestamp().Logger()
}

func settingsOf(file string, env func(string) string, needed ...string) (*Config, error) {
	if file == "" {
		return nil, usagef("--config is missing: name the settings file; deploy/config.example.yaml shows one")
	}
	c, err := LoadConfig(file, env, needed...)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (c *Config) ends(ctx context.Context) (providers.Ends, error) {
	dial := live.NewDial(c.Dial)
	regions := make([]string, 0, len(c.Platform.Regions))
	for name := range c.Platform.Regions {
		regions = append(regions, name)
	}
	slices.Sort(regions)
	aws, err := live.AWS(ctx, live.AWSSettings{Profile: c.AWS.Profile, Dial: dial, Regions: regions})
	if err != nil {
		return providers.Ends{}, usageError{err}
	}
	ends := providers.Ends{
		Clock:      incident.RealClock{},
		AWS:        aws,
		Kube:       live.Kube(live.KubeSettings{Clusters: c.Kubernetes, AWS: aws, Clock: incident.RealClock{}, Dial: dial}),
		Dial:       dial,
		InVPC:      c.InVPC,
		OrderToken: c.Secrets.OrderToken,
	}
	if c.PagerDuty.Enabled {
		ends.Page = &pagerduty.Settings{RoutingKey: c.Secrets.PagerDutyKey, Endpoint: c.PagerDuty.URL}
	}
	return ends, nil
}

func (c *Config) files() fs.FS {
	if c.Templates == "" {
		return templates.FS
	}
	return os.DirFS(c.Templates)
}

func serve(ctx context.Context, file string, env func(string) string, log zerolog.Logger) error {
	c, err := settingsOf(file, env, "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "REDIS_URL")
	if err != nil {
		return err
	}
	redis.ClientLog(log)
	record, err := redis.Open(ctx, redis.Options{URL: c.Secrets.RedisURL, Prefix: c.Redis.Prefix}, log)
	if err != nil {
		return usageError{err}
	}
	defer func() { _ = record.Disconnect() }() // nothing is left to be lost
	durable, err := record.Durability(ctx)
	if err != nil {
		return fmt.Errorf("ask Redis how durable it is: %w", err)
	}
	if !durable.AppendOnly && !c.AllowVolatile {
		return usagef("%s. The record would be lost with the server: turn on appendonly, or set allow_volatile in %s", strings.TrimSuffix(durable.Says, "."), file)
	}
	log.Info().Str("redis", durable.Says).Msg("the record")
	ends, err := c.ends(ctx)
	if err != nil {
		return err
	}
	topology := c.Platform
	topology.Policy.Page = c.PagerDuty.Enabled
	p, err := replica{
		clock: incident.RealClock{}, record: record, ends: ends, topology: topology, roster: c.Roster(),
		slack: bot.Settings{
			BotToken: c.Secrets.SlackBotToken, AppToken: c.Secrets.SlackAppToken, APIURL: c.Secrets.SlackAPIURL,
		},
		channel: c.Slack.Channel, templates: c.files(), updateEvery: c.UpdateEvery,
	}.assemble(ctx, log)
	if err != nil {
		return quiet(ctx, err)
	}
	if p.client != nil {
		log.Info().Str("workspace", p.client.Team).Str("channel", c.Slack.Channel).Msg("ready: " + c.Slack.Command + " help")
	}
	err = p.run(ctx)
	log.Info().Msg("stopped")
	return err
}

func checkVerb(env func(string) string) *cobra.Command {
	var file, region, mode string
	c := &cobra.Command{
		Use: "check --config FILE", Short: "Carry out the readiness checks once and print what they find", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := settingsOf(file, env)
			if err != nil {
				return err
			}
			return check(c.Context(), settings, region, mode, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	c.Flags().StringVar(&region, "region", "", "the Region that would take over; the one that is not home if not given")
	c.Flags().StringVar(&mode, "mode", "planned", "planned or unplanned")
	return c
}

func check(ctx context.Context, c *Config, region, mode string, out io.Writer) error {
	if mode != "planned" && mode != "unplanned" {
		return usagef("--mode is planned or unplanned, not %q", mode)
	}
	var source, target runbook.Region
	for name, r := range c.Platform.Regions {
		if name == region || (region == "" && name != c.Platform.Home) {
			target = r
		} else {
			source = r
		}
	}
	if target.Name == "" {
		return usagef("%q is not a Region of the platform: use one of %s", region, strings.Join(regionNames(c.Platform), ", "))
	}
	ends, err := c.ends(ctx)
	if err != nil {
		return err
	}
	files, err := loadRunbook(c.files())
	if err != nil {
		return err
	}
	catalog := providers.Catalog(ends)
	plan, err := files.Compile(catalog.Runbook(), runbook.Facts{
		Mode: mode, Severity: "SEV-1", Reason: "readiness check", Source: source, Target: target, Topology: c.Platform,
	})
	if err != nil {
		return usageError{err}
	}
	e := engine.New(engine.Options{Catalog: catalog, Clock: incident.RealClock{}}, zerolog.Nop())
	failed := 0
	for _, f := range e.Readiness(ctx, plan) {
		word, text := "ok", f.Outcome.Summary
		switch {
		case f.Unknown:
			word, text = "unknown", f.Err.Error()
		case !f.OK:
			word = "failed"
		}
		if word != "ok" && f.Step.Gate == runbook.Required {
			failed++
		}
		if _, err := fmt.Fprintf(out, "%-8s %s: %s\n", word, f.Step.Title, text); err != nil {
			return err
		}
		if f.Hint != "" && word != "ok" {
			if _, err := fmt.Fprintf(out, "%-8s %s\n", "", f.Hint); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%s is not ready to take over: %d required checks did not pass", target.Name, failed)
	}
	return nil
}

func regionNames(t runbook.Topology) []string {
	var names []string
	for name := range t.Regions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ---- runbook and scenario ----

func runbookVerb() *cobra.Command {
	c := &cobra.Command{
		Use: "runbook", Short: "Check, show or describe the runbook", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	// Nobody is called: the catalogue is only asked what it has.
	catalog := func() runbook.Catalog {
		return providers.Catalog(providers.Ends{Clock: incident.RealClock{}}).Runbook()
	}
	var mode string
	show := &cobra.Command{
		Use: "show [FILE]", Short: "Print the plan it makes", Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			if mode != "planned" && mode != "unplanned" {
				return usagef("--mode is planned or unplanned, not %q", mode)
			}
			files, path, dir := runbookFile(args)
			source, err := runbook.Load(files, path)
			if err != nil {
				return under(err, dir)
			}
			plan, err := source.Compile(catalog(), runbook.RepresentativeFacts(mode))
			if err != nil {
				return under(err, dir)
			}
			_, err = io.WriteString(c.OutOrStdout(), runbook.Show(plan))
			return err
		},
	}
	show.Flags().StringVar(&mode, "mode", "planned", "planned or unplanned")
	lint := &cobra.Command{
		Use: "lint [FILE]", Short: "Report every fault with file, line and column", Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			files, path, dir := runbookFile(args)
			faults, err := runbook.LintFile(files, path, catalog())
			if err != nil {
				return under(err, dir)
			}
			if len(faults) > 0 {
				return faults.Under(dir)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "no fault found in", filepath.Join(dir, path))
			return err
		},
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of runbook files, for editors", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			data, err := runbook.Schema(catalog())
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(append(data, '\n'))
			return err
		},
	}
	c.AddCommand(lint, show, schema)
	return c
}

// runbookFile is the file system, the path in it, and where it lies: the built-in
// runbook if none is named.
func runbookFile(args []string) (files fs.FS, path, dir string) {
	if len(args) == 0 {
		return templates.FS, "runbook/failover.yaml", "templates"
	}
	dir, path = filepath.Split(args[0])
	if dir == "" {
		dir = "."
	}
	return os.DirFS(dir), path, dir
}

func under(err error, dir string) error { return usageError{runbook.Under(err, dir)} }

func scenarioVerb() *cobra.Command {
	c := &cobra.Command{
		Use: "scenario", Short: "Check or describe scenario files", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	lint := &cobra.Command{
		Use: "lint [FILE]", Short: "Report every fault with file, line and column", Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = sim.Scenarios()
			}
			for _, name := range args {
				if _, err := sim.Load(name); err != nil {
					return usageError{err}
				}
				if _, err := fmt.Fprintln(c.OutOrStdout(), "no fault found in", name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of scenario files, for editors", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			data, err := sim.ScenarioSchema()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(append(data, '\n'))
			return err
		},
	}
	c.AddCommand(lint, schema)
	return c
}

// ---- rehearse ----

// byHand is the speed at which region-degraded takes about three minutes for
// somebody who presses the buttons.
const byHand = "4"

// longest is how much pretend time a rehearsal that plays by itself may take.
const longest = time.Hour

func rehearseVerb() *cobra.Command {
	o := rehearsal{stdout: io.Discard}
	var speed string
	c := &cobra.Command{
		Use:   "rehearse",
		Short: "Rehearse a failover: the bot, a Slack workspace and a two-Region world in one process",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if speed == "" {
				speed = byHand
				if o.auto {
					speed = "max"
				}
			}
			if o.speed, err = sim.ParseSpeed(speed); err != nil {
				return usageError{err}
			}
			if o.speed == sim.Max && !o.auto && o.bot == "" {
				return usagef("--speed max is for --auto: by hand, time would jump to the end of every question; use a number such as %s", byHand)
			}
			o.stdout, o.log = c.OutOrStdout(), zerolog.Nop()
			if o.verbose {
				o.log = newLog(c.ErrOrStderr())
			}
			o.templates = templates.FS
			return o.run(c.Context())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.auto, "auto", false, "let the people of the scenario play themselves, and check the world at the end")
	f.StringVar(&o.scenario, "scenario", "region-degraded", "a built-in scenario or a file")
	f.StringVar(&speed, "speed", "", "how much faster than life, or max; "+byHand+" by hand, max with --auto")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8065", "where the rehearsal Slack listens; port 0 chooses freely")
	f.StringVar(&o.out, "out", "", "a folder for the records of the rehearsal")
	f.BoolVar(&o.verbose, "verbose", false, "show the bot's own log on stderr")
	f.StringVar(&o.stage, "stage", "", "run everything but the bot, and write to this file how a bot of its own reaches it")
	f.StringVar(&o.bot, "bot", "", "run only the bot, against the rehearsal whose --stage file this is")
	return c
}

// rehearsal is one rehearsal: the stage (Slack, world, Redis, people) and the bot
// on it. The two can also be processes of their own, so that the bot can be
// killed and started again while the rest lives on.
type rehearsal struct {
	auto      bool
	scenario  string
	speed     sim.Speed
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

	scn    *sim.Scenario
	clock  *sim.Clock
	slack  *slacksim.Server
	world  *sim.World
	beside *beside
	extra  *http.ServeMux
	record incident.Log
	ends   stage
	seen   []incident.Event
	files  []*os.File
	closes []func()
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
	if err := r.raise(ctx); err != nil {
		return err
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
	if r.out != "" {
		if err := os.MkdirAll(r.out, 0o755); err != nil {
			return usageError{fmt.Errorf("make the folder for the records: %w", err)}
		}
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
	options := sim.Options{Calls: calls}
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
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		_, _ = fmt.Fprintf(r.stdout, "Warning: %s is not loopback. Whoever reaches this address can act as anybody in the rehearsal.\n", r.listen)
	}
	var people []slacksim.Person
	for _, p := range r.scn.People {
		people = append(people, slacksim.Person{ID: p.ID, Name: p.Name, Title: strings.Join(p.Roles, ", ")})
	}
	r.extra = http.NewServeMux() // filled once there is a world
	r.slack, err = slacksim.New(slacksim.Options{
		Extra: r.extra, Listen: r.listen, Clock: r.clock, BotToken: r.ends.BotToken, AppToken: r.ends.AppToken, People: people,
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

// roster is the scenario's people as the settings would hold them.
func roster(people []sim.Person) []commands.Person {
	var out []commands.Person
	for _, p := range people {
		one := commands.Person{ID: p.ID, Name: p.Name, BreakGlass: slices.Contains(p.Roles, "break_glass")}
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
		slack:     bot.Settings{BotToken: r.ends.BotToken, AppToken: r.ends.AppToken, APIURL: r.ends.SlackAPI},
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

func (r *rehearsal) banner() {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(r.stdout, format+"\n", args...) }
	say("Rehearsal %s: %s", r.scn.Name, r.scn.Title)
	say("Slack: %s   time runs %s   Redis: inside this process, gone with it (not durable)", r.slack.URL(), r.speed)
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
		p, err := r.replica().assemble(ctx, r.log)
		if err != nil && !r.auto {
			return quiet(ctx, err) // Ctrl-C, perhaps
		}
		if err != nil {
			return err
		}
		all.Go(func() error { return r.beside.live(ctx, p) })
		p.connected(ctx)
		busy()
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
	book := incident.NewBook(r.record)
	for end := r.clock.Now().Add(patience); r.clock.Now().Before(end); {
		id, err := r.current(ctx)
		if err != nil || id == "" {
			return err
		}
		said := false
		err = book.View(ctx, id, func(s *incident.State) { _, said = s.Posts[bot.ReviewFile] })
		if err != nil || said {
			return err
		}
		if err := r.clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return errors.New("the review draft did not reach the channel")
}

// current is the newest incident, "" if there is none.
func (r *rehearsal) current(ctx context.Context) (incident.ID, error) {
	ids, err := r.record.Incidents(ctx)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[len(ids)-1], nil
}

// follow prints each event as it happens.
func (r *rehearsal) follow(ctx context.Context) error {
	name := r.replica().name
	book := incident.NewBook(r.record)
	for {
		id, err := r.current(ctx)
		if err != nil {
			return err
		}
		if id != "" {
			return book.Follow(ctx, r.clock, id, 0, func(events []incident.Event) error {
				for _, e := range events {
					if line := review.Line(e, name); line != "" {
						_, _ = fmt.Fprintln(r.stdout, line)
					}
				}
				return nil
			})
		}
		if err := r.clock.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
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
		faults = append(faults, fmt.Sprintf("%s is not resolved but %s", id, s.Phase()))
	}
	world := r.world
	if r.stage != "" { // the bot's process moved it; read it anew
		if world, err = sim.New(r.scn, r.clock, sim.Options{Dir: r.ends.World}); err != nil {
			return err
		}
		defer func() { _ = world.Close() }()
	}
	faults = append(faults, world.Check()...)
	r.measures()
	if len(faults) > 0 {
		return fmt.Errorf("the rehearsal did not end as it should:\n  %s", strings.Join(faults, "\n  "))
	}
	_, _ = fmt.Fprintln(r.stdout, "The incident is resolved and the world is as the scenario expects it.")
	return nil
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
}

// keep writes what is only known at the end.
func (r *rehearsal) keep() error {
	if r.out == "" {
		return nil
	}
	ctx := context.Background()
	id, err := r.current(ctx)
	if err != nil {
		return err
	}
	world, err := json.MarshalIndent(r.world.Snapshot(), "", "  ")
	if err != nil {
		return fmt.Errorf("write world.json: %w", err)
	}
	if err := r.keepResult(ctx); err != nil {
		return err
	}
	files := map[string][]byte{"world.json": append(world, '\n'), "timeline.jsonl": nil, "review.md": nil}
	if id != "" {
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
		files["timeline.jsonl"] = lines.Bytes()
		if files["review.md"], _, err = r.replica().draft(events); err != nil {
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
