package velero

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// backupLabel names the backup that an object of Velero's belongs to. It holds the name cut
// to what a label holds.
const backupLabel = "velero.io/backup-name"

// podVolume is the backup of a volume's files.
//
// https://velero.io/docs/main/file-system-backup/
type podVolume struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Pod struct {
			Name string `json:"name"`
		} `json:"pod"`
		Volume string `json:"volume"`
	} `json:"spec"`
	Status struct {
		Phase   string `json:"phase"`
		Message string `json:"message"`
	} `json:"status"`
}

// ContentsInput is the input of Contents.
type ContentsInput struct {
	// Backup is the step that picked it.
	Backup string `yaml:"backup" json:"backup"`
}

// Contents checks what the backup that was picked holds: the namespace of the services, and
// no volume that only the Region has in which it was made. A snapshot by the provider's
// plugin, and one by CSI whose data were not moved to the storage location, cannot be
// restored in another Region; files that were backed up can.
func (v *Velero) Contents(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in ContentsInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	s, velero, err := settingsOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	b, err := v.picked(ctx, c, in.Backup)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	namespace, err := v.cluster.Namespace(c.Plan, c.Plan.Source)
	if err != nil {
		return engine.Outcome{}, false, err //nolint:wrapcheck // the settings' own fault
	}
	files, err := read[podVolume](ctx, v, c.Plan, c.Plan.Target, volumes, velero, backupLabel+"="+labelled(b.Name))
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f := contents{now: v.clock.Now(), b: b, files: files, namespace: namespace, source: c.Plan.Source.Name, target: c.Plan.Target.Name}
	schedule := b.Labels[scheduleLabel]
	f.here = schedule != "" && schedule == s.Regions[f.target].BackupSchedule && schedule != s.Regions[f.source].BackupSchedule
	o, ok := f.answer()
	return o, ok, nil
}

// picked reads the backup that a step of the run picked.
func (v *Velero) picked(ctx context.Context, c engine.Call, step string) (*backup, error) {
	o, done := c.Result(step)
	name := o.Evidence["backup"]
	if !done || name == "" {
		return nil, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("no backup was picked: step %s has found none", step),
			Hint: "retry that step, or stop this run and name another backup",
		}
	}
	_, velero, err := settingsOf(c.Plan)
	if err != nil {
		return nil, err
	}
	all, err := read[backup](ctx, v, c.Plan, c.Plan.Target, backups, velero, "")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(b backup) bool { return b.Name == name })
	if i < 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("the backup %s is not in %s any more", name, c.Plan.Target.Name),
			Hint: "it was deleted since it was picked: stop this run and name another one",
		}
	}
	return &all[i], nil
}

// labelled is a name as Velero puts it into a label, which holds 63 letters.
//
// https://github.com/vmware-tanzu/velero/blob/v1.18.3/pkg/label/label.go
func labelled(name string) string {
	const most, rest = 63, 6
	if len(name) <= most {
		return name
	}
	return name[:most-rest] + digest(name)[:rest]
}

// contents are what a backup holds.
type contents struct {
	now            time.Time
	b              *backup
	files          []podVolume
	namespace      string
	source, target string
	// here: it was made in the target, so its snapshots are there.
	here bool
}

func (f *contents) answer() (engine.Outcome, bool) {
	b, st := f.b, f.b.Status
	o := engine.Outcome{Evidence: f.evidence()}
	o.Measured = incident.Measured{Verdict: incident.Fail, AsOf: f.now, Figures: []incident.Figure{
		{Name: "items", Value: float64(st.Progress.ItemsBackedUp), Unit: "items"},
		{Name: "warnings", Value: float64(st.Warnings), Unit: "warnings"},
		{Name: "errors", Value: float64(st.Errors), Unit: "errors"},
	}}
	if !b.holds(f.namespace) {
		o.Summary = fmt.Sprintf("%s does not hold the namespace %s: it is of %s", b.Name, f.namespace, strings.Join(b.Spec.IncludedNamespaces, ", "))
		if len(b.Spec.IncludedNamespaces) == 0 || slices.Contains(b.Spec.IncludedNamespaces, "*") {
			o.Summary = fmt.Sprintf("%s does not hold the namespace %s, which was left out of it", b.Name, f.namespace)
		}
		return o, false
	}
	if kept := f.bound(); kept != "" && !f.here {
		o.Summary = fmt.Sprintf("%s cannot be restored in %s: %s, and those cannot cross Regions. Files that Velero backs up can (--default-volumes-to-fs-backup), and so can CSI snapshots whose data it moves (--snapshot-move-data)", b.Name, f.target, kept)
		return o, false
	}
	o.Measured.Verdict = incident.Pass
	o.Summary = fmt.Sprintf("%s holds %s of namespace %s, and %s", b.Name, text.Count(st.Progress.ItemsBackedUp, "item"), f.namespace, f.volumes())
	var second []string
	if st.Warnings+st.Errors > 0 {
		second = append(second, fmt.Sprintf("it ended with %s and %s", text.Count(st.Warnings, "warning"), text.Count(st.Errors, "error")))
	}
	if n := st.HookStatus.HooksFailed; n > 0 {
		second = append(second, fmt.Sprintf("%d of %s failed, so data may not be of one moment", n, text.Count(st.HookStatus.HooksAttempted, "hook")))
	}
	if n := st.BackupItemOperationsFailed; n > 0 {
		second = append(second, fmt.Sprintf("%d of %s failed", n, text.Count(st.BackupItemOperationsAttempted, "item operation")))
	}
	if lost := f.lost(); len(lost) > 0 {
		second = append(second, "without the files of "+text.Some(lost, 3))
	}
	if len(second) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + strings.Join(second, "; ")
	}
	return o, true
}

// holds says whether the backup is of that namespace, too.
func (b *backup) holds(namespace string) bool {
	in := b.Spec.IncludedNamespaces
	return (len(in) == 0 || slices.Contains(in, "*") || slices.Contains(in, namespace)) && !slices.Contains(b.Spec.ExcludedNamespaces, namespace)
}

// bound says which of its volumes only the Region has in which it was made; empty for none.
func (f *contents) bound() string {
	st := f.b.Status
	var kept []string
	if n := max(st.VolumeSnapshotsAttempted, st.VolumeSnapshotsCompleted); n > 0 {
		kept = append(kept, text.Count(n, "volume")+" "+text.Are(n)+" native snapshots of "+f.source)
	}
	moved := f.b.Spec.SnapshotMoveData != nil && *f.b.Spec.SnapshotMoveData
	if n := max(st.CSIVolumeSnapshotsAttempted, st.CSIVolumeSnapshotsCompleted); n > 0 && !moved {
		kept = append(kept, text.Count(n, "volume")+" "+text.Are(n)+" CSI snapshots of "+f.source+" whose data were not moved")
	}
	return strings.Join(kept, " and ")
}

// volumes says what of volumes can be restored.
func (f *contents) volumes() string {
	var kept []string
	if n := len(f.files); n > 0 {
		kept = append(kept, "the files of "+text.Count(n, "volume"))
	}
	if n := f.b.Status.CSIVolumeSnapshotsCompleted; n > 0 && !f.here {
		kept = append(kept, "the moved data of "+text.Count(n, "volume"))
	} else if n += f.b.Status.VolumeSnapshotsCompleted; n > 0 {
		kept = append(kept, "snapshots of "+text.Count(n, "volume"))
	}
	if len(kept) == 0 {
		return "no volumes"
	}
	return strings.Join(kept, " and ")
}

// lost are the volumes whose files were not backed up whole.
func (f *contents) lost() []string {
	var out []string
	for _, p := range f.files {
		if p.Status.Phase != completed {
			out = append(out, fmt.Sprintf("%s of %s (%s%s)", p.Spec.Volume, p.Spec.Pod.Name, orNone(p.Status.Phase), because(p.Status.Message)))
		}
	}
	slices.Sort(out)
	return out
}

func (f *contents) evidence() map[string]string {
	b, st := f.b, f.b.Status
	out := map[string]string{
		"backup": b.Name, "phase": b.phase(), "items": fmt.Sprintf("%d of %d", st.Progress.ItemsBackedUp, st.Progress.TotalItems),
		"warnings": fmt.Sprint(st.Warnings), "errors": fmt.Sprint(st.Errors),
		"hooks":            fmt.Sprintf("%d, %d failed", st.HookStatus.HooksAttempted, st.HookStatus.HooksFailed),
		"item operations":  fmt.Sprintf("%d of %d, %d failed", st.BackupItemOperationsCompleted, st.BackupItemOperationsAttempted, st.BackupItemOperationsFailed),
		"native snapshots": fmt.Sprintf("%d of %d", st.VolumeSnapshotsCompleted, st.VolumeSnapshotsAttempted),
		"CSI snapshots":    fmt.Sprintf("%d of %d", st.CSIVolumeSnapshotsCompleted, st.CSIVolumeSnapshotsAttempted),
		"namespaces":       orNone(strings.Join(b.Spec.IncludedNamespaces, " ")),
	}
	if !st.Expiration.IsZero() {
		out["expires"] = st.Expiration.UTC().Format(time.RFC3339)
	}
	by := map[string]int{}
	for _, p := range f.files {
		by[orNone(p.Status.Phase)]++
	}
	var files []string
	for _, phase := range slices.Sorted(maps.Keys(by)) {
		files = append(files, fmt.Sprintf("%d %s", by[phase], phase))
	}
	out["volumes' files"] = orNone(strings.Join(files, ", "))
	return out
}
