package velero

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// partiallyFailed is the phase of what lacks something: such a backup is restored only where
// somebody names it.
const partiallyFailed = "PartiallyFailed"

// ListInput is the input of List.
type ListInput struct {
	// From is a backup or a schedule by its name; empty means the schedule that the settings
	// name for the source.
	From string `yaml:"from,omitempty" json:"from,omitempty"`
}

// List checks, in the target's cluster, that there is a backup to restore, and picks it:
// the one of that name, or of the schedule of that name the newest Completed one by its
// start. One that failed in part is picked only where it is named. Its storage location has
// to be available by Velero's own and recent word, or Velero could not read it.
func (v *Velero) List(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in ListInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	s, namespace, err := settingsOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	l := listing{now: v.clock.Now(), target: c.Plan.Target.Name, from: in.From}
	if l.from == "" {
		l.from = s.Regions[c.Plan.Source.Name].BackupSchedule
	}
	if l.from == "" {
		return engine.Outcome{}, false, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("there is nothing to restore: no backup was named, and the settings name no Velero schedule of %s", c.Plan.Source.Name),
			Hint: `stop this run and name a backup or a schedule, or give "backup_schedule" under "velero" in the settings`,
		}
	}
	var faults [2]error
	incident.Together(v.clock, len(faults), func(i int) {
		if i == 0 {
			l.all, faults[i] = read[backup](ctx, v, c.Plan, c.Plan.Target, backups, namespace, "")
			return
		}
		l.locations, faults[i] = read[location](ctx, v, c.Plan, c.Plan.Target, locations, namespace, "")
	})
	for _, err := range faults {
		if err != nil {
			return engine.Outcome{}, false, err
		}
	}
	return l.answer()
}

// listing is what Velero has in the target, and what is looked for.
type listing struct {
	now          time.Time
	target, from string
	all          []backup
	locations    []location
}

// listed is how many backups stand in the evidence, the newest ones.
const listed = 10

func (l *listing) answer() (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{"asked for": l.from, "backups in " + l.target: fmt.Sprint(len(l.all))}}
	o.Measured = incident.Measured{Verdict: incident.Fail, AsOf: l.now}
	fail := func(format string, args ...any) (engine.Outcome, bool, error) {
		o.Summary = fmt.Sprintf(format, args...)
		return o, false, nil
	}
	slices.SortStableFunc(l.all, func(a, b backup) int { return b.Status.StartTimestamp.Compare(a.Status.StartTimestamp.Time) })
	for i, b := range l.all[:min(len(l.all), listed)] {
		o.Evidence[fmt.Sprintf("backup %02d", i+1)] = b.Name + ", " + b.told(l.now)
	}
	b, newer, why := l.pick()
	if b == nil {
		return fail("%s", why)
	}
	o.Evidence["backup"], o.Evidence["started"] = b.Name, b.Status.StartTimestamp.UTC().Format(time.RFC3339)
	if schedule := b.Labels[scheduleLabel]; schedule != "" {
		o.Evidence["schedule"] = schedule
	}
	at, wrong, unknown := b.readable(l.locations, l.target, l.now, o.Evidence)
	switch {
	case wrong != "":
		return fail("%s, so Velero cannot restore %s", wrong, b.Name)
	case unknown != nil:
		o.Measured.Verdict = incident.Unsure
		return o, false, unknown
	}
	region := at.Spec.Config["region"]
	age := l.now.Sub(b.Status.StartTimestamp.Time)
	o.Measured.Figures = []incident.Figure{{Name: "age of the backup", Value: float64(int(age.Minutes()*10)) / 10, Unit: "min"}}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s of %s, %s", b.Name, l.where(b), b.told(l.now))
	var second []string
	if b.Status.Phase != completed || b.Status.Errors > 0 {
		second = append(second, "what failed in it is not restored")
	}
	if len(newer) > 0 {
		second = append(second, "newer ones are not taken: "+text.Some(newer, 2))
	}
	if region != "" && region != l.target {
		second = append(second, fmt.Sprintf("its bucket lies in %s, and can be read now", region))
	}
	if age < -time.Minute {
		second = append(second, "it began later than it is here: compare clocks (NTP)")
	}
	if len(second) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + strings.Join(second, "; ")
	}
	return o, true, nil
}

// where says what the backup is one of.
func (l *listing) where(b *backup) string {
	if s := b.Labels[scheduleLabel]; s != "" {
		return "schedule " + s + " in " + l.target
	}
	return "no schedule in " + l.target
}

// pick is the backup that is meant, with newer ones of its schedule that are of no use; or
// why there is none.
func (l *listing) pick() (b *backup, newer []string, why string) {
	if i := slices.IndexFunc(l.all, func(b backup) bool { return b.Name == l.from }); i >= 0 {
		b := &l.all[i]
		if cannot := b.unusable(l.now); cannot != "" {
			return nil, nil, fmt.Sprintf("the backup %s in %s cannot be restored: %s", b.Name, l.target, cannot)
		}
		return b, nil, ""
	}
	var lost []string
	for i := range l.all {
		b := &l.all[i]
		if b.Labels[scheduleLabel] != l.from {
			continue
		}
		cannot := b.unusable(l.now)
		if cannot == "" && b.Status.Phase == completed {
			return b, lost, ""
		}
		if cannot == "" {
			cannot = partiallyFailed
		}
		lost = append(lost, b.Name+" ("+cannot+")")
	}
	if len(lost) > 0 {
		return nil, nil, fmt.Sprintf("no backup of schedule %s is Completed in %s: %s. One that is %s can be restored by its name", l.from, l.target, text.Some(lost, 3), partiallyFailed)
	}
	return nil, nil, fmt.Sprintf("%s has no backup and no schedule's backup called %q: %s", l.target, l.from, l.known())
}

// known are the schedules that have backups, for whoever named another one.
func (l *listing) known() string {
	var names []string
	for _, b := range l.all {
		if s := b.Labels[scheduleLabel]; s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	slices.Sort(names)
	switch {
	case len(l.all) == 0:
		return "Velero knows none there. A new one is there a minute after it was made"
	case len(names) == 0:
		return "none of those there is of a schedule; the newest is " + l.all[0].Name
	}
	return "there are backups of " + text.Some(names, 3) + "; the newest is " + l.all[0].Name
}

// unusable says why it cannot be restored at all; empty where it can.
func (b *backup) unusable(now time.Time) string {
	switch {
	case !b.Status.Expiration.IsZero() && !b.Status.Expiration.After(now):
		return "it expired at " + text.ToDay.UTC(b.Status.Expiration.Time) + ", and Velero deletes it"
	case b.Status.Phase == completed || b.Status.Phase == partiallyFailed:
		return ""
	case len(b.Status.ValidationErrors) > 0:
		return b.Status.Phase + ": " + text.Some(b.Status.ValidationErrors, 2)
	}
	return "it is " + b.phase() + because(b.Status.FailureReason)
}

// phase is its phase; one that Velero has not looked at has none yet.
func (b *backup) phase() string { return cmp.Or(b.Status.Phase, "New") }

// told is how old it is, and how it ended.
func (b *backup) told(now time.Time) string {
	if b.Status.StartTimestamp.IsZero() {
		return b.phase()
	}
	s := fmt.Sprintf("began %s ago, %s", text.Duration(max(0, now.Sub(b.Status.StartTimestamp.Time))), b.phase())
	if b.Status.Warnings+b.Status.Errors > 0 {
		s += fmt.Sprintf(" with %s and %s", text.Count(b.Status.Warnings, "warning"), text.Count(b.Status.Errors, "error"))
	}
	return s
}
