package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/deploy/settings"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers"
)

type drillOptions struct {
	file, target, of, owner, output string
}

func drillVerb(env func(string) string, secrets *text.Secrets) *cobra.Command {
	var o drillOptions
	c := &cobra.Command{
		Use: "drill --config FILE", Short: "Print what a run would do now, in which order, how long it would take and which rights it lacks", Args: noArgs,
		Long: "Hold a dry run: read what a run would do now, step by step and in its order, how long that takes when all goes well, what would stop it, " +
			"and which rights the bot lacks for it, as IAM's simulator and the clusters tell them. Nothing is changed, and nobody is paged. " +
			"It may be held while a run changes things. With REDIS_URL it is kept on the record, in the name of --owner.\n\n" +
			"The exit code is 0 when nothing that could be read would stop it, 1 when something would or a right is missing, 3 when that could not be found out, and 2 when nothing was read.",
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(commands.DrillWords, o.of) {
				return bot.Usagef("--of is %s, not %q", text.List(commands.DrillWords, "or"), o.of)
			}
			if o.output != "table" && o.output != "json" {
				return bot.Usagef("--output is table or json, not %q", o.output)
			}
			from, err := settingsOf(c.Context(), o.file, env)
			if err != nil {
				return err
			}
			return drill(c.Context(), from, o, secrets, withoutQueries{c.OutOrStdout()}, newLog(c.ErrOrStderr()))
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	f.StringVar(&o.target, "target", "", "the Region that would take over; if not given the one that is not home, and home for a failback or servers")
	f.StringVar(&o.of, "of", "planned", "what is foreseen: planned or unplanned, of a failover, failback or servers")
	f.StringVar(&o.owner, "owner", "", "who holds it, by a name or id of the roster; the bot if not given")
	f.StringVar(&o.output, "output", "table", "table, for people, or json")
	return c
}

// drillFacts are the facts of the run that is foreseen.
func drillFacts(t runbook.Topology, o drillOptions) (runbook.Facts, error) {
	kind, mode, _ := commands.Drilled(o.of)
	home := kind == incident.Failback || kind == incident.MoveServers
	facts := runbook.Facts{Kind: kind, Mode: mode, Severity: "SEV-4", Reason: "a drill", Topology: t}
	for _, name := range regionNames(t) {
		r := t.Regions[name]
		r.Name = name
		if name == o.target || o.target == "" && (name == t.Home) == home {
			facts.Target = r
		} else {
			facts.Source = r
		}
	}
	switch {
	case facts.Target.Name == "":
		return facts, bot.Usagef("%q is not a Region of the platform: use one of %s", o.target, strings.Join(regionNames(t), ", "))
	case kind == incident.Failback && facts.Target.Name != t.Home:
		return facts, bot.Usagef("a failback leads to %s, where the platform is at home, and %s is not: leave --target out", t.Home, facts.Target.Name)
	}
	return facts, nil
}

// ownerOf is whoever the roster knows by that name or id.
func ownerOf(roster incident.Roster, owner string) (string, error) {
	if owner == "" {
		return incident.Bot, nil
	}
	var names []string
	for _, p := range roster {
		if text.Fold(owner) == text.Fold(p.ID) || text.Fold(owner) == text.Fold(p.Name) {
			return p.ID, nil
		}
		names = append(names, cmp.Or(p.Name, p.ID))
	}
	return "", bot.Usagef("--owner %q is not on the roster: use one of %s", owner, strings.Join(names, ", "))
}

func drill(ctx context.Context, c *settings.Settings, o drillOptions, secrets *text.Secrets, out io.Writer, log zerolog.Logger) error {
	facts, err := drillFacts(c.Platform, o)
	if err != nil {
		return err
	}
	owner, err := ownerOf(c.Roster(), o.owner)
	if err != nil {
		return err
	}
	l, err := looking(ctx, c, facts, secrets, log)
	if err != nil {
		return err
	}
	defer l.closed()
	clock, book := incident.RealClock{}, l.book
	e := engine.New(engine.Options{Book: book, Catalog: l.catalog, Clock: clock, Reviews: providers.Reviews(l.ends)}, zerolog.Nop())
	held := commands.DryRun{Foreseen: e.Foresee(ctx, l.plan), By: cmp.Or(c.Roster().NameOf(owner), owner)}
	held.Ended = clock.Now()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if book != nil {
		if err := book.KeepDrill(ctx, held.Held(), held.Ended, owner, nil, ""); err != nil {
			log.Warn().Err(err).Msg("that the drill was held is not on the record")
		}
	}
	write := held.Table
	if o.output == "json" {
		write = held.JSON
	}
	if err := write(out); err != nil {
		return err
	}
	return drillOutcome(held)
}

// drillOutcome is the error that a dry run ends the program with; nil where nothing that
// could be read would stop the run.
func drillOutcome(d commands.DryRun) error {
	what := text.Article(d.What()) + " to " + d.Target
	switch d.Result() {
	case incident.Fail:
		return fmt.Errorf("%s would be stopped", what)
	case incident.Unsure:
		return notKnown{fmt.Errorf("whether %s would be stopped could not be found out", what)}
	case incident.Pass, incident.Warn, incident.NotApplicable:
	}
	return nil
}
