package sim

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	backupsGVR   = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "backups"}
	schedulesGVR = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "schedules"}
	locationsGVR = schema.GroupVersionResource{Group: "velero.io", Version: "v1", Resource: "backupstoragelocations"}
)

const (
	veleroNamespace = "velero"
	backupSchedule  = "ecommerce-prod"
	// A backup begins every ten minutes, takes two, and is known to every cluster a
	// minute later. The last two hours of them are kept.
	backupEvery = 10 * time.Minute
	backupTakes = 2 * time.Minute
	backupSync  = time.Minute
	backupsKept = 12
)

// Velero is what backs the home Region's cluster up; each cluster knows the backups.
// They follow from the time, so what is kept is what went otherwise.
type Velero struct {
	// Paused is when nothing was backed up. One that was under way then is lost.
	Paused []Pause `json:"paused,omitempty"`
	// Failing is since when backups end PartiallyFailed; zero: they do not.
	Failing time.Time `json:"failing,omitzero"`
	// Locations are the storage locations as each Region's cluster has them.
	Locations map[string]*BackupLocation `json:"locations"`
	// Volumes is how those of a backup are kept: "moved" (what CSI snapshots hold is in the
	// storage location), if not given, "files", "native" or "csi", which are snapshots of
	// the home Region. FilesFail: the files are not backed up whole.
	Volumes   string `json:"volumes,omitempty"`
	FilesFail bool   `json:"files_fail,omitempty"`
	// Expired backups are still there. HooksFailed of each of them failed.
	Expired     bool `json:"expired,omitempty"`
	HooksFailed int  `json:"hooks_failed,omitempty"`
	// Namespaces of a backup; that of the services, if not given.
	Namespaces []string `json:"namespaces,omitempty"`
	// Restores are those of each Region's cluster, in the order in which they were asked for.
	Restores map[string][]*Restore `json:"restores,omitempty"`
	// RestoreEnds is how restores end that do not end well: PartiallyFailed, Failed or
	// FailedValidation. RestoreWarnings of each. Held: they stay in their phase.
	RestoreEnds     string `json:"restore_ends,omitempty"`
	RestoreWarnings int    `json:"restore_warnings,omitempty"`
	Held            bool   `json:"held,omitempty"`
}

// Pause is a time without backups; without an end it lasts.
type Pause struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

// BackupLocation is a storage location.
type BackupLocation struct {
	// Region in which its bucket lies.
	Region string `json:"region"`
	// Phase is Available or Unavailable, and Message why.
	Phase   string `json:"phase"`
	Message string `json:"message,omitempty"`
	// Validated is when Velero last looked at it, where it no longer does.
	Validated time.Time `json:"validated,omitzero"`
}

func beginVelero() Velero {
	v := Velero{Locations: map[string]*BackupLocation{}}
	for _, r := range regionNames {
		v.Locations[r] = &BackupLocation{Region: r, Phase: "Available"}
	}
	return v
}

// stepVelero stops making backups of a cluster that is gone.
func (s *State) stepVelero() {
	v, gone := &s.Velero, s.Regions[homeRegion].Lost
	last := len(v.Paused) - 1
	paused := last >= 0 && v.Paused[last].To.IsZero()
	switch {
	case gone && !paused:
		v.Paused = append(v.Paused, Pause{From: s.At})
	case !gone && paused:
		v.Paused[last].To = s.At
	}
}

// backups are those that every cluster knows.
func (s *State) backups() []unstructured.Unstructured {
	var out []unstructured.Unstructured
	for i := range backupsKept {
		start := s.At.Truncate(backupEvery).Add(-time.Duration(i) * backupEvery)
		end := start.Add(backupTakes)
		lost := slices.ContainsFunc(s.Velero.Paused, func(p Pause) bool { return p.From.Before(end) && (p.To.IsZero() || p.To.After(start)) })
		if lost || end.Add(backupSync).After(s.At) {
			continue
		}
		phase := "Completed"
		if f := s.Velero.Failing; !f.IsZero() && !start.Before(f) {
			phase = "PartiallyFailed"
		}
		name := backupSchedule + "-" + start.UTC().Format("20060102150405")
		spec, status := s.Velero.holds()
		status["phase"], status["startTimestamp"], status["completionTimestamp"] = phase, start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)
		status["expiration"] = start.Add(30 * 24 * time.Hour).UTC().Format(time.RFC3339)
		if s.Velero.Expired {
			status["expiration"] = end.UTC().Format(time.RFC3339)
		}
		if phase != "Completed" {
			status["errors"] = int64(2)
		}
		out = append(out, veleroObject("Backup", name, start, spec, status))
		out[len(out)-1].SetLabels(map[string]string{"velero.io/schedule-name": backupSchedule})
	}
	slices.Reverse(out) // by name, as the API server has them
	return out
}

// holds is what each backup is of, and has.
func (v *Velero) holds() (spec, status map[string]any) {
	spec = map[string]any{"storageLocation": "default", "includedNamespaces": []any{namespace}}
	if len(v.Namespaces) > 0 {
		in := []any{}
		for _, n := range v.Namespaces {
			in = append(in, n)
		}
		spec["includedNamespaces"] = in
	}
	status = map[string]any{"progress": map[string]any{"totalItems": int64(restoreItems), "itemsBackedUp": int64(restoreItems)}}
	if v.HooksFailed > 0 {
		status["hookStatus"] = map[string]any{"hooksAttempted": int64(4), "hooksFailed": int64(v.HooksFailed)}
	}
	switch v.Volumes {
	case "files":
	case "native":
		status["volumeSnapshotsAttempted"], status["volumeSnapshotsCompleted"] = int64(1), int64(1)
	default:
		status["csiVolumeSnapshotsAttempted"], status["csiVolumeSnapshotsCompleted"] = int64(1), int64(1)
		status["backupItemOperationsAttempted"], status["backupItemOperationsCompleted"] = int64(1), int64(1)
		spec["snapshotMoveData"] = v.Volumes != "csi"
	}
	return spec, status
}

// schedules are those of a Region's cluster. Both have the same one, and that of the
// standby waits.
func (s *State) schedules(r *Region) []unstructured.Unstructured {
	return []unstructured.Unstructured{veleroObject("Schedule", backupSchedule, s.Start.Add(-30*24*time.Hour), map[string]any{
		"schedule": "*/10 * * * *", "paused": r.Name != homeRegion, "template": map[string]any{"includedNamespaces": []any{namespace}},
	}, map[string]any{"phase": "Enabled"})}
}

// backupLocations are those of a Region's cluster.
func (s *State) backupLocations(r *Region) []unstructured.Unstructured {
	l := s.Velero.Locations[r.Name]
	if l == nil {
		return nil
	}
	validated := l.Validated
	if validated.IsZero() {
		validated = s.At.Truncate(time.Minute)
	}
	status := map[string]any{"phase": l.Phase, "lastValidationTime": validated.UTC().Format(time.RFC3339)}
	if l.Message != "" {
		status["message"] = l.Message
	}
	config := map[string]any{}
	if l.Region != "" {
		config["region"] = l.Region
	}
	return []unstructured.Unstructured{veleroObject("BackupStorageLocation", "default", s.Start.Add(-30*24*time.Hour), map[string]any{
		"provider": "aws", "default": true, "config": config,
		"objectStorage": map[string]any{"bucket": fmt.Sprintf("ecommerce-velero-%s", r.Name)},
	}, status)}
}

func veleroObject(kind, name string, created time.Time, spec, status map[string]any) unstructured.Unstructured {
	u := unstructured.Unstructured{Object: map[string]any{"spec": spec, "status": status}}
	u.SetAPIVersion("velero.io/v1")
	u.SetKind(kind)
	u.SetName(name)
	u.SetNamespace(veleroNamespace)
	u.SetCreationTimestamp(metav1.NewTime(created))
	u.SetUID(uidOf(kind, name))
	return u
}

// veleroList is the answer to a list of Velero's objects.
func veleroList(kind string, items []unstructured.Unstructured) *unstructured.UnstructuredList {
	return listOf(backupsGVR.GroupVersion(), kind+"List", items)
}
