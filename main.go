// Failoverbot moves a platform from one AWS Region to another from a Slack
// channel, and keeps the incident's record.
//
// This file has the verbs and what the real platform is reached by. bot puts a
// replica together; bot/rehearsal gives it a Slack and a two-Region world inside the
// process instead.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/rehearsal"
	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/deploy/settings"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/endpoints"
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
	// exitUnknown: check could not find out something that is required.
	exitUnknown = 3
)

func main() {
	os.Exit(untilSignal(os.Getenv))
}

// untilSignal is the whole program in a process of its own.
func untilSignal(env func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr, env)
}

// run is the whole program. It reads no environment but through env.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env func(string) string) int {
	// What is read of the environment is never said, on any of the verbs' streams or
	// elsewhere. Names, reasons and answers from outside come out as characters.
	secrets := new(text.Secrets)
	out, errs := secrets.Writer(stdout), secrets.Writer(stderr)
	stdout, stderr = text.Terminal(out), text.Terminal(errs)
	root := verbs(secrets.Environ(env), secrets)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if lost := out.Flush(); err == nil {
		err = lost
	}
	code := exit(err, withoutQueries{stderr})
	_ = errs.Flush() // whoever could be told of it reads that stream
	return code
}

// exit says what went wrong, and is the exit code.
func exit(err error, stderr io.Writer) int {
	var usage bot.UsageError
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
	case errors.As(err, new(notKnown)):
		fmt.Fprintln(stderr, "failoverbot:", err)
		return exitUnknown
	default:
		fmt.Fprintln(stderr, "failoverbot:", err)
		return exitFailed
	}
}

func verbs(env func(string) string, secrets *text.Secrets) *cobra.Command {
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
		return bot.Usagef("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(serveVerb(env, secrets), checkVerb(env, secrets), discoverVerb(env, secrets), drillVerb(env, secrets), evidenceVerb(env, secrets), timelineVerb(env, secrets), rehearseVerb(), runbookVerb(), scenarioVerb(), versionVerb())
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
	return bot.Usagef("%s; see %s --help", text, c.CommandPath())
}

// oneFile takes one file at most.
func oneFile(c *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return bot.Usagef("%s takes one file, not %d: what is %q? See %s --help", c.CommandPath(), len(args), args[1], c.CommandPath())
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

// ---- serve ----

func serveVerb(env func(string) string, secrets *text.Secrets) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "serve --config FILE", Short: "Run the bot on the real platform", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), file, env, secrets, newLog(c.ErrOrStderr()))
		},
	}
	c.Flags().StringVar(&file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	return c
}

func newLog(w io.Writer) zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: withoutQueries{w}, TimeFormat: time.RFC3339, NoColor: true}).With().Timestamp().Logger()
}

// withoutQueries takes what addresses hold of users, passwords and tokens out of each
// line, whoever wrote it: more than can be known as a secret, for nobody follows an
// address of the log.
type withoutQueries struct{ w io.Writer }

// Write writes p, which is a whole line.
func (s withoutQueries) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.w, text.Addresses(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// readByOthers are the variables whose secrets libraries read by themselves. They are
// read here, too, so that they are known as what is never said.
var readByOthers = []string{
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_ENDPOINT_URL",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
}

func settingsOf(ctx context.Context, file string, env func(string) string, needed ...string) (*settings.Settings, error) {
	if file == "" {
		return nil, bot.Usagef("--config is missing: name the settings file; deploy/config.example.yaml shows one")
	}
	return strict.Within(ctx, func() (*settings.Settings, error) {
		for _, name := range readByOthers {
			env(name)
		}
		c, err := settings.Load(file, env, providers.Parts(), needed...)
		if err != nil {
			return nil, bot.UsageError{Err: err}
		}
		return c, nil
	})
}

// roles are those to assume, in the words of who does.
func roles(c *settings.Settings) map[string]live.Role {
	out := map[string]live.Role{}
	for region, r := range c.AWS.Roles {
		out[region] = live.Role(r)
	}
	return out
}

// own are the endpoints of the program itself, as far as the settings name them.
func own(c *settings.Settings) []endpoints.Endpoint {
	out := []endpoints.Endpoint{endpoints.At("Slack", cmp.Or(c.Secrets.SlackAPIURL, "https://slack.com"), "")}
	if c.Secrets.RedisURL != "" {
		out = append(out, endpoints.Record(c.Secrets.RedisURL, c.Redis.Region))
	}
	if c.PagerDuty.Enabled {
		out = append(out, endpoints.At("PagerDuty", cmp.Or(c.PagerDuty.URL, pagerduty.EventsEndpoint), ""))
	}
	if c.PagerDuty.Service != "" || c.PagerDuty.TestService != "" {
		out = append(out, endpoints.At("PagerDuty's REST API", cmp.Or(c.PagerDuty.APIURL, pagerduty.RESTEndpoint), ""))
	}
	return out
}

// connect makes the real ends of the wires; it calls nobody.
func connect(ctx context.Context, c *settings.Settings, secrets *text.Secrets, log zerolog.Logger) (providers.Connections, error) {
	dial, proxy := live.NewDial(c.Dial), live.NewProxy(c.Dial)
	regions := make([]string, 0, len(c.Platform.Regions))
	for name := range c.Platform.Regions {
		regions = append(regions, name)
	}
	slices.Sort(regions)
	aws, err := live.AWS(ctx, live.AWSSettings{Profile: c.AWS.Profile, Roles: roles(c), Dial: dial, Proxy: proxy, Regions: regions, Secret: secrets.Obtain}, log)
	if err != nil {
		return providers.Connections{}, bot.UsageError{Err: err}
	}
	ends := providers.Connections{
		Clock:      incident.RealClock{},
		AWS:        aws,
		Kube:       live.Kube(live.KubeSettings{Clusters: c.Kubernetes, AWS: aws, Clock: incident.RealClock{}, Dial: dial, Proxy: proxy, Secret: secrets.Obtain}),
		Dial:       dial,
		InVPC:      c.InVPC,
		OrderToken: c.Secrets.OrderToken, GrafanaToken: c.Secrets.GrafanaToken,
		Own:     own(c),
		Roster:  c.Roster(),
		Support: c.Slack.Support != "",
	}
	if c.PagerDuty.Service != "" {
		ends.Pager = &pagerduty.API{Token: c.Secrets.PagerDutyToken, Service: c.PagerDuty.Service, Endpoint: c.PagerDuty.APIURL, Proxy: proxy}
	}
	if c.PagerDuty.TestService != "" {
		ends.PagerTest = &pagerduty.Test{
			Page: pagerduty.Settings{RoutingKey: c.Secrets.PagerDutyTestKey, Endpoint: c.PagerDuty.URL, Proxy: proxy},
			API:  pagerduty.API{Token: c.Secrets.PagerDutyToken, Service: c.PagerDuty.TestService, Endpoint: c.PagerDuty.APIURL, Proxy: proxy},
		}
	}
	if c.PagerDuty.Enabled {
		ends.Page = &pagerduty.Settings{RoutingKey: c.Secrets.PagerDutyKey, Endpoint: c.PagerDuty.URL, Proxy: proxy}
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

func serve(ctx context.Context, file string, env func(string) string, secrets *text.Secrets, log zerolog.Logger) error {
	unmapStart()
	// What it keeps is small and what it answers is little: collecting twice as often
	// costs next to nothing and saves memory when everybody asks. Who set GOGC is right.
	if was := debug.SetGCPercent(50); was != 100 {
		debug.SetGCPercent(was)
	}
	c, err := settingsOf(ctx, file, env, "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "REDIS_URL")
	if err != nil {
		return err
	}
	redis.ClientLog(log)
	record, err := redis.Open(ctx, redis.Options{URL: c.Secrets.RedisURL, Prefix: c.Redis.Prefix}, log)
	if err != nil {
		return bot.UsageError{Err: err}
	}
	defer func() { _ = record.Disconnect() }() // nothing is left to be lost
	durable, err := record.Durability(ctx)
	if err != nil {
		return fmt.Errorf("ask Redis how durable it is: %w", err)
	}
	if !durable.AppendOnly && !c.AllowVolatile {
		return bot.Usagef("%s. The record would be lost with the server: turn on appendonly, or set allow_volatile in %s", strings.TrimSuffix(durable.Says, "."), file)
	}
	log.Info().Str("redis", durable.Says).Msg("the record")
	ends, err := connect(ctx, c, secrets, log)
	if err != nil {
		return err
	}
	topology := c.Platform
	topology.Policy.Page = c.PagerDuty.Enabled
	b, err := bot.New(ctx, bot.Options{
		Clock: incident.RealClock{}, Record: record, Connections: ends, Topology: topology, Roster: c.Roster(),
		Slack: slack.Settings{
			BotToken: c.Secrets.SlackBotToken, AppToken: c.Secrets.SlackAppToken, APIURL: c.Secrets.SlackAPIURL,
		},
		Channel: c.Slack.Channel, OnCallGroup: c.Slack.OnCallGroup, Support: c.Slack.Support, Command: c.Slack.Command, Templates: files(c), UpdateEvery: c.UpdateEvery, CheckEvery: c.CheckEvery,
		Detection: bot.Detection{
			Off: c.Detection.Off, Control: c.Detection.Control,
			Settings: detect.Settings{Views: c.Detection.Views, Observations: c.Detection.Observations, CoolDown: c.Detection.CoolDown},
		},
		Secrets: secrets,
	}, log)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while it began
		}
		return err
	}
	told := func(not []incident.Unproved) {
		for _, u := range not {
			log.Warn().Msg(u.String())
		}
		if len(not) > 0 {
			log.Warn().Int("not so", len(not)).Msg("running, and not ready; " + c.Slack.Command + " help works as far as Slack and the record do")
		} else {
			log.Info().Str("workspace", b.Workspace()).Str("channel", c.Slack.Channel).Msg("ready: " + c.Slack.Command + " help")
		}
	}
	// A run that is under way does not wait for the proofs.
	var proving sync.WaitGroup
	watched, stop := context.WithCancel(ctx)
	proving.Go(func() {
		b.Connected(watched) // whoever asks first is answered first: compiling every kind of run takes both processors
		if not := b.Prove(watched); watched.Err() == nil {
			told(not)
			debug.FreeOSMemory() // runbooks were compiled for each kind of run, which takes more than all that follows
			unmapStart()
			b.Watch(watched, not, told)
		}
	})
	err = b.Run(ctx)
	stop()
	proving.Wait()
	log.Info().Msg("stopped")
	return err
}

func regionNames(t runbook.Topology) []string {
	var names []string
	for name := range t.Regions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ---- rehearse ----

func rehearseVerb() *cobra.Command {
	o := rehearsal.Options{Templates: templates.FS}
	var speed, seed string
	var verbose bool
	c := &cobra.Command{
		Use:   "rehearse",
		Short: "Rehearse a failover: the bot, a Slack workspace and a two-Region world in one process",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if speed == "" {
				speed = rehearsal.ByHand
				if o.Auto && o.StageFile == "" {
					speed = "max"
				}
			}
			if o.Speed, err = sim.ParseSpeed(speed); err != nil {
				return bot.UsageError{Err: err}
			}
			if o.Seed, err = parseSeed(seed); err != nil {
				return err
			}
			if o.BotFile != "" && c.Flags().Changed("seed") {
				return bot.Usagef("--seed is for the stage, whose world the bot plays in: give it with --stage")
			}
			if o.Speed == sim.Max && !o.Auto && o.BotFile == "" {
				return bot.Usagef("--speed max is for --auto: by hand, time would jump to the end of every question; use a number such as %s", rehearsal.ByHand)
			}
			if o.Speed == sim.Max && o.StageFile != "" {
				return bot.Usagef("--speed max needs everything in one process; with --stage give a number such as %s", rehearsal.ByHand)
			}
			o.Stdout, o.Log = c.OutOrStdout(), zerolog.Nop()
			if verbose {
				o.Log = newLog(c.ErrOrStderr())
			}
			return rehearsal.Run(c.Context(), o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Auto, "auto", false, "let the people of the scenario play themselves, and check the world at the end")
	f.StringVar(&o.Scenario, "scenario", "region-degraded", "a built-in scenario or a file")
	f.StringVar(&speed, "speed", "", "how much faster than life, or max; "+rehearsal.ByHand+" by hand, max with --auto")
	f.StringVar(&seed, "seed", "0", "what the pretend world draws: a whole number; the same one draws the same again")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8065", "where the rehearsal Slack listens; port 0 chooses freely")
	f.StringVar(&o.Out, "out", "", "a folder for the records of the rehearsal")
	f.BoolVar(&verbose, "verbose", false, "show the bot's own log on stderr")
	f.StringVar(&o.StageFile, "stage", "", "run everything but the bot, and write to this file how a bot of its own reaches it")
	f.StringVar(&o.BotFile, "bot", "", "run only the bot, against the rehearsal whose --stage file this is")
	return c
}

func parseSeed(s string) (uint64, error) {
	seed, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0, bot.Usagef("--seed %q is not usable: give a whole number from 0 up, such as 7", s)
	}
	return seed, nil
}

// ---- runbook and scenario ----

func runbookVerb() *cobra.Command {
	c := &cobra.Command{
		Use: "runbook", Short: "Check, show or describe the runbook", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	// Nobody is called: the catalogue is only asked what it has.
	catalog := func() runbook.Catalog {
		return providers.Catalog(providers.Connections{Clock: incident.RealClock{}}).Runbook()
	}
	var mode string
	var back, restore, detach, servers, rebuild bool
	show := &cobra.Command{
		Use: "show [FILE]", Short: "Print the plan it makes", Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			if mode != "planned" && mode != "unplanned" {
				return bot.Usagef("--mode is planned or unplanned, not %q", mode)
			}
			if back && mode != "planned" {
				return bot.Usagef("a failback is planned: leave --mode out, or --failback")
			}
			if restore && (back || mode != "planned") {
				return bot.Usagef("a restore moves nobody: leave --mode and --failback out, or --restore")
			}
			if detach && (back || restore || mode == "planned" && c.Flags().Changed("mode")) {
				return bot.Usagef("a detach is unplanned: leave --mode, --failback and --restore out, or --detach")
			}
			if servers && (back || restore || mode != "planned") {
				return bot.Usagef("servers are moved apart: leave --mode, --failback and --restore out, or --servers")
			}
			if rebuild && (back || restore || detach || servers || mode != "planned") {
				return bot.Usagef("a standby is rebuilt apart: leave the other flags out, or --rebuild")
			}
			files, path, dir := runbookFile(args)
			source, err := strict.Within(c.Context(), func() (*runbook.Source, error) {
				source, err := runbook.Load(files, path)
				if err != nil {
					return nil, under(err, dir)
				}
				return source, nil
			})
			if err != nil {
				return err
			}
			facts := runbook.RepresentativeFacts(mode, providers.Parts()...)
			if back {
				facts = facts.Back()
			}
			if restore {
				facts = facts.Restoring()
			}
			if detach {
				facts = facts.Detaching()
			}
			if servers {
				facts = facts.Servers()
			}
			if rebuild {
				facts = facts.Rebuilding()
			}
			plan, err := source.Compile(catalog(), facts)
			if err != nil {
				return under(err, dir)
			}
			_, err = io.WriteString(c.OutOrStdout(), runbook.Show(plan))
			return err
		},
	}
	show.Flags().StringVar(&mode, "mode", "planned", "planned or unplanned")
	show.Flags().BoolVar(&back, "failback", false, "the plan of the way back")
	show.Flags().BoolVar(&detach, "detach", false, "the plan of an unplanned failover whose database is detached")
	show.Flags().BoolVar(&restore, "restore", false, "the plan of a restore from a backup")
	show.Flags().BoolVar(&servers, "servers", false, "the plan of a move of servers home")
	show.Flags().BoolVar(&rebuild, "rebuild", false, "the plan of a standby's rebuild after a detach")
	lint := &cobra.Command{
		Use: "lint [FILE]", Short: "Report every fault with file, line and column", Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			files, path, dir := runbookFile(args)
			faults, err := strict.Within(c.Context(), func() (runbook.Faults, error) {
				faults, err := runbook.LintFile(files, path, catalog())
				if err != nil {
					return nil, under(err, dir)
				}
				return faults, nil
			})
			if err != nil {
				return err
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

func under(err error, dir string) error { return bot.UsageError{Err: runbook.Under(err, dir)} }

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
				_, err := strict.Within(c.Context(), func() (*sim.Scenario, error) {
					scenario, err := sim.Load(name)
					if err != nil {
						return nil, bot.UsageError{Err: err}
					}
					return scenario, nil
				})
				if err != nil {
					return err
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
