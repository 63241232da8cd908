// Failoverbot moves a platform from one AWS Region to another from a Slack
// channel, and keeps the incident's record.
//
// This file introduces the parts to each other. serve and rehearse make the same
// replica out of them and differ only in the ends of its wires: the real ones,
// or a Slack workspace and a two-Region world inside the process.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/deploy/settings"
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
	roster      incident.Roster
	slack       slack.Settings
	channel     string
	command     string // as the workspace calls it; /failover when empty
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
	bot    *slack.Face
	client *slack.Client
	voice  slack.Options
	log    zerolog.Logger

	answers *commands.Commands
}

// assemble makes the parts and tries both Slack tokens. A run that is under way
// must not wait for Slack, so a Slack that cannot be reached is tried again later;
// tokens that it refuses are a fault.
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
	p.voice = slack.Options{
		Channel:     r.channel,
		Commands:    p.answers,
		Book:        p.book,
		Clock:       r.clock,
		Roster:      r.roster,
		Rehearsal:   r.rehearsal,
		Holds:       p.engine.Holds,
		Review:      p.review,
		Command:     r.command,
		UpdateEvery: r.updateEvery,
		Templates:   r.templates,
	}
	switch err := p.speak(ctx); {
	case err == nil:
	case ctx.Err() != nil, !errors.As(err, new(unreached)):
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
	client, err := slack.Dial(ctx, p.slack, p.clock, p.log)
	switch {
	case err != nil && slack.Refused(err):
		return err
	case err != nil:
		return unreached{err}
	}
	voice := p.voice
	voice.Client = client
	if p.bot, err = slack.New(voice, p.log); err != nil {
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
	p, _ := r.roster.ByID(id)
	return p.Name
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
		Name:    strings.ToLower(id.Name()) + "-review.md",
		Title:   fmt.Sprintf("Review draft of %s: %s", id.Name(), stats),
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
		var seen []string
		for _, a := range append(catalog.Showing(incident.DatabaseWrites), catalog.Showing(incident.NamesMoved)...) {
			o, yes, err := a.Look(ctx, call)
			seen = append(seen, o.Summary)
			if err != nil || !yes {
				return false, strings.Join(seen, "; "), err
			}
		}
		return true, strings.Join(seen, "; "), nil
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

func settingsOf(file string, env func(string) string, needed ...string) (*settings.Settings, error) {
	if file == "" {
		return nil, usagef("--config is missing: name the settings file; deploy/config.example.yaml shows one")
	}
	c, err := settings.Load(file, env, providers.Parts(), needed...)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// connect makes the real ends of the wires; it calls nobody.
func connect(ctx context.Context, c *settings.Settings, log zerolog.Logger) (providers.Ends, error) {
	dial := live.NewDial(c.Dial)
	regions := make([]string, 0, len(c.Platform.Regions))
	for name := range c.Platform.Regions {
		regions = append(regions, name)
	}
	slices.Sort(regions)
	aws, err := live.AWS(ctx, live.AWSSettings{Profile: c.AWS.Profile, Dial: dial, Regions: regions}, log)
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

// files are the runbook, the messages and the review.
func files(c *settings.Settings) fs.FS {
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
	ends, err := connect(ctx, c, log)
	if err != nil {
		return err
	}
	topology := c.Platform
	topology.Policy.Page = c.PagerDuty.Enabled
	p, err := replica{
		clock: incident.RealClock{}, record: record, ends: ends, topology: topology, roster: c.Roster(),
		slack: slack.Settings{
			BotToken: c.Secrets.SlackBotToken, AppToken: c.Secrets.SlackAppToken, APIURL: c.Secrets.SlackAPIURL,
		},
		channel: c.Slack.Channel, command: c.Slack.Command, templates: files(c), updateEvery: c.UpdateEvery,
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
			from, err := settingsOf(file, env)
			if err != nil {
				return err
			}
			return check(c.Context(), from, region, mode, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	c.Flags().StringVar(&region, "region", "", "the Region that would take over; the one that is not home if not given")
	c.Flags().StringVar(&mode, "mode", "planned", "planned or unplanned")
	return c
}

func check(ctx context.Context, c *settings.Settings, region, mode string, out io.Writer) error {
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
	ends, err := connect(ctx, c, zerolog.Nop())
	if err != nil {
		return err
	}
	loaded, err := loadRunbook(files(c))
	if err != nil {
		return err
	}
	catalog := providers.Catalog(ends)
	plan, err := loaded.Compile(catalog.Runbook(), runbook.Facts{
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
			plan, err := source.Compile(catalog(), runbook.RepresentativeFacts(mode, providers.Parts()...))
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
