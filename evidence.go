package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/redis"
	"github.com/failoverbot/failoverbot/templates"
)

type evidenceOptions struct {
	file, since, output string
	from                []string
}

func evidenceVerb(env func(string) string, secrets *text.Secrets) *cobra.Command {
	var o evidenceOptions
	c := &cobra.Command{
		Use: "evidence (--config FILE | --from FOLDER)", Short: "Print which runs and drills there were, and what of the failback control they prove", Args: noArgs,
		Long: "Print, for an auditor, each run and drill with who, what, when and how it ended, what was achieved against the objectives, and for each bullet " +
			"of the failback control the events that prove it, or that it was not tested. The chain of each timeline is checked first.\n\n" +
			"With --config timelines are read from the record at REDIS_URL; with --from from the folders that rehearsals wrote with --out, and those below. " +
			"Both may be given. Nothing is changed.\n\n" +
			"The exit code is 1 when a chain is broken.",
		RunE: func(c *cobra.Command, _ []string) error {
			return printEvidence(c.Context(), o, env, secrets, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "the settings file; deploy/config.example.yaml shows one")
	f.StringArrayVar(&o.from, "from", nil, "a folder with the records of rehearsals; may be given several times")
	f.StringVar(&o.since, "since", "", "leave out what was declared before: a day such as 2026-01-31, or how long ago, such as 90d")
	f.StringVar(&o.output, "output", "md", "md, json or html")
	return c
}

func printEvidence(ctx context.Context, o evidenceOptions, env func(string) string, secrets *text.Secrets, out io.Writer) error {
	if !slices.Contains([]string{"md", "json", "html"}, o.output) {
		return bot.Usagef("--output is md, json or html, not %q", o.output)
	}
	if o.file == "" && len(o.from) == 0 {
		return bot.Usagef("name where the timelines are: --config FILE for the record, or --from FOLDER for what rehearsals wrote")
	}
	now := incident.RealClock{}.Now()
	since, err := commands.Since(o.since, now)
	if err != nil {
		return bot.Usagef("--since %w", err)
	}
	want := evidence.Options{Since: since, Made: now}
	var record incident.Log
	if o.file != "" {
		c, err := settingsOf(ctx, o.file, env, "REDIS_URL")
		if err != nil {
			return err
		}
		names := map[string]string{}
		for _, p := range c.Roster() {
			names[p.ID] = p.Name
		}
		want.Name = func(id string) string {
			if name := names[id]; name != "" {
				return name
			}
			return id
		}
		opened, err := redis.Open(ctx, redis.Options{URL: c.Secrets.RedisURL, Prefix: c.Redis.Prefix}, zerolog.Nop())
		if err != nil {
			return bot.UsageError{Err: err}
		}
		defer func() { _ = opened.Disconnect() }() // nothing is left to be lost
		record = incident.Hiding(opened, secrets.Hide)
	}
	collected := evidence.New(want)
	for _, folder := range o.from {
		if err := addFolder(ctx, collected, folder); err != nil {
			return err
		}
	}
	if record != nil {
		if err := collected.AddAll(ctx, incident.RealClock{}, record); err != nil {
			return err
		}
	}
	report := collected.Report()
	written, err := writeEvidence(report, o.output)
	if err != nil {
		return err
	}
	if _, err := out.Write(written); err != nil {
		return err
	}
	var broken []string
	for _, t := range report.Timelines {
		if !t.Whole {
			broken = append(broken, t.Incident.Name())
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("the chain of events is broken in %s: nothing of it was taken for proof", text.Some(broken, 6))
	}
	return nil
}

func writeEvidence(r *evidence.Report, as string) ([]byte, error) {
	if as == "json" {
		return r.JSON()
	}
	template, err := fs.ReadFile(templates.FS, "evidence/evidence."+as+".tmpl")
	if err != nil {
		return nil, err
	}
	if as == "html" {
		return r.HTML(string(template))
	}
	return r.Markdown(string(template))
}

// timelineMost is the most bytes of a timeline that is read from a file.
const timelineMost = 64 << 20

// addFolder adds the timelines that rehearsals wrote into a folder, and into those below.
func addFolder(ctx context.Context, c *evidence.Collector, folder string) error {
	found := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case d.IsDir() || !strings.HasPrefix(d.Name(), "timeline") || filepath.Ext(path) != ".jsonl":
			return nil
		}
		found++
		t, err := timelineFile(path)
		if err != nil {
			return err
		}
		c.Add(t)
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bot.Usagef("there is no folder %s", folder)
	case err != nil:
		return err
	case found == 0:
		return bot.Usagef("%s holds no timeline of a rehearsal: name a folder that 'failoverbot rehearse --out' wrote", folder)
	}
	return nil
}

// timelineFile reads a timeline of one event a line. What cannot be read is said of the
// timeline, for the others are as good as they were.
func timelineFile(path string) (evidence.Timeline, error) {
	t := evidence.Timeline{ID: incident.ID(path)}
	raw, err := strict.ReadUpTo(path, timelineMost)
	if err != nil {
		return t, bot.UsageError{Err: err}
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for lines.Scan() {
		var e incident.Event
		if err := e.UnmarshalJSON(bytes.Clone(lines.Bytes())); err != nil {
			t.Unread = fmt.Errorf("line %d: %w", len(t.Events)+1, err)
			return t, nil
		}
		if in, ok := e.Body.(incident.IncidentDeclared); ok {
			t.ID = in.Incident
		}
		t.Events = append(t.Events, e)
	}
	return t, lines.Err()
}
