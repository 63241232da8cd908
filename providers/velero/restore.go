package velero

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// manager marks what the bot asked Velero for.
	managedBy = "app.kubernetes.io/managed-by"
	manager   = "failoverbot"

	// leaves is why a restore is not taken back.
	leaves = "Velero takes nothing back: what it restored was not there before, and stays until somebody deletes it by its label velero.io/restore-name"
	undo   = "nothing to take back: " + leaves
)

// restore is Velero's object.
//
// https://velero.io/docs/main/api-types/restore/
type restore struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		BackupName         string            `json:"backupName"`
		IncludedNamespaces []string          `json:"includedNamespaces"`
		NamespaceMapping   map[string]string `json:"namespaceMapping"`
	} `json:"spec"`
	Status struct {
		Phase            string   `json:"phase"`
		ValidationErrors []string `json:"validationErrors"`
		FailureReason    string   `json:"failureReason"`
		Warnings         int      `json:"warnings"`
		Errors           int      `json:"errors"`
		Progress         struct {
			TotalItems    int `json:"totalItems"`
			ItemsRestored int `json:"itemsRestored"`
		} `json:"progress"`
		HookStatus struct {
			HooksAttempted int `json:"hooksAttempted"`
			HooksFailed    int `json:"hooksFailed"`
		} `json:"hookStatus"`
		RestoreItemOperationsAttempted int `json:"restoreItemOperationsAttempted"`
		RestoreItemOperationsCompleted int `json:"restoreItemOperationsCompleted"`
		RestoreItemOperationsFailed    int `json:"restoreItemOperationsFailed"`
	} `json:"status"`
}

// The phases of a restore, beside Completed and PartiallyFailed.
//
// https://github.com/vmware-tanzu/velero/blob/v1.18.3/pkg/apis/velero/v1/restore_types.go
const (
	isNew            = "New"
	inProgress       = "InProgress"
	waiting          = "WaitingForPluginOperations"
	finalizing       = "Finalizing"
	failed           = "Failed"
	failedValidation = "FailedValidation"
)

// nothing says that it has come to nothing, and another one has to be asked for. Failed is
// what Velero says when it could not begin with the items, or was stopped.
func (r *restore) nothing() bool {
	return r.Status.Phase == failed || r.Status.Phase == failedValidation
}

// over says that Velero is done with it.
func (r *restore) over() bool {
	return r.nothing() || r.Status.Phase == completed || r.Status.Phase == partiallyFailed
}

// ours says that the bot asked for it.
func (r *restore) ours() bool { return r.Labels[managedBy] == manager }

// RestoreInput is the input of Restore.
type RestoreInput struct {
	// Backup is the step that picked it.
	Backup string `yaml:"backup" json:"backup"`
	// Present is the step that told what is there already.
	Present string `yaml:"present,omitempty" json:"present,omitempty"`
}

// asked is what the run wants restored.
type asked struct {
	backup           string
	from, to, velero string // namespaces
	token            string
	all              []restore
}

func (v *Velero) asked(ctx context.Context, c engine.Call) (a asked, err error) {
	var in RestoreInput
	if err := c.With(&in); err != nil {
		return a, err
	}
	b, err := v.picked(ctx, c, in.Backup)
	if err != nil {
		return a, err
	}
	a.backup, a.token = b.Name, c.Token
	if _, a.velero, err = settingsOf(c.Plan); err != nil {
		return a, err
	}
	if a.from, err = v.cluster.Namespace(c.Plan, c.Plan.Source); err != nil {
		return a, err //nolint:wrapcheck // the settings' own fault
	}
	if a.to, err = v.cluster.Namespace(c.Plan, c.Plan.Target); err != nil {
		return a, err //nolint:wrapcheck // the settings' own fault
	}
	a.all, err = read[restore](ctx, v, c.Plan, c.Plan.Target, restores, a.velero, "")
	return a, err
}

// name of the n-th Restore of the run: one that failed keeps its name.
func (a asked) name(n int) string {
	if n < 2 {
		return a.token
	}
	return a.token + "-" + strconv.Itoa(n)
}

// last is the newest Restore of the run; nil and the name of the first if there is none
// yet. One of that name that somebody else made, or of another backup, is an error.
func (a asked) last() (r *restore, next string, err error) {
	for n := 1; ; n++ {
		name := a.name(n)
		i := slices.IndexFunc(a.all, func(r restore) bool { return r.Name == name })
		if i < 0 {
			return r, name, nil
		}
		if r = &a.all[i]; !r.ours() || r.Spec.BackupName != a.backup {
			return nil, "", &incident.CallError{
				NeedsPerson: true, Definite: true,
				Err:  fmt.Errorf("the name %s is taken: a Restore of %s that this run has not asked for has it", name, cmp.Or(r.Spec.BackupName, "a schedule")),
				Hint: "delete that Restore, which takes back nothing that it restored, and retry",
			}
		}
	}
}

// Look reports whether Velero has been asked, and has not failed. Another restore into the
// namespace that is under way is waited for: Velero would let this one wait, too.
func (v *Velero) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	a, err := v.asked(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	r, next, err := a.last()
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"backup": a.backup, "namespace": a.to}}
	if r != nil && !r.nothing() {
		o.Job = r.Name
		o.Evidence["restore"], o.Evidence["phase"] = r.Name, r.phase()
		o.Summary = fmt.Sprintf("the Restore %s of %s in %s is %s", r.Name, a.backup, c.Plan.Target.Name, r.phase())
		return o, true, nil
	}
	for i := range a.all {
		if other := &a.all[i]; !other.over() && other.Name != next && other.into(a.to) {
			o.Busy = true
			o.Summary = fmt.Sprintf("another Restore into %s in %s is under way: %s of %s, %s", a.to, c.Plan.Target.Name, other.Name, cmp.Or(other.Spec.BackupName, "a schedule"), other.phase())
			return o, false, nil
		}
	}
	o.Summary = fmt.Sprintf("%s has no Restore of this run", c.Plan.Target.Name)
	if r != nil {
		o.Summary = fmt.Sprintf("the Restore %s in %s came to nothing (%s), the next is %s", r.Name, c.Plan.Target.Name, r.why(), next)
	}
	return o, false, nil
}

// Do asks Velero for the restore. What is there already is skipped.
func (v *Velero) Do(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	a, err := v.asked(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	r, next, err := a.last()
	if err != nil {
		return engine.Outcome{}, err
	}
	o := engine.Outcome{Evidence: map[string]string{"backup": a.backup, "namespace": a.to}}
	if r != nil && !r.nothing() {
		o.Job = r.Name
		o.Summary = fmt.Sprintf("the Restore %s was there already", r.Name)
		return o, nil
	}
	o.Job, o.Evidence["restore"] = next, next
	switch err := v.cluster.Create(ctx, c.Plan, c.Plan.Target, restores, a.object(next)); {
	case apierrors.IsAlreadyExists(err): // since it was looked for: this run's, or another's
		o, _, err := v.Look(ctx, c)
		return o, err
	case err != nil:
		o.Job = ""
		return o, err //nolint:wrapcheck // says what was asked, and is sorted already
	}
	o.Summary = fmt.Sprintf("asked Velero in %s to restore %s into %s: %s", c.Plan.Target.Name, a.backup, a.to, next)
	return o, nil
}

// object is the Restore that is asked for.
func (a asked) object(name string) *unstructured.Unstructured {
	spec := map[string]any{
		"backupName": a.backup, "includedNamespaces": []any{a.from}, "restorePVs": true, "existingResourcePolicy": "none",
	}
	if a.from != a.to {
		spec["namespaceMapping"] = map[string]any{a.from: a.to}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion("velero.io/v1")
	u.SetKind("Restore")
	u.SetName(name)
	u.SetNamespace(a.velero)
	u.SetLabels(map[string]string{managedBy: manager})
	return u
}

// Effect says what would be restored where.
func (v *Velero) Effect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	a, err := v.asked(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	var in RestoreInput
	if err := c.With(&in); err != nil {
		return incident.Effect{}, err
	}
	o, _ := c.Result(in.Backup)
	what := fmt.Sprintf("restore the namespace %s from the backup %s into %s of %s, with its volumes", a.from, a.backup, a.to, c.Plan.Target.Name)
	lost := fmt.Sprintf("what was written in %s since the backup began is not in it", c.Plan.Source.Name)
	if started := o.Evidence["started"]; started != "" {
		lost += " (" + started + ")"
	}
	what += ". What exists there already is skipped, and not updated"
	if there, ok := c.Result(in.Present); ok && there.Evidence["present"] != "" {
		what += ": " + there.Evidence["present"]
	}
	return incident.Effect{
		Step: c.Step.ID, What: what, Lost: lost, Undo: undo,
		Bound: fmt.Sprintf("restore %s/%s from %s", c.Plan.Target.Name, a.to, a.backup),
	}, nil
}

// Job reports on the Restore. It is over when Velero is done with it, in part, too: whether
// that is enough is judged apart. One that failed as a whole is an error.
func (v *Velero) Job(ctx context.Context, c engine.Call, name string) (engine.Progress, error) {
	r, err := v.named(ctx, c, name)
	if err != nil {
		return engine.Progress{}, err
	}
	p := engine.Progress{Share: -1}
	p.Evidence = r.evidence()
	st := r.Status
	switch phase := strings.TrimSuffix(r.phase(), partiallyFailed); {
	case r.nothing():
		return p, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("Velero could not restore %s: %s", r.Spec.BackupName, r.why()),
			Hint: "mend that, and retry: another Restore is asked for then",
		}
	case r.over():
		p.Done, p.Share = true, 1
		p.Summary = fmt.Sprintf("Velero is done with %s: %s", name, r.told())
	case phase == isNew:
		p.Share = 0
		p.Summary = "Velero has not taken it up yet"
	case phase == inProgress:
		p.Summary = "the items are being restored"
		if st.Progress.TotalItems > 0 {
			p.Share = float64(st.Progress.ItemsRestored) / float64(st.Progress.TotalItems)
			p.Summary = fmt.Sprintf("%d of %s restored", st.Progress.ItemsRestored, text.Count(st.Progress.TotalItems, "item"))
		}
	case phase == waiting:
		p.Summary = "the items are restored, volumes are being filled"
		if n := st.RestoreItemOperationsAttempted; n > 0 {
			p.Summary += fmt.Sprintf(": %d of %s done", st.RestoreItemOperationsCompleted, text.Count(n, "operation"))
			if st.RestoreItemOperationsFailed > 0 {
				p.Summary += fmt.Sprintf(", %d failed", st.RestoreItemOperationsFailed)
			}
		}
	case phase == finalizing:
		p.Summary = "items and volumes are restored, the rest is being tidied up"
	default:
		p.Summary = "it is " + r.phase()
	}
	if !r.over() && strings.HasSuffix(r.phase(), partiallyFailed) {
		p.Summary += "; something of it has failed"
	}
	return p, nil
}

// named reads a Restore.
func (v *Velero) named(ctx context.Context, c engine.Call, name string) (*restore, error) {
	_, velero, err := settingsOf(c.Plan)
	if err != nil {
		return nil, err
	}
	all, err := read[restore](ctx, v, c.Plan, c.Plan.Target, restores, velero, "")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r restore) bool { return r.Name == name })
	if i < 0 {
		return nil, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("the Restore %s is not in %s any more: somebody deleted it, which takes back nothing that it restored", name, c.Plan.Target.Name),
			Hint: "look what is there, and retry: another one is asked for then, and skips what is there",
		}
	}
	return &all[i], nil
}

// RestoredInput is the input of Restored.
type RestoredInput struct {
	// Restore is the step that had it restored.
	Restore string `yaml:"restore" json:"restore"`
}

// Restored judges how the Restore ended. One that failed in part is a clear no, with how
// much of it: a person says whether that is enough.
func (v *Velero) Restored(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in RestoredInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Measured: incident.Measured{Verdict: incident.Unsure, AsOf: v.clock.Now()}}
	was, done := c.Result(in.Restore)
	if name := was.Evidence["restore"]; !done || name == "" {
		return o, false, &incident.CallError{NeedsPerson: true, Definite: true, Err: fmt.Errorf("nothing was restored: step %s has not finished", in.Restore), Hint: "retry that step"}
	}
	r, err := v.named(ctx, c, was.Evidence["restore"])
	if err != nil {
		return o, false, err
	}
	o.Evidence = r.evidence()
	none := 0.0
	o.Measured.Figures = []incident.Figure{
		{Name: "errors", Value: float64(r.Status.Errors), Unit: "errors", Limit: &none}, {Name: "warnings", Value: float64(r.Status.Warnings), Unit: "warnings"},
	}
	o.Summary = fmt.Sprintf("the Restore %s of %s: %s", r.Name, r.Spec.BackupName, r.told())
	_, velero, err := settingsOf(c.Plan)
	if err != nil {
		return o, false, err
	}
	which := fmt.Sprintf(". Which: velero restore describe %s --details -n %s", r.Name, velero)
	switch {
	case !r.over():
		return o, false, &incident.CallError{NeedsPerson: true, Err: errors.New(o.Summary), Hint: "wait until Velero is done with it, and retry"}
	case r.Status.Phase != completed:
		o.Measured.Verdict = incident.Fail
		o.Summary += which
		return o, false, nil
	}
	o.Measured.Verdict = incident.Pass
	if r.Status.Warnings > 0 || r.Status.HookStatus.HooksFailed > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += which
	}
	return o, true, nil
}

// phase is its phase; one that Velero has not looked at has none yet.
func (r *restore) phase() string { return cmp.Or(r.Status.Phase, isNew) }

// into says whether it restores something into that namespace.
func (r *restore) into(namespace string) bool {
	in := r.Spec.IncludedNamespaces
	if len(in) == 0 || slices.Contains(in, "*") {
		return true
	}
	return slices.ContainsFunc(in, func(n string) bool { return cmp.Or(r.Spec.NamespaceMapping[n], n) == namespace })
}

// why says of one that came to nothing why.
func (r *restore) why() string {
	if len(r.Status.ValidationErrors) > 0 {
		return r.phase() + ": " + text.Some(r.Status.ValidationErrors, 3)
	}
	return r.phase() + because(r.Status.FailureReason)
}

// told is how far it came.
func (r *restore) told() string {
	st := r.Status
	s := fmt.Sprintf("%s, %d of %s, %s and %s", r.phase(), st.Progress.ItemsRestored, text.Count(st.Progress.TotalItems, "item"),
		text.Count(st.Errors, "error"), text.Count(st.Warnings, "warning"))
	if n := st.HookStatus.HooksFailed; n > 0 {
		s += fmt.Sprintf(", %d of %s failed", n, text.Count(st.HookStatus.HooksAttempted, "hook"))
	}
	if n := st.RestoreItemOperationsFailed; n > 0 {
		s += fmt.Sprintf(", %d of %s failed", n, text.Count(st.RestoreItemOperationsAttempted, "operation"))
	}
	return s
}

func (r *restore) evidence() map[string]string {
	st := r.Status
	return map[string]string{
		"restore": r.Name, "backup": r.Spec.BackupName, "phase": r.phase(),
		"items":  fmt.Sprintf("%d of %d", st.Progress.ItemsRestored, st.Progress.TotalItems),
		"errors": fmt.Sprint(st.Errors), "warnings": fmt.Sprint(st.Warnings),
		"item operations": fmt.Sprintf("%d of %d, %d failed", st.RestoreItemOperationsCompleted, st.RestoreItemOperationsAttempted, st.RestoreItemOperationsFailed),
	}
}

// digest is the SHA-256 of a text in hexadecimal digits.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
