package rehearsal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/bot"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/review"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// chooseFolder finds a folder for the records. One that holds a rehearsal already is
// left as it is: this one gets a folder of its own within.
func (r *rehearsal) chooseFolder() error {
	if r.Out == "" {
		return nil
	}
	r.results = cmp.Or(r.results, r.Out)
	if info, err := os.Stat(r.results); err == nil && !info.IsDir() {
		return bot.Usagef("the folder for the records: %s is there and is no folder", r.results)
	}
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

// recordsFit says whether the records can be written where they belong: what is in the
// way there is not found out at the end, when they cannot be had again.
func (r *rehearsal) recordsFit() error {
	if r.Out == "" {
		return nil
	}
	paths := []string{filepath.Join(r.results, resultsFile)}
	for _, name := range []string{"timeline.jsonl", "review.md", "world.json", "platform.jsonl", "wire.jsonl", "messages.jsonl", "calls.jsonl"} {
		paths = append(paths, filepath.Join(r.Out, name))
	}
	for _, path := range paths {
		if err := strict.Writable(path); err != nil {
			return bot.UsageError{Err: fmt.Errorf("begin the records: %w", err)}
		}
	}
	return nil
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
	f, err := strict.OpenFile(filepath.Join(r.Out, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, bot.UsageError{Err: err}
	}
	r.files = append(r.files, f)
	return jsonLines{f, &r.secrets}, nil
}

// jsonLines is a file of JSON that people may look at with cat.
type jsonLines struct {
	w       io.Writer
	secrets *text.Secrets
}

// Write writes p, which is whole lines.
func (j jsonLines) Write(p []byte) (int, error) {
	if _, err := j.w.Write(text.JSON([]byte(j.secrets.Hide(string(p))))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// verify says whether the rehearsal ended as it should.
func (r *rehearsal) verify() error {
	ctx := context.Background()
	id, err := r.current(ctx)
	if err != nil {
		return err
	}
	platform, err := r.record.Read(ctx, incident.PlatformLog, 0, 0)
	if err != nil {
		return err
	}
	if id == "" || r.scn.Lasts > 0 {
		return r.verifyQuiet(id, platform)
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
	faults = append(faults, r.world.CheckTold(r.told())...)
	faults = append(faults, r.world.CheckPlatform(platform)...)
	r.measures()
	if len(faults) > 0 {
		return fmt.Errorf("the rehearsal did not end as it should:\n  %s", strings.Join(faults, "\n  "))
	}
	_, _ = fmt.Fprintln(r.Stdout, "The incident is resolved and the world is as the scenario expects it.")
	return nil
}

// verifyQuiet says whether a rehearsal without an incident ended as it should.
func (r *rehearsal) verifyQuiet(id incident.ID, platform []incident.Event) error {
	var faults []string
	switch {
	case r.scn.Lasts == 0:
		faults = append(faults, "no incident was declared")
	case id != "":
		faults = append(faults, id.Name()+" was declared")
	}
	if r.scn.Lasts > 0 {
		faults = append(faults, r.world.Check()...)
		faults = append(faults, r.world.CheckTold(r.told())...)
	}
	faults = append(faults, r.world.CheckPlatform(platform)...)
	if len(faults) > 0 {
		return fmt.Errorf("the rehearsal did not end as it should:\n  %s", strings.Join(faults, "\n  "))
	}
	_, _ = fmt.Fprintln(r.Stdout, "No incident was declared and the world is as the scenario expects it.")
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

// told is what was said to single people, all of it.
func (r *rehearsal) told() (all []string) {
	for _, p := range r.scn.People {
		for _, m := range r.slack.Ephemerals(p.ID) {
			all = append(all, m.Text)
		}
	}
	return all
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

// writeRecords writes what is only known at the end. What matters most, and cannot be
// had again, comes first, and what cannot be written keeps nothing else from being: a
// disk may have room for a timeline and none for a world.
func (r *rehearsal) writeRecords() error {
	if r.Out == "" {
		return nil
	}
	ctx := context.Background()
	ids, err := r.record.Incidents(ctx, 0)
	if err != nil {
		return err
	}
	var faults []error
	write := func(name string, data []byte, err error) {
		if err == nil {
			err = strict.WriteFile(filepath.Join(r.Out, name), []byte(r.secrets.Hide(string(data))), 0o644)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("write %s: %w", name, err))
		}
	}
	// An event does not say whose it is: a further incident has files of its own.
	which := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("-%d", n+1)
	}
	timelines := make([][]incident.Event, len(ids))
	for n, id := range ids {
		var data []byte
		timelines[n], err = r.record.Read(ctx, id, 0, 0)
		if err == nil {
			data, err = jsonl(timelines[n])
		}
		write("timeline"+which(n)+".jsonl", data, err)
	}
	platform, err := r.record.Read(ctx, incident.PlatformLog, 0, 0)
	if err != nil || len(platform) > 0 || r.scn.Start.Detection {
		var data []byte
		if err == nil {
			data, err = jsonl(platform)
		}
		write("platform.jsonl", data, err)
	}
	if len(ids) == 0 {
		write("timeline.jsonl", nil, nil)
		write("review.md", nil, nil)
	}
	for n := range ids {
		if len(timelines[n]) == 0 {
			continue // said already
		}
		draft, _, err := r.replica().Draft(timelines[n])
		write("review"+which(n)+".md", draft, err)
	}
	if err := r.keepResults(ctx); err != nil {
		faults = append(faults, err)
	}
	world, err := json.MarshalIndent(r.world.Snapshot(), "", "  ")
	write("world.json", append(text.JSON(world), '\n'), err)
	return errors.Join(faults...)
}

// jsonl is events as a file has them.
func jsonl(events []incident.Event) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return nil, err
		}
	}
	return text.JSON(out.Bytes()), nil
}
