package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/bot/slack"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/deploy/settings"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/redis"
)

// notKnown is the error of a check that could not find out what is required.
type notKnown struct{ error }

// recordWithin is how long the record may take when it is beside what was asked.
const recordWithin = 5 * time.Second

type checkOptions struct {
	file, target, mode, output string
	drift                      bool
}

func checkVerb(env func(string) string, secrets *text.Secrets) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use: "check --config FILE", Short: "Carry out the readiness checks once and print what they find, the worst first", Args: noArgs,
		Long: "Carry out the readiness checks once, towards the Region that would take over, and print what they find, the worst first. " +
			"Nothing of the platform is changed. With REDIS_URL, what was found is kept on the record, and what cannot be found out is told as it was known last.\n\n" +
			"With --drift it is told, too, where the settings differ from what there is, as 'failoverbot discover --settings' finds it; " +
			"it needs the same rights, and what may not be read is said. It has no part in the exit code.\n\n" +
			"The exit code is 0 when all that is required passes, 1 when a required check failed, 3 when one could not be found out, and 2 when nothing was checked.",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.mode != "planned" && o.mode != "unplanned" {
				return bot.Usagef("--mode is planned or unplanned, not %q", o.mode)
			}
			if o.output != "table" && o.output != "json" {
				return bot.Usagef("--output is table or json, not %q", o.output)
			}
			from, err := settingsOf(c.Context(), o.file, env)
			if err != nil {
				return err
			}
			return check(c.Context(), from, o, env, secrets, withoutQueries{c.OutOrStdout()}, newLog(c.ErrOrStderr()))
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	f.StringVar(&o.target, "target", "", "the Region that would take over; the one that is not home if not given")
	f.StringVar(&o.target, "region", "", "the same as --target")
	f.StringVar(&o.mode, "mode", "planned", "planned or unplanned")
	f.StringVar(&o.output, "output", "table", "table, for people, or json")
	f.BoolVar(&o.drift, "drift", false, "also compare the settings with what there is in accounts and clusters now")
	_ = f.MarkHidden("region") // there is one
	return c
}

func check(ctx context.Context, c *settings.Settings, o checkOptions, env func(string) string, secrets *text.Secrets, out io.Writer, log zerolog.Logger) error {
	var source, target runbook.Region
	for name, r := range c.Platform.Regions {
		if name == o.target || (o.target == "" && name != c.Platform.Home) {
			target = r
		} else {
			source = r
		}
	}
	if target.Name == "" {
		return bot.Usagef("%q is not a Region of the platform: use one of %s", o.target, strings.Join(regionNames(c.Platform), ", "))
	}
	l, err := looking(ctx, c, runbook.Facts{
		Mode: o.mode, Severity: "SEV-1", Reason: "readiness check", Source: source, Target: target, Topology: c.Platform,
	}, secrets, log)
	if err != nil {
		return err
	}
	defer l.closed()
	clock, book := incident.RealClock{}, l.book
	var report commands.Report
	incident.Together(clock, 3, func(i int) {
		switch {
		case i == 0:
			proofs := bot.Plans(c.Platform, l.catalog.Runbook(), func(f runbook.Facts) (*runbook.Plan, error) {
				return l.runbook.Compile(l.catalog.Runbook(), f)
			}, clock)
			all := &incident.Proofs{Clock: clock, List: append(proofs, proofsOf(c, l.ends)...)}
			report.Bot = all.Try(ctx, 10*time.Second)
		case i == 1:
			e := engine.New(engine.Options{Book: book, Catalog: l.catalog, Clock: clock}, zerolog.Nop())
			made := e.Readiness(ctx, l.plan, incident.WhyCheck)
			report.Assessment = incident.Assessment{AssessmentMade: made, At: clock.Now(), By: incident.Bot}
		case o.drift:
			report.Drift = drift(ctx, o.file, env, secrets)
		}
	})
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if book != nil {
		if err := book.KeepAssessment(ctx, report.Assessment, nil, 0); err != nil {
			log.Warn().Err(err).Msg("what was found is not on the record")
		}
	}
	write := report.Table
	if o.output == "json" {
		write = report.JSON
	}
	if err := write(out); err != nil {
		return err
	}
	return outcome(report)
}

// drift compares a settings file with what accounts and clusters have now. That it could
// not is told in it: the checks do without.
func drift(ctx context.Context, file string, env func(string) string, secrets *text.Secrets) *commands.Drift {
	found, _, draft, err := compared(ctx, discoverOptions{file: file}, env, secrets)
	if err != nil {
		return &commands.Drift{Settings: []commands.Drifted{}, Unread: []string{}, Error: text.Bare(err)}
	}
	differ, same := found.Differences(draft.Values)
	out := &commands.Drift{Settings: make([]commands.Drifted, len(differ)), Same: same, Unread: make([]string, len(found.Unread))}
	for i, d := range differ {
		out.Settings[i] = commands.Drifted{Setting: d.Setting, Verdict: d.Verdict, File: d.File, Found: d.Found}
	}
	for i, u := range found.Unread {
		out.Unread[i] = u.String()
	}
	return out
}

// outcome is the error that a report ends the program with; nil where all that is
// required passes.
func outcome(r commands.Report) error {
	switch r.Result() {
	case incident.Fail:
		return fmt.Errorf("%s is not ready to take over", r.Target)
	case incident.Unsure:
		return notKnown{fmt.Errorf("whether %s is ready to take over could not be found out", r.Target)}
	case incident.Pass, incident.Warn, incident.NotApplicable:
	}
	return nil
}

// look is what a command needs that looks at the platform once: the plan that it looks
// by, and the record where there is one; nil otherwise. closed has to be called.
type look struct {
	ends    providers.Connections
	runbook *runbook.Source
	catalog engine.Catalog
	plan    *runbook.Plan
	book    *incident.Book
	closed  func()
}

// looking connects to the platform and compiles the plan for these facts.
func looking(ctx context.Context, c *settings.Settings, facts runbook.Facts, secrets *text.Secrets, log zerolog.Logger) (l look, err error) {
	if l.ends, err = connect(ctx, c, secrets, zerolog.Nop()); err != nil {
		return l, err
	}
	if l.runbook, err = bot.Runbook(files(c)); err != nil {
		return l, err
	}
	l.book, l.closed = recordOf(ctx, c, secrets, log)
	if l.book != nil {
		l.ends.Record = l.book
	}
	l.catalog = providers.Catalog(l.ends)
	if l.plan, err = l.runbook.Compile(l.catalog.Runbook(), facts); err != nil {
		l.closed()
		return l, bot.UsageError{Err: err}
	}
	return l, nil
}

// recordOf is the record, where REDIS_URL names one and it can be reached; nil
// otherwise, for a check can do without. closed has to be called.
func recordOf(ctx context.Context, c *settings.Settings, secrets *text.Secrets, log zerolog.Logger) (book *incident.Book, closed func()) {
	none := func() {}
	if c.Secrets.RedisURL == "" {
		return nil, none
	}
	ctx, stop := incident.RealClock{}.WithTimeout(ctx, recordWithin, fmt.Errorf("no answer within %s", recordWithin))
	defer stop()
	record, err := redis.Open(ctx, redis.Options{URL: c.Secrets.RedisURL, Prefix: c.Redis.Prefix}, zerolog.Nop())
	if err != nil {
		log.Warn().Err(err).Msg("the record cannot be reached, so what was known before is not told")
		return nil, none
	}
	return incident.NewBook(incident.Hiding(record, secrets.Hide)), func() { _ = record.Disconnect() } // nothing is left to be lost
}

// proofsOf are what serve would rely on, as far as its secrets are at hand: whoever
// checks the platform alone needs none of them.
func proofsOf(c *settings.Settings, ends providers.Connections) []incident.Proof {
	var out []incident.Proof
	if c.Secrets.RedisURL != "" {
		out = append(out, incident.Proof{Name: "the record can be written", Where: "Redis", Prove: func(ctx context.Context) error {
			record, err := redis.Open(ctx, redis.Options{URL: c.Secrets.RedisURL, Prefix: c.Redis.Prefix}, zerolog.Nop())
			if err != nil {
				return err
			}
			defer func() { _ = record.Disconnect() }() // nothing is left to be lost
			return record.Prove(ctx)
		}})
	}
	if c.Secrets.SlackBotToken != "" && c.Secrets.SlackAppToken != "" {
		dialled := func(prove func(context.Context, *slack.Client) error) func(context.Context) error {
			return func(ctx context.Context) error {
				client, err := slack.Dial(ctx, slack.Settings{
					BotToken: c.Secrets.SlackBotToken, AppToken: c.Secrets.SlackAppToken, APIURL: c.Secrets.SlackAPIURL,
				}, incident.RealClock{}, zerolog.Nop())
				if err != nil {
					return err
				}
				defer client.Close()
				return prove(ctx, client)
			}
		}
		out = append(out,
			incident.Proof{Name: "the channel can be posted to", Where: c.Slack.Channel, Prove: dialled(func(ctx context.Context, s *slack.Client) error {
				return s.CanPost(ctx, c.Slack.Channel)
			})},
			incident.Proof{Name: "the people of the roster can act", Where: "Slack", Prove: dialled(func(ctx context.Context, s *slack.Client) error {
				return s.Knows(ctx, c.Roster())
			})},
		)
	}
	if ends.Page != nil && ends.Page.RoutingKey != "" {
		out = append(out, incident.Proof{Name: "people on call can be paged", Where: "PagerDuty", Prove: func(context.Context) error { return ends.Page.Plausible() }})
	}
	return out
}
