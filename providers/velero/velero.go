// Package velero looks whether there is a backup of the source that the target can restore,
// and has it restored.
//
// It reads and writes Velero's own objects in the target's cluster, where Velero shows what
// lies in its storage location, whoever made it. With the cluster out of reach, or without
// Velero in it, the action ends in an error that says so. A restore is asked for once, under
// a name that follows from the run, so that it is found again after a lost answer.
package velero

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

var (
	backups   = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "backups"}
	locations = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "backupstoragelocations"}
	restores  = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "restores"}
	volumes   = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "podvolumebackups"}
)

const (
	scheduleLabel = "velero.io/schedule-name"
	// completed is the phase of a backup that can be restored, available that of a
	// storage location that can be read.
	completed, available = "Completed", "Available"
	// grace is what a backup may be late by.
	grace = 5 * time.Minute
	// validated is how often Velero looks at a storage location by itself, and stale how
	// old its word may be at least before it is none.
	validated, stale = time.Minute, 5 * time.Minute
)

// backup is Velero's object, as far as it matters here.
//
// https://velero.io/docs/main/api-types/backup/
type backup struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		StorageLocation    string   `json:"storageLocation"`
		IncludedNamespaces []string `json:"includedNamespaces"`
		ExcludedNamespaces []string `json:"excludedNamespaces"`
		// SnapshotMoveData: what CSI snapshots hold was moved to the storage location.
		SnapshotMoveData *bool `json:"snapshotMoveData"`
	} `json:"spec"`
	Status struct {
		Phase               string      `json:"phase"`
		StartTimestamp      metav1.Time `json:"startTimestamp"`
		CompletionTimestamp metav1.Time `json:"completionTimestamp"`
		Expiration          metav1.Time `json:"expiration"`
		ValidationErrors    []string    `json:"validationErrors"`
		FailureReason       string      `json:"failureReason"`
		Warnings            int         `json:"warnings"`
		Errors              int         `json:"errors"`
		Progress            struct {
			TotalItems    int `json:"totalItems"`
			ItemsBackedUp int `json:"itemsBackedUp"`
		} `json:"progress"`
		HookStatus struct {
			HooksAttempted int `json:"hooksAttempted"`
			HooksFailed    int `json:"hooksFailed"`
		} `json:"hookStatus"`
		// Snapshots by the provider's plugin and by CSI, and the operations that went on
		// beside, such as moving data.
		VolumeSnapshotsAttempted      int `json:"volumeSnapshotsAttempted"`
		VolumeSnapshotsCompleted      int `json:"volumeSnapshotsCompleted"`
		CSIVolumeSnapshotsAttempted   int `json:"csiVolumeSnapshotsAttempted"`
		CSIVolumeSnapshotsCompleted   int `json:"csiVolumeSnapshotsCompleted"`
		BackupItemOperationsAttempted int `json:"backupItemOperationsAttempted"`
		BackupItemOperationsCompleted int `json:"backupItemOperationsCompleted"`
		BackupItemOperationsFailed    int `json:"backupItemOperationsFailed"`
	} `json:"status"`
}

// location is where backups are kept.
//
// https://velero.io/docs/main/api-types/backupstoragelocation/
type location struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Config        map[string]string `json:"config"`
		ObjectStorage struct {
			Bucket string `json:"bucket"`
		} `json:"objectStorage"`
		ValidationFrequency *metav1.Duration `json:"validationFrequency"`
		Default             bool             `json:"default"`
	} `json:"spec"`
	Status struct {
		Phase              string      `json:"phase"`
		LastValidationTime metav1.Time `json:"lastValidationTime"`
		Message            string      `json:"message"`
	} `json:"status"`
}

// Objects are those of a kind in a namespace of a Region's cluster, by label; empty is
// everything. Its errors are faults of a read.
type Objects func(ctx context.Context, p *runbook.Plan, r runbook.Region, kind schema.GroupVersionResource, namespace, labels string) ([]unstructured.Unstructured, error)

// Cluster is what others know of a Region's cluster.
type Cluster struct {
	Objects Objects
	// Create makes an object, once. Its errors are faults of a change, and hold that of the
	// API server: there may be one of the name already.
	Create func(ctx context.Context, p *runbook.Plan, r runbook.Region, kind schema.GroupVersionResource, object *unstructured.Unstructured) error
	// Namespace is that of the services.
	Namespace func(p *runbook.Plan, r runbook.Region) (string, error)
}

// Velero reads what Velero keeps in the platform's clusters, and asks it for restores.
type Velero struct {
	cluster Cluster
	clock   incident.Clock
}

// New returns the backups and restores in these clusters.
func New(cluster Cluster, clock incident.Clock) *Velero {
	return &Velero{cluster: cluster, clock: clock}
}

// settingsOf are the settings, and the namespace that Velero runs in.
func settingsOf(p *runbook.Plan) (Settings, string, error) {
	s, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	return s, cmp.Or(s.VeleroNamespace, "velero"), err
}

// Backup checks, in the target's cluster, the newest Completed backup of the source's
// schedule: its data are as old as its start. In an unplanned run nothing newer can be
// had, so one that was young enough when the outage began is told, and passes. The
// storage location has to be available by Velero's own and recent word, with its bucket
// in the target.
func (v *Velero) Backup(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	s, namespace, err := settingsOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	schedule := s.Regions[c.Plan.Source.Name].BackupSchedule
	if schedule == "" {
		return engine.Outcome{
			Summary:  fmt.Sprintf("not applicable: the settings name no Velero schedule of %s", c.Plan.Source.Name),
			Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: v.clock.Now()},
		}, true, nil
	}
	r := c.Plan.Target
	f := finding{now: v.clock.Now(), schedule: schedule, source: c.Plan.Source.Name, target: r.Name, limit: time.Duration(s.MaxAgeMinutes) * time.Minute}
	if c.Plan.Mode == "unplanned" {
		f.impact = c.Impact
	}
	var faults [2]error
	incident.Together(v.clock, len(faults), func(i int) {
		if i == 0 {
			f.all, faults[i] = read[backup](ctx, v, c.Plan, r, backups, namespace, scheduleLabel+"="+schedule)
			return
		}
		f.locations, faults[i] = read[location](ctx, v, c.Plan, r, locations, namespace, "")
	})
	if err := cmp.Or(faults[0], faults[1]); err != nil {
		return engine.Outcome{}, false, err
	}
	return f.answer()
}

// read are objects of one of Velero's kinds.
func read[T any](ctx context.Context, v *Velero, p *runbook.Plan, r runbook.Region, kind schema.GroupVersionResource, namespace, labels string) ([]T, error) {
	all, err := v.cluster.Objects(ctx, p, r, kind, namespace, labels)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what was asked, and is sorted already
	}
	out := make([]T, len(all))
	for i := range all {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(all[i].Object, &out[i]); err != nil {
			return nil, &incident.CallError{
				NeedsPerson: true, Err: fmt.Errorf("understand %s %s in %s: %w", all[i].GetKind(), all[i].GetName(), r.Name, err),
				Hint: "Velero there is of another version than the bot knows",
			}
		}
	}
	return out, nil
}

// finding is what Velero has in the target.
type finding struct {
	now, impact              time.Time
	schedule, source, target string
	limit                    time.Duration
	all                      []backup
	locations                []location
}

func (f *finding) answer() (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{"schedule": f.schedule, "cluster": f.target, "backups": fmt.Sprint(len(f.all))}}
	o.Measured.AsOf = f.now
	fail := func(format string, args ...any) (engine.Outcome, bool, error) {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf(format, args...)
		return o, false, nil
	}
	unsure := func(hint, format string, args ...any) (engine.Outcome, bool, error) {
		o.Measured.Verdict = incident.Unsure
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	// The newest first, by start; what has not started has no data.
	f.all = slices.DeleteFunc(f.all, func(b backup) bool { return b.Status.StartTimestamp.IsZero() })
	slices.SortStableFunc(f.all, func(a, b backup) int { return b.Status.StartTimestamp.Compare(a.Status.StartTimestamp.Time) })
	i := slices.IndexFunc(f.all, func(b backup) bool { return b.Status.Phase == completed })
	if i < 0 {
		return fail("no backup of schedule %s is Completed in %s%s", f.schedule, f.target, f.others(f.all))
	}
	b := f.all[i]
	start := b.Status.StartTimestamp.Time
	age := f.now.Sub(start)
	o.Evidence["backup"], o.Evidence["started"] = b.Name, start.UTC().Format(time.RFC3339)
	if age < -time.Minute {
		return unsure("compare the clock of the bot's host and those of the clusters (NTP)",
			"how old the backup %s is cannot be known: it started at %s, and it is %s here", b.Name, start.UTC().Format(time.RFC3339), f.now.UTC().Format(time.RFC3339))
	}
	if f.limit == 0 {
		every := f.every()
		if every == 0 {
			return unsure(`give "max_age_minutes" under "velero" in the settings`,
				"how old a backup of schedule %s may be is not known: there is one alone, so nothing says how often it is made", f.schedule)
		}
		f.limit = every + max(0, b.Status.CompletionTimestamp.Sub(start)) + grace
		o.Evidence["limit"] = "one every " + text.Duration(every) + ", what one takes, and " + text.Duration(grace)
	}
	limit := f.limit.Minutes()
	o.Measured.Figures = []incident.Figure{{Name: "age of the backup", Value: math.Floor(age.Minutes()*10) / 10, Unit: "min", Limit: &limit}}

	l, wrong, unknown := b.readable(f.locations, f.target, f.now, o.Evidence)
	switch {
	case wrong != "":
		return fail("%s", wrong)
	case unknown != nil:
		o.Measured.Verdict = incident.Unsure
		return o, false, unknown
	}
	region := l.Spec.Config["region"]
	if region != "" && region != f.target {
		return fail("the storage location %s keeps its backups in %s, and not in %s: they may not be readable without it", l.Name, region, f.target)
	}

	told := fmt.Sprintf("the newest backup of schedule %s in %s, %s, began %s ago", f.schedule, f.target, b.Name, text.Duration(age))
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s (at most %s)", told, text.Duration(f.limit))
	if age > f.limit {
		before := f.impact.Sub(start)
		if f.impact.IsZero() || before > f.limit {
			return fail("%s, and at most %s is wanted%s", told, text.Duration(f.limit), f.others(f.all[:i]))
		}
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("%s: it was %s old when the outage began, and nothing newer can be had (at most %s)", told, text.Duration(max(0, before)), text.Duration(f.limit))
	}
	if region == "" {
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; the storage location %s does not say in which Region its bucket lies", l.Name)
	}
	if failed := f.others(f.all[:i]); failed != "" {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; newer ones are of no use" + failed
	}
	return o, true, nil
}

// every is the usual time between two backups, by when they began; 0 if that cannot be
// told. One that was left out does not change it.
func (f *finding) every() time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(f.all); i++ {
		gaps = append(gaps, f.all[i-1].Status.StartTimestamp.Sub(f.all[i].Status.StartTimestamp.Time))
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return gaps[(len(gaps)-1)/2]
}

// readable is where a backup is kept, which goes into the evidence, and why it cannot be read
// in that Region, or why that is not known.
func (b *backup) readable(all []location, target string, now time.Time, evidence map[string]string) (at *location, wrong string, unknown error) {
	if at = b.in(all); at == nil {
		return nil, fmt.Sprintf("the storage location %q of the backup %s is not known in %s", b.Spec.StorageLocation, b.Name, target), nil
	}
	evidence["location"] = fmt.Sprintf("%s, bucket %s in %s, %s", at.Name, at.Spec.ObjectStorage.Bucket, orNone(at.Spec.Config["region"]), orNone(at.Status.Phase))
	wrong, unknown = at.readable(now, target)
	return at, wrong, unknown
}

// in is where a backup is kept, of the locations that a cluster has; nil if none of them.
func (b *backup) in(all []location) *location {
	i := slices.IndexFunc(all, func(l location) bool {
		return l.Name == b.Spec.StorageLocation || b.Spec.StorageLocation == "" && l.Spec.Default
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

// readable says why a location cannot be read in a Region, or why nobody knows, by Velero's
// own and recent word.
func (l *location) readable(now time.Time, where string) (wrong string, unknown error) {
	last := l.Status.LastValidationTime.Time
	nobody := func(format string, args ...any) error {
		return &incident.CallError{NeedsPerson: true, Err: fmt.Errorf(format, args...), Hint: "look whether Velero runs in " + where}
	}
	switch old := now.Sub(last); {
	case l.Status.Phase != available:
		return fmt.Sprintf("the storage location %s is %s in %s%s", l.Name, orUnsaid(l.Status.Phase), where, because(l.Status.Message)), nil
	case last.IsZero():
		return "", nobody("whether the storage location %s can be read is not known: Velero has not looked at it in %s", l.Name, where)
	case old > l.patience():
		return "", nobody("whether the storage location %s can be read is not known: Velero last looked at it %s ago in %s, and it was %s", l.Name, text.Duration(old), where, l.Status.Phase)
	}
	return "", nil
}

// patience is how old Velero's word about a location may be. One that Velero does not
// look at by itself is as it was when it did.
func (l *location) patience() time.Duration {
	every := validated
	if v := l.Spec.ValidationFrequency; v != nil {
		if every = v.Duration; every == 0 {
			return 1<<63 - 1
		}
	}
	return max(stale, 3*every)
}

// others counts backups that ended in another way than they should, for the end of a
// sentence.
func (f *finding) others(all []backup) string {
	by := map[string]int{}
	for _, b := range all {
		if strings.Contains(b.Status.Phase, "Failed") {
			by[b.Status.Phase]++
		}
	}
	var out []string
	for _, phase := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%d %s", by[phase], phase))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

func orUnsaid(phase string) string {
	if phase == "" {
		return "not yet looked at"
	}
	return phase
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
