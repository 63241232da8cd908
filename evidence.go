package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/text"
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
		opened, name, closed, err := openRecord(ctx, o.file, env, secrets)
		if err != nil {
			return err
		}
		defer closed()
		record, want.Name = opened, name
	}
	collected := evidence.New(want)
	for _, folder := range o.from {
		if err := readFolder(ctx, folder, collected.Add); err != nil {
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
