package providers_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/providers/velero"
)

const (
	newestBackup = "ecommerce-prod-20260303135000"
	restoreToken = "fb-0123456789abcdef"
)

// askedFor puts the Restore of a run into the target, as its own call does.
func askedFor(s *sim.State, name string) *sim.Restore {
	o := &sim.Restore{
		Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": "failoverbot"}, Created: s.At, Phase: "New", Since: s.At,
		Spec: map[string]any{"backupName": newestBackup, "includedNamespaces": []any{"ecommerce-prod"}},
	}
	if s.Velero.Restores == nil {
		s.Velero.Restores = map[string][]*sim.Restore{}
	}
	s.Velero.Restores[west] = append(s.Velero.Restores[west], o)
	return o
}

// from has a backup or a schedule restored by its name.
func from(t *testing.T, name string) func(c *engine.Call) {
	t.Helper()
	return func(c *engine.Call) {
		with, err := json.Marshal(velero.ListInput{From: name})
		if err != nil {
			t.Fatal(err)
		}
		c.Step.With = with
	}
}

func TestTheBackupToRestoreIsPicked(t *testing.T) {
	here := func(s *sim.State) *sim.BackupLocation { return s.Velero.Locations[west] }
	judge(t, "restore-list", []judged{
		{
			"the newest that is Completed", func(*sim.State) {}, incident.Pass,
			[]string{newestBackup + " of schedule ecommerce-prod in us-west-2, began 11 min ago, Completed"},
			map[string]string{"backup": newestBackup, "backup 01": newestBackup + ", began 11 min ago", "location": "bucket ecommerce-velero-us-west-2 in us-west-2, Available"},
			map[string]float64{"age of the backup": 11},
		},
		{
			"newer ones failed in part", func(s *sim.State) { s.Velero.Failing = s.At.Add(-35 * time.Minute) }, incident.Warn,
			[]string{"ecommerce-prod-20260303132000 of schedule", "newer ones are not taken: ecommerce-prod-20260303135000 (PartiallyFailed); ecommerce-prod-20260303134000 (PartiallyFailed); and 1 more"},
			map[string]string{"backup 01": "PartiallyFailed with 0 warnings and 2 errors"},
			nil,
		},
		{"all failed in part", func(s *sim.State) { s.Velero.Failing = s.At.Add(-24 * time.Hour) }, incident.Fail, []string{"no backup of schedule ecommerce-prod is Completed in us-west-2", "can be restored by its name"}, nil, nil},
		{"there is none", func(s *sim.State) { s.Velero.Paused = []sim.Pause{{From: s.At.Add(-24 * time.Hour)}} }, incident.Fail, []string{`us-west-2 has no backup and no schedule's backup called "ecommerce-prod": Velero knows none there`}, nil, nil},
		{"all are past their time", func(s *sim.State) { s.Velero.Expired = true }, incident.Fail, []string{"no backup of schedule ecommerce-prod is Completed", "it expired at 2026-03-03 13:52 UTC"}, nil, nil},
		{"the location is away", func(s *sim.State) { here(s).Phase, here(s).Message = "Unavailable", "AccessDenied" }, incident.Fail, []string{"the storage location default is Unavailable in us-west-2: AccessDenied, so Velero cannot restore " + newestBackup}, nil, nil},
		{"the location is not there", func(s *sim.State) { delete(s.Velero.Locations, west) }, incident.Fail, []string{`the storage location "default" of the backup`}, nil, nil},
		{"the bucket lies elsewhere and can be read", func(s *sim.State) { here(s).Region = east }, incident.Warn, []string{"its bucket lies in us-east-1, and can be read now"}, nil, nil},
		{"Velero does not run", func(s *sim.State) { here(s).Validated = s.At.Add(-25 * time.Minute) }, incident.Unsure, []string{"Velero last looked at it 25 min", "look whether Velero runs in us-west-2"}, nil, nil},
	})
	t.Run("by its name", func(t *testing.T) {
		judge(t, "restore-list", []judged{
			{"an older one", func(*sim.State) {}, incident.Pass, []string{"ecommerce-prod-20260303131000 of schedule", "began 51 min ago"}, nil, nil},
			{"one that failed in part", func(s *sim.State) { s.Velero.Failing = s.At.Add(-24 * time.Hour) }, incident.Warn, []string{"PartiallyFailed with 0 warnings and 2 errors; what failed in it is not restored"}, nil, nil},
			{"one past its time", func(s *sim.State) { s.Velero.Expired = true }, incident.Fail, []string{"the backup ecommerce-prod-20260303131000 in us-west-2 cannot be restored: it expired at 2026-03-03 13:12 UTC, and Velero deletes it"}, nil, nil},
		}, from(t, "ecommerce-prod-20260303131000"))
	})
	t.Run("by another schedule", func(t *testing.T) {
		judge(t, "restore-list", []judged{
			{"that has none", func(*sim.State) {}, incident.Fail, []string{`called "nightly": there are backups of ecommerce-prod; the newest is ` + newestBackup}, nil, nil},
		}, from(t, "nightly"))
	})
	t.Run("where the settings name no schedule", func(t *testing.T) {
		judge(t, "restore-list", []judged{
			{"nothing is meant", func(*sim.State) {}, incident.Unsure, []string{"no backup was named, and the settings name no Velero schedule of us-east-1", `"backup_schedule"`}, nil, nil},
		}, backedUp(t, func(s *velero.Settings) { s.Regions = nil }))
	})
}

func TestWhatABackupHoldsIsJudged(t *testing.T) {
	judge(t, "restore-contents", []judged{
		{
			"data that were moved", func(*sim.State) {}, incident.Pass,
			[]string{newestBackup + " holds 37 items of namespace ecommerce-prod, and the moved data of 1 volume"},
			map[string]string{"items": "37 of 37", "CSI snapshots": "1 of 1", "native snapshots": "0 of 0", "item operations": "1 of 1, 0 failed", "hooks": "0, 0 failed", "expires": "2026-04-02T13:50:00Z"},
			map[string]float64{"items": 37, "errors": 0},
		},
		{"files", func(s *sim.State) { s.Velero.Volumes = "files" }, incident.Pass, []string{"and the files of 1 volume"}, map[string]string{"volumes' files": "1 Completed"}, nil},
		{"files that failed", func(s *sim.State) { s.Velero.Volumes, s.Velero.FilesFail = "files", true }, incident.Warn, []string{"without the files of exports of order-service-0 (Failed)"}, nil, nil},
		{
			"native snapshots of the other Region", func(s *sim.State) { s.Velero.Volumes = "native" }, incident.Fail,
			[]string{"cannot be restored in us-west-2: 1 volume is native snapshots of us-east-1, and those cannot cross Regions", "--default-volumes-to-fs-backup", "--snapshot-move-data"},
			nil, nil,
		},
		{
			"CSI snapshots whose data were not moved", func(s *sim.State) { s.Velero.Volumes = "csi" }, incident.Fail,
			[]string{"1 volume is CSI snapshots of us-east-1 whose data were not moved, and those cannot cross Regions"},
			nil, nil,
		},
		{"hooks that failed", func(s *sim.State) { s.Velero.HooksFailed = 1 }, incident.Warn, []string{"1 of 4 hooks failed, so data may not be of one moment"}, nil, nil},
		{"another namespace", func(s *sim.State) { s.Velero.Namespaces = []string{"monitoring"} }, incident.Fail, []string{"does not hold the namespace ecommerce-prod: it is of monitoring"}, nil, nil},
		{"it is gone since", func(s *sim.State) { s.Velero.Paused = []sim.Pause{{From: s.At.Add(-24 * time.Hour)}} }, incident.Unsure, []string{"is not in us-west-2 any more", "name another one"}, nil, nil},
	})
	t.Run("of the target's own schedule", func(t *testing.T) {
		judge(t, "restore-contents", []judged{
			{"its snapshots are there", func(s *sim.State) { s.Velero.Volumes = "native" }, incident.Pass, []string{"and snapshots of 1 volume"}, nil, nil},
		}, backedUp(t, func(s *velero.Settings) {
			s.Regions = map[string]velero.Schedule{east: {BackupSchedule: "other"}, west: {BackupSchedule: "ecommerce-prod"}}
		}))
	})
	t.Run("where none was picked", func(t *testing.T) {
		judge(t, "restore-contents", []judged{
			{"nobody knows which", func(*sim.State) {}, incident.Unsure, []string{"no backup was picked: step restore-list has found none", "name another backup"}, nil, nil},
		}, func(c *engine.Call) {
			c.Result = func(string) (engine.Outcome, bool) { return engine.Outcome{}, false }
		})
	})
}

func TestWhatIsThereBeforeARestoreIsTold(t *testing.T) {
	judge(t, "restore-present", []judged{
		{
			"all of it", func(*sim.State) {}, incident.Pass,
			[]string{"ecommerce-prod in us-west-2 has 5 Deployments, 1 PersistentVolumeClaim, 2 ConfigMaps, 2 Secrets, 2 VirtualServices, 2 DestinationRules: a restore skips them"},
			map[string]string{"Secrets": "order-database; payment-database", "ConfigMaps": "order-settings"},
			map[string]float64{"objects there": 14},
		},
		{
			"nothing", func(s *sim.State) { s.Regions[west].Deployments, s.Regions[west].Objects = nil, nil }, incident.Pass,
			[]string{"ecommerce-prod in us-west-2 is empty: nothing is skipped"},
			nil, nil,
		},
		{"no mesh", func(s *sim.State) { s.Regions[west].Mesh.Absent = true }, incident.Pass, []string{"2 ConfigMaps, 2 Secrets: a restore"}, nil, nil},
	})
}

// What Velero publishes, phase by phase and looked at several times in each, is told as
// far as it says something; whoever looks is never told that it is over before it is.
func TestARestoreIsFollowedThroughItsPhases(t *testing.T) {
	type phase struct {
		name, says string
		share      float64
		done       bool
		fails      []string
	}
	begun := []phase{{name: "", says: "Velero has not taken it up yet"}, {name: "New", says: "Velero has not taken it up yet"}, {name: "InProgress", says: "of 37 items restored", share: 0.5}}
	for name, phases := range map[string][]phase{
		"well": append(slices.Clone(begun), []phase{
			{name: "WaitingForPluginOperations", says: "volumes are being filled: 0 of 1 operation done", share: -1},
			{name: "Finalizing", says: "the rest is being tidied up", share: -1},
			{name: "Completed", says: "Completed, 37 of 37 items, 0 errors and 0 warnings", share: 1, done: true},
		}...),
		"in part": append(slices.Clone(begun), []phase{
			{name: "WaitingForPluginOperationsPartiallyFailed", says: "0 of 1 operation done, 1 failed; something of it has failed", share: -1},
			{name: "FinalizingPartiallyFailed", says: "the rest is being tidied up; something of it has failed", share: -1},
			{name: "PartiallyFailed", says: "PartiallyFailed, 37 of 37 items, 1 error and 0 warnings, 1 of 1 operation failed", share: 1, done: true},
		}...),
		"not at all": append(slices.Clone(begun), phase{name: "Failed", share: -1, fails: []string{"Velero could not restore " + newestBackup + ": Failed: the contents are gone", "another Restore is asked for"}}),
		"refused":    {{name: "New", says: "Velero has not taken it up yet"}, {name: "FailedValidation", share: -1, fails: []string{"FailedValidation: the contents are gone"}}},
		"as a later version has it": {
			{name: "New", says: "Velero has not taken it up yet"}, {name: "Hibernating", says: "it is Hibernating", share: -1}, {name: "Completed", says: "Completed", share: 1, done: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, func(s *sim.State) { s.Velero.Held = true })
			a, c := w.call(t, "restore")
			o, err := a.Do(t.Context(), c)
			if err != nil || o.Job != restoreToken {
				t.Fatalf("%+v %v", o, err)
			}
			for _, p := range phases {
				w.change(t, func(s *sim.State) {
					r := s.Velero.Restores[west][0]
					r.Phase, r.Since, r.Why = p.name, s.At, "the contents are gone"
				})
				for look := range 3 {
					w.wait(t, 5*time.Second)
					told, err := a.Job(t.Context(), c, o.Job)
					if len(p.fails) > 0 {
						f := incident.CallErrorOf(err)
						if err == nil || told.Done || !f.NeedsPerson || !f.Definite {
							t.Fatalf("%s: %+v %v", p.name, told, err)
						}
						for _, part := range p.fails {
							if !strings.Contains(err.Error()+" ("+f.Hint+")", part) {
								t.Errorf("%s: it does not say %q: %v (%s)", p.name, part, err, f.Hint)
							}
						}
						continue
					}
					if err != nil || told.Done != p.done || !strings.Contains(told.Summary, p.says) {
						t.Errorf("%s, look %d: done %t, %q, %v", p.name, look, told.Done, told.Summary, err)
					}
					if between := p.share > 0 && p.share < 1; between && (told.Share <= 0 || told.Share >= 1) || !between && told.Share != p.share {
						t.Errorf("%s, look %d: a share of %g", p.name, look, told.Share)
					}
					if o, there, err := a.Look(t.Context(), c); err != nil || !there || o.Job != restoreToken {
						t.Errorf("%s: %t %+v %v", p.name, there, o, err)
					}
				}
			}
		})
	}
}

// What came to nothing is asked for anew under another name; the one before stays.
func TestARestoreThatFailedIsAskedForUnderTheNextName(t *testing.T) {
	for _, phase := range []string{"Failed", "FailedValidation"} {
		w := newWorld(t)
		w.change(t, func(s *sim.State) {
			s.Velero.Held = true
			askedFor(s, restoreToken).Phase = phase
		})
		a, c := w.call(t, "restore")
		if o, there, err := a.Look(t.Context(), c); err != nil || there || !strings.Contains(o.Summary, "came to nothing ("+phase) {
			t.Fatalf("%s: %t %q %v", phase, there, o.Summary, err)
		}
		o, err := a.Do(t.Context(), c)
		if err != nil || o.Job != restoreToken+"-2" {
			t.Fatalf("%s: %+v %v", phase, o, err)
		}
		all := w.Snapshot().Velero.Restores[west]
		if len(all) != 2 || fmt.Sprint(all[1].Spec) != fmt.Sprint(map[string]any{"backupName": newestBackup, "includedNamespaces": []any{"ecommerce-prod"}, "restorePVs": true, "existingResourcePolicy": "none"}) {
			t.Errorf("%s: %+v", phase, all[len(all)-1])
		}
		if o, there, err := a.Look(t.Context(), c); err != nil || !there || o.Job != restoreToken+"-2" {
			t.Errorf("%s: %t %+v %v", phase, there, o, err)
		}
	}
}

// What cannot be restored is refused before Velero is asked for anything.
func TestARestoreIsRefusedBeforeVeleroIsAsked(t *testing.T) {
	for _, bad := range []struct {
		name, step string
		change     func(s *sim.State)
		says       string
	}{
		{"no backup", "restore-list", func(s *sim.State) { s.Velero.Paused = []sim.Pause{{From: s.At.Add(-24 * time.Hour)}} }, "has no backup"},
		{"an expired one", "restore-list", func(s *sim.State) { s.Velero.Expired = true }, "it expired at"},
		{"volumes of another Region", "restore-contents", func(s *sim.State) { s.Velero.Volumes = "native" }, "those cannot cross Regions"},
		{"the location away", "restore-list", func(s *sim.State) { s.Velero.Locations[west].Phase = "Unavailable" }, "is Unavailable in us-west-2"},
		{"the name taken by somebody", "restore", func(s *sim.State) { askedFor(s, restoreToken).Labels = nil }, "the name " + restoreToken + " is taken"},
		{"the name taken by another backup", "restore", func(s *sim.State) { askedFor(s, restoreToken).Spec["backupName"] = "other" }, "is taken: a Restore of other"},
		{"the backup deleted since", "restore", func(s *sim.State) { s.Velero.Paused = []sim.Pause{{From: s.At.Add(-24 * time.Hour)}} }, "is not in us-west-2 any more"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, bad.change)
			o, ok, err := w.looked(t, bad.step)
			said := o.Summary
			if err != nil {
				said = err.Error()
			}
			if ok || !strings.Contains(said, bad.says) || len(w.applied()) > 0 {
				t.Errorf("%t %q, applied %v", ok, said, w.applied())
			}
			if _, c := w.call(t, bad.step); bad.step != "restore" && (!c.Step.Locked || !c.Plan.Needed("restore")[c.Step.ID]) {
				t.Error("a person may go past it")
			}
			if bad.step != "restore" {
				return
			}
			a, c := w.call(t, "restore")
			if _, err := a.Do(t.Context(), c); err == nil || len(w.applied()) > 0 {
				t.Errorf("asked for: %v, applied %v", err, w.applied())
			}
			if f := incident.CallErrorOf(err); !f.NeedsPerson || !f.Definite || f.Hint == "" {
				t.Errorf("%+v", f)
			}
		})
	}
}

// Velero restores one after another: what somebody else has begun is waited for.
func TestAnotherRestoreThereIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) { s.Velero.Held = true; askedFor(s, "by-hand").Labels = nil })
	a, c := w.call(t, "restore")
	o, there, err := a.Look(t.Context(), c)
	if err != nil || there || !o.Busy || !strings.Contains(o.Summary, "another Restore into ecommerce-prod in us-west-2 is under way: by-hand") {
		t.Errorf("%t %+v %v", there, o, err)
	}
	for what, change := range map[string]func(r *sim.Restore){
		"it is over":      func(r *sim.Restore) { r.Phase = "PartiallyFailed" },
		"it is elsewhere": func(r *sim.Restore) { r.Phase, r.Spec["includedNamespaces"] = "InProgress", []any{"monitoring"} },
		"it goes to another one": func(r *sim.Restore) {
			r.Spec["includedNamespaces"], r.Spec["namespaceMapping"] = []any{"ecommerce-prod"}, map[string]any{"ecommerce-prod": "copy"}
		},
	} {
		w.change(t, func(s *sim.State) { change(s.Velero.Restores[west][0]) })
		if o, there, err := a.Look(t.Context(), c); err != nil || there || o.Busy {
			t.Errorf("%s: %t %+v %v", what, there, o, err)
		}
	}
}

func TestHowARestoreEndedIsJudged(t *testing.T) {
	restored := func(c *engine.Call) {
		c.Result = func(string) (engine.Outcome, bool) {
			return engine.Outcome{Evidence: map[string]string{"restore": restoreToken}}, true
		}
	}
	in := func(phase string, more ...func(s *sim.State)) func(s *sim.State) {
		return func(s *sim.State) {
			s.Velero.Held = true
			askedFor(s, restoreToken).Phase = phase
			for _, f := range more {
				f(s)
			}
		}
	}
	judge(t, "restore-ended", []judged{
		{"whole", in("Completed"), incident.Pass, []string{"Completed, 37 of 37 items, 0 errors and 0 warnings"}, map[string]string{"phase": "Completed"}, map[string]float64{"errors": 0}},
		{
			"with warnings", in("Completed", func(s *sim.State) { s.Velero.RestoreWarnings = 3 }), incident.Warn,
			[]string{"0 errors and 3 warnings. Which: velero restore describe " + restoreToken + " --details -n velero"},
			nil,
			map[string]float64{"warnings": 3},
		},
		{"in part", in("PartiallyFailed"), incident.Fail, []string{"PartiallyFailed, 37 of 37 items, 1 error and 0 warnings", "velero restore describe"}, map[string]string{"errors": "1"}, map[string]float64{"errors": 1}},
		{"not over", in("Finalizing"), incident.Unsure, []string{"Finalizing", "wait until Velero is done with it"}, nil, nil},
		{"deleted", func(*sim.State) {}, incident.Unsure, []string{"is not in us-west-2 any more", "which takes back nothing that it restored"}, nil, nil},
	}, restored)
}

func TestWhatWasRestoredIsJudged(t *testing.T) {
	optional := true
	order := func(s *sim.State) *corev1.PodSpec {
		return &s.Regions[west].Deployments["order-service"].Spec.Template.Spec
	}
	of := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	for step, cases := range map[string][]judged{
		"restored-pods": {
			{"all run", func(*sim.State) {}, incident.Pass, []string{"9 pods and 5 Deployments, as they should be"}, nil, map[string]float64{"pods": 9, "Deployments": 5}},
			{"one has fewer", func(s *sim.State) { s.Regions[west].Pods[0].ReadyAt = s.At.Add(time.Hour) }, incident.Fail, []string{"Deployment user-service has 1 of 2 available"}, nil, nil},
			{"one has no node", func(s *sim.State) {
				for i := range s.Regions[west].Nodes {
					s.Regions[west].Nodes[i].Cordoned = true
				}
				s.Regions[west].Pods[0].Node, s.Regions[west].Pods[0].ReadyAt = "", time.Time{}
			}, incident.Fail, []string{"has no node: "}, nil, nil},
			{"nothing is there", func(s *sim.State) { s.Regions[west].Deployments, s.Regions[west].Pods = nil, nil }, incident.Fail, []string{"there is no Deployment"}, nil, nil},
		},
		"restored-claims": {
			{"bound", func(*sim.State) {}, incident.Pass, []string{"1 PersistentVolumeClaim, as they should be"}, map[string]string{"PersistentVolumeClaims": "order-exports"}, nil},
			{"not bound", func(s *sim.State) {
				s.Regions[west].Objects["persistentvolumeclaims"]["order-exports"] = sim.KeptObject{Pending: true}
			}, incident.Fail, []string{"claim order-exports is Pending, and not Bound"}, nil, map[string]float64{"not as they should be": 1}},
		},
		"restored-configuration": {
			{"nothing is missing", func(s *sim.State) {
				order(s).Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: of("order-settings")}}, {SecretRef: &corev1.SecretEnvSource{LocalObjectReference: of("order-database")}}}
			}, incident.Pass, []string{"2 ConfigMaps and 2 Secrets, as they should be"}, map[string]string{"Secrets": "order-database; payment-database"}, nil},
			{"a ConfigMap and a Secret", func(s *sim.State) {
				order(s).Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: of("order-flags")}}, {SecretRef: &corev1.SecretEnvSource{LocalObjectReference: of("order-keys")}}}
			}, incident.Fail, []string{"order-service needs the ConfigMap order-flags, which is not there", "order-service needs the Secret order-keys, which is not there"}, nil, map[string]float64{"not as they should be": 2}},
			{"by a key, a volume and a projection", func(s *sim.State) {
				order(s).InitContainers = []corev1.Container{{Name: "init", Env: []corev1.EnvVar{
					{Name: "A", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: of("map-a"), Key: "a"}}},
					{Name: "B", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: of("secret-b"), Key: "b"}}},
				}}}
				order(s).Volumes = []corev1.Volume{{Name: "c", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: of("map-c")}}}}}}}
			}, incident.Fail, []string{"ConfigMap map-a", "ConfigMap map-c", "Secret secret-b"}, nil, nil},
			{"what is optional", func(s *sim.State) {
				order(s).Volumes = []corev1.Volume{{Name: "d", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret-d", Optional: &optional}}}}
			}, incident.Pass, nil, nil, nil},
		},
		"restored-mesh": {
			{"they fit", func(*sim.State) {}, incident.Pass, []string{"2 VirtualServices and 2 DestinationRules, as they should be"}, map[string]string{"VirtualServices": "order-service; payment-service"}, nil},
			{"a rule is missing", func(s *sim.State) { delete(s.Regions[west].Objects["destinationrules"], "order-service") }, incident.Fail, []string{"VirtualService order-service leads to the subset stable of order-service, which no DestinationRule defines"}, nil, nil},
			{"there is no mesh", func(s *sim.State) { s.Regions[west].Mesh.Absent = true }, incident.NotApplicable, []string{"does not know Istio's objects"}, nil, nil},
		},
	} {
		t.Run(step, func(t *testing.T) { judge(t, step, cases) })
	}
}

// No fault of any call passes for an answer.
func TestWhatARestoreNeedsThatCannotBeSeenIsUnknown(t *testing.T) {
	names := func(what string) string { return "get /api/v1/namespaces/ecommerce-prod/" + what }
	for step, operations := range map[string][]string{
		"restore-list":           {"list backups", "list backupstoragelocations"},
		"restore-contents":       {"list backups", "list podvolumebackups"},
		"restore-present":        {"list deployments", "list persistentvolumeclaims", names("configmaps"), names("secrets"), "list virtualservices", "list destinationrules"},
		"restore":                {"list backups", "list restores"},
		"restored-pods":          {"list pods", "list deployments"},
		"restored-claims":        {"list persistentvolumeclaims"},
		"restored-configuration": {"list deployments", names("configmaps"), names("secrets")},
		"restored-mesh":          {"list virtualservices", "list destinationrules"},
	} {
		t.Run(step, func(t *testing.T) { blind(t, step, "kubernetes", operations...) })
	}
	t.Run("restore-ended", func(t *testing.T) {
		w := newWorld(t)
		w.found["restore"] = engine.Outcome{Evidence: map[string]string{"restore": restoreToken}}
		if err := w.Fault(sim.Fault{System: "kubernetes", Operation: "list restores", Kind: sim.Deny}); err != nil {
			t.Fatal(err)
		}
		if o, ok, err := w.looked(t, "restore-ended"); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson {
			t.Errorf("%t %q %v", ok, o.Summary, err)
		}
	})
}
