package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/text"
)

// timelineOptions say where timelines are read from.
type timelineOptions struct {
	file   string
	from   []string
	output string
}

func timelineVerb(env func(string) string, secrets *text.Secrets) *cobra.Command {
	c := &cobra.Command{
		Use: "timeline", Short: "Show, verify or export what the record has of an incident", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	verb := func(use, short string, formats []string, do func(r reading, o timelineOptions, out io.Writer) error) {
		var o timelineOptions
		v := &cobra.Command{
			Use: use, Short: short,
			Args: func(c *cobra.Command, args []string) error {
				if len(args) > 1 {
					return bot.Usagef("%s takes one incident, not %d: what is %q? See %s --help", c.CommandPath(), len(args), args[1], c.CommandPath())
				}
				return nil
			},
			RunE: func(c *cobra.Command, args []string) error {
				if formats != nil && !slices.Contains(formats, o.output) {
					return bot.Usagef("--output is %s, not %q", text.List(formats, "or"), o.output)
				}
				want := ""
				if len(args) > 0 {
					want = args[0]
				}
				r, err := readFor(c.Context(), o, want, env, secrets)
				if err != nil {
					return err
				}
				return do(r, o, c.OutOrStdout())
			},
		}
		v.Flags().StringVar(&o.file, "config", "", "the settings file; the record is that of REDIS_URL")
		v.Flags().StringArrayVar(&o.from, "from", nil, "a folder with the records of rehearsals; may be given several times")
		if formats != nil {
			v.Flags().StringVar(&o.output, "output", formats[0], text.List(formats, "or"))
		}
		c.AddCommand(v)
	}
	verb("show [INCIDENT]", "Print every event as a line, of the newest incident if none is named", nil, showTimeline)
	verb("verify [INCIDENT]", "Check the chain of events, of every incident if none is named", nil, verifyTimelines)
	verb("export [INCIDENT]", "Print every event for other programs or for a page", []string{"jsonl", "csv", "md"}, exportTimeline)
	return c
}

// reading is what was read of timelines.
type reading struct {
	// all of them, oldest first; only the one that was named, if one was.
	all  []evidence.Timeline
	name func(string) string
}

// newest is the timeline that was named, or else the newest that can be read.
func (r reading) newest() (evidence.Timeline, error) {
	t := r.all[len(r.all)-1]
	if t.Unread != nil {
		return t, fmt.Errorf("%s cannot be read: %w", t.ID.Name(), t.Unread)
	}
	return t, nil
}

// named says that an id is what somebody meant: whole, or as people call it.
func named(id incident.ID, want string) bool {
	return strings.EqualFold(string(id), want) || strings.EqualFold(id.Name(), want)
}

// readFor reads the timelines that are asked for. want names one; empty is all.
func readFor(ctx context.Context, o timelineOptions, want string, env func(string) string, secrets *text.Secrets) (reading, error) {
	r := reading{}
	if (o.file == "") == (len(o.from) == 0) {
		return r, bot.Usagef("name where the timelines are: either --config FILE for the record, or --from FOLDER for what rehearsals wrote")
	}
	var there []incident.ID
	keep := func(t evidence.Timeline) {
		there = append(there, t.ID)
		if want == "" || named(t.ID, want) {
			r.all = append(r.all, t)
		}
	}
	for _, folder := range o.from {
		if err := readFolder(ctx, folder, keep); err != nil {
			return r, err
		}
	}
	if o.file != "" {
		record, name, closed, err := openRecord(ctx, o.file, env, secrets)
		if err != nil {
			return r, err
		}
		defer closed()
		r.name = name
		ids, err := record.Incidents(ctx, 0)
		if err != nil {
			return r, err
		}
		if strings.EqualFold(want, string(incident.PlatformLog)) {
			ids = append(ids, incident.PlatformLog)
		}
		for _, id := range ids {
			if want != "" && !named(id, want) {
				there = append(there, id)
				continue
			}
			events, err := record.Read(ctx, id, 0, 0)
			if ctx.Err() != nil {
				return r, context.Cause(ctx)
			}
			keep(evidence.Timeline{ID: id, Events: events, Unread: err})
		}
	}
	slices.SortStableFunc(r.all, func(a, b evidence.Timeline) int { return cmp.Compare(a.ID, b.ID) })
	switch {
	case len(there) == 0:
		return r, bot.Usagef("there is no incident on the record yet")
	case len(r.all) == 0:
		var names []string
		for _, id := range there {
			names = append(names, id.Name())
		}
		slices.Reverse(names)
		return r, bot.Usagef("there is no incident %q; there are %s", want, text.Some(names, 8))
	case want != "" && len(r.all) > 1:
		var ids []string
		for _, t := range r.all {
			ids = append(ids, string(t.ID))
		}
		return r, bot.Usagef("%q names %d incidents: say which by its whole id: %s", want, len(ids), text.Some(ids, 8))
	}
	return r, nil
}

func showTimeline(r reading, _ timelineOptions, out io.Writer) error {
	t, err := r.newest()
	if err != nil {
		return err
	}
	_, err = out.Write(review.Timeline(t.Events, r.name))
	return err
}

// verifyTimelines checks each chain and says how many events it has and what its newest
// event's digest is.
func verifyTimelines(r reading, _ timelineOptions, out io.Writer) error {
	var broken []string
	for _, t := range r.all {
		c := evidence.Check(t)
		says := "whole, digest of the newest " + string(c.Head)
		if !c.Whole {
			broken = append(broken, c.Incident.Name())
			says = "BROKEN: " + c.Says
		}
		if _, err := fmt.Fprintf(out, "%s  %s, %s\n", c.Incident, text.Count(c.Events, "event"), says); err != nil {
			return err
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("the chain of events is broken in %s", text.Some(broken, 8))
	}
	return nil
}

// exportTimeline prints one timeline. As JSON Lines events are as they are stored, byte for
// byte, so that whoever has them can verify them again.
func exportTimeline(r reading, o timelineOptions, out io.Writer) error {
	t, err := r.newest()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	switch o.output {
	case "jsonl":
		for _, e := range t.Events {
			b.Write(append(slices.Clone(e.Raw()), '\n'))
		}
	case "csv":
		if err := asCSV(&b, t.Events, r.name); err != nil {
			return err
		}
	case "md":
		asMarkdown(&b, t, r.name)
	}
	_, err = out.Write(b.Bytes())
	return err
}

// stepOf is the step that an event is about; empty where it is about none.
func stepOf(e incident.Event) (string, error) {
	var b struct {
		Step string `json:"step"`
	}
	err := json.Unmarshal(e.Raw(), &b)
	return b.Step, err
}

// asCSV writes a table that a spreadsheet opens as text: no cell is taken for a formula.
func asCSV(out io.Writer, events []incident.Event, name func(string) string) error {
	w := csv.NewWriter(out)
	rows := [][]string{{"seq", "time", "type", "run", "step", "actor", "via", "says"}}
	for _, e := range events {
		via := ""
		if e.Via != nil {
			via = e.Via.Face
		}
		step, err := stepOf(e)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		rows = append(rows, []string{
			strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(time.RFC3339Nano), e.Body.Type(), string(e.Run), step, e.Actor, via, review.Sentence(e, name),
		})
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
	}
	return errors.Join(w.WriteAll(rows), w.Error())
}

func asMarkdown(b *bytes.Buffer, t evidence.Timeline, name func(string) string) {
	fmt.Fprintf(b, "# Timeline of %s\n\nAll times are UTC.\n\n| | Time | What happened |\n|---|---|---|\n", text.Markdown(string(t.ID)))
	for _, e := range t.Events {
		fmt.Fprintf(b, "| %d | %s | %s |\n", e.Seq, e.Time.UTC().Format(time.DateTime), text.Markdown(review.Sentence(e, name)))
	}
}
