package providers_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/sim"
)

// whenDetached makes a step's call that of a run whose database is detached.
func whenDetached(c *engine.Call) {
	whenUnplanned(c)
	c.Step.With = json.RawMessage(`{"detach":true}`)
}

func TestADetachIsWaitedForUntilTheClusterWritesAlone(t *testing.T) {
	w := newWorld(t)
	w.change(t, versionsApart)
	detach, call := w.call(t, "detach-database")
	wait, waits := w.call(t, "database-writable")
	whenDetached(&waits)
	look := func(writes bool, says string) engine.Outcome {
		t.Helper()
		o, ok, err := wait.Look(t.Context(), waits)
		if err != nil || ok != writes || !strings.Contains(o.Summary, says) {
			t.Errorf("%t %q %v, want %q", ok, o.Summary, err, says)
		}
		return o
	}
	if o := look(false, "is still a member of ecommerce-global (available), and is not leaving it"); o.Gone {
		t.Error("what nobody asked for will not come")
	}
	if _, err := detach.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	waits.Asked = w.clock.Now()
	if o := look(false, "ecommerce-secondary is leaving ecommerce-global"); o.Gone {
		t.Error("it is not waited for")
	}
	w.wait(t, 3*time.Minute)
	if o := look(true, "ecommerce-secondary writes in us-west-2 (instance ecommerce-secondary-1), and has no standby"); o.Evidence["endpoint"] != ownHost {
		t.Errorf("%v", o.Evidence)
	}
	// What was left behind writes, too.
	if s := w.Snapshot(); s.Writer() != west || !s.Database.Member(east).Writer || !s.Database.Member(east).Orphan {
		t.Errorf("%+v", s.Database.Members)
	}
}

func TestADetachIsRefusedWhereItWouldOnlyHarm(t *testing.T) {
	for name, c := range map[string]struct {
		start func(s *sim.State)
		says  string
	}{
		"it writes already": {promoteByHand, "ecommerce-secondary writes for ecommerce-global already: to detach it would only take its standby away"},
		"it is being promoted": {func(s *sim.State) {
			s.Database.Failover = &sim.Failover{Status: "failing-over", From: east, To: west, DataLoss: true, Started: s.At, Due: s.At.Add(time.Hour)}
		}, "a promotion of ecommerce-secondary is under way (failing-over); ecommerce-secondary cannot leave ecommerce-global now"},
	} {
		w := newWorld(t)
		w.change(t, c.start)
		_, there, err := w.looked(t, "detach-database")
		if f := incident.CallErrorOf(err); err == nil || there || !f.NeedsPerson || f.Hint == "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %t %v", name, there, err)
		}
	}
	// Somebody else's is waited for: whoever began it may know why.
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		m := s.Database.Member(west)
		m.Status, m.Detached = "promoting", s.At.Add(time.Hour)
	})
	if o, there, err := w.looked(t, "detach-database"); err != nil || there || !o.Busy || !strings.Contains(o.Summary, "this run did not ask for it") {
		t.Errorf("%t %+v %v", there, o, err)
	}
	blind(t, "detach-database", "aws.rds", "DescribeGlobalClusters", "DescribeDBClusters")
}

func TestWhatADetachCostsIsSaidBeforeItIsAgreedTo(t *testing.T) {
	w := newWorld(t)
	w.wait(t, 2*time.Minute)
	a, c := w.call(t, "detach-database")
	e, err := a.Effect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for what, said := range map[string][]string{
		e.What: {"RemoveFromGlobalCluster: ecommerce-secondary", "leaves ecommerce-global and writes alone; services are given its own endpoint"},
		e.Lost: {"of writes", "ecommerce-primary stays behind as an orphan that nobody blocks", "is not in us-west-2"},
		e.Undo: {"none: ecommerce-primary does not rejoin; a standby has to be made anew"},
	} {
		for _, part := range said {
			if !strings.Contains(what, part) {
				t.Errorf("it does not say %q: %s", part, what)
			}
		}
	}
	w.change(t, func(s *sim.State) { s.Database.LagMS = 9000 })
	w.wait(t, 2*time.Minute)
	if later, err := a.Effect(t.Context(), c); err != nil || later.Bound == e.Bound {
		t.Errorf("with another lag it is bound to %q, too: %v", later.Bound, err)
	}
}

// Nobody blocks a writer that was left behind: that is so until its cluster is stopped.
func TestAnOrphanIsToldUntilItIsStopped(t *testing.T) {
	w := newWorld(t)
	w.change(t, detachedByHand)
	a, c := w.call(t, "old-writer")
	whenDetached(&c)
	const behind = "ecommerce-primary in us-east-1 was left behind and blocked by nobody: what is written there is not in us-west-2"
	for _, step := range []struct {
		change func(s *sim.State)
		passes bool
		says   string
	}{
		{func(*sim.State) {}, false, behind},
		{func(s *sim.State) { s.Regions[east].Lost = true }, false, behind},
		{func(s *sim.State) { s.Regions[east].Lost, s.Database.Member(east).Status = false, "stopped" }, true, "ecommerce-primary in us-east-1 takes no more writes"},
		{func(s *sim.State) { s.Database.Members = s.Database.Members[1:] }, true, "takes no more writes"},
	} {
		w.change(t, step.change)
		o, ok, err := a.Look(t.Context(), c)
		if err != nil || ok != step.passes || !strings.Contains(o.Summary, step.says) {
			t.Errorf("%t %q %v, want %q", ok, o.Summary, err, step.says)
		}
	}
}

func TestWhetherServicesCanBeToldAnotherDatabase(t *testing.T) {
	env := func(change func(e *corev1.EnvVar)) func(*sim.State) {
		return func(s *sim.State) {
			change(&s.Regions[west].Deployments["order-service"].Spec.Template.Spec.Containers[0].Env[0])
		}
	}
	from := func(v corev1.EnvVarSource) func(*sim.State) {
		return env(func(e *corev1.EnvVar) { e.Value, e.ValueFrom = "", &v })
	}
	const cannot = "services in us-west-2 cannot be told another database host: order-service: "
	judge(t, "database-hosts", []judged{
		{"all can", func(*sim.State) {}, incident.Pass, []string{"5 services in us-west-2 can be told another database host"}, map[string]string{"order-service": "ecommerce-global.global-pretend"}, nil},
		{"another name", env(func(e *corev1.EnvVar) { e.Name = "DATABASE" }), incident.Fail, []string{cannot + "it has no DB_HOST of its own"}, nil, nil},
		{"from a ConfigMap", from(corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "shop"}}}), incident.Fail, []string{cannot + "DB_HOST of container order-service comes from ConfigMap shop"}, nil, nil},
		{"from a Secret", from(corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}}}), incident.Fail, []string{"comes from Secret db"}, nil, nil},
		{"a service is not there", func(s *sim.State) { delete(s.Regions[west].Deployments, "order-service") }, incident.Fail, []string{"order-service is not there"}, nil, nil},
		{"Argo CD has it", func(s *sim.State) {
			d := s.Regions[west].Deployments["order-service"]
			d.Labels["argocd.argoproj.io/instance"] = "shop"
			d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "argocd-controller", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:template":{"f:spec":{"f:containers":{}}}}}`)}}
		}, incident.Warn, []string{"Argo CD application shop in us-west-2 sets back what the run changes (pause it first: argocd app set argocd/shop --self-heal=false), DB_HOST of order-service"}, nil, nil},
	})
	blind(t, "database-hosts", "kubernetes", "list deployments")
	judge(t, "database-hosts", []judged{
		{"the settings name no variable", func(*sim.State) {}, incident.Unsure, []string{"the settings do not name the variable that has the services' database host (platform.kube.database_env)"}, nil, nil},
	}, func(c *engine.Call) {
		own := partOf[kube.Settings](t, c.Plan.Topology, kube.Platform.Key)
		own.DatabaseEnv = ""
		if err := kube.Platform.Freeze(&c.Plan.Topology, own); err != nil {
			t.Fatal(err)
		}
	})
}

// A service is told where the database is in each container that asks for it, and nothing
// else of its template is touched.
func TestAServiceIsToldItsDatabaseInEachContainer(t *testing.T) {
	w := newWorld(t)
	w.change(t, func(s *sim.State) {
		spec := &s.Regions[west].Deployments["order-service"].Spec.Template.Spec
		spec.Containers[0].Env = append(spec.Containers[0].Env, corev1.EnvVar{Name: "MODE", Value: "shop"})
		spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "migrate:1", Env: []corev1.EnvVar{{Name: "DB_HOST", Value: "somewhere"}}}}
	})
	a, c := w.call(t, "database-host/order-service")
	o, there, err := a.Look(t.Context(), c)
	if err != nil || there || !strings.Contains(o.Before, "somewhere") {
		t.Fatalf("%t %+v %v", there, o, err)
	}
	if _, err := a.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	spec := w.Snapshot().Regions[west].Deployments["order-service"].Spec.Template.Spec
	if len(spec.Containers) != 1 || len(spec.InitContainers) != 1 || spec.Containers[0].Env[0].Value != ownHost || spec.InitContainers[0].Env[0].Value != ownHost ||
		spec.Containers[0].Env[1].Value != "shop" || spec.InitContainers[0].Image != "migrate:1" {
		t.Errorf("%+v", spec)
	}
	if _, err := a.Undo.Do(t.Context(), c, o.Prior); err != nil {
		t.Fatal(err)
	}
	if spec := w.Snapshot().Regions[west].Deployments["order-service"].Spec.Template.Spec; spec.InitContainers[0].Env[0].Value != "somewhere" || !strings.HasPrefix(spec.Containers[0].Env[0].Value, "ecommerce-global.") {
		t.Errorf("%+v", spec)
	}
}
