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
		out = append(out, veleroObject("Backup", name, start, map[string]any{"storageLocation": "default"}, map[string]any{
			"phase": phase, "startTimestamp": start.UTC().Format(time.RFC3339), "completionTimestamp": end.UTC().Format(time.RFC3339),
		}))
		out[len(out)-1].SetLabels(map[string]string{"velero.io/schedule-name": backupSchedule})
	}
	slices.Reverse(out) // by name, as the API server has them
	return out
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
